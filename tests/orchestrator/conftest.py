"""Fixtures of the job's tests: the demo atlas, built once, and runs with fakes of all ports."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from local.demo_atlas import SEMI_SYNTHETIC
from local.demo_atlas import build as demo_atlas
from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.ingest.build import ingest
from orchestrator.main import Ports
from orchestrator.question.analysis import Question, analyze
from orchestrator.search.cells import CellSource
from shared.catalog.entries import DatasetEntry
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.fields import utc_now
from shared.runs.records import Run
from tests.support import builders
from tests.support.orchestrator import small_atlas
from tests.support.orchestrator.world import FolderFiles, ListedCatalog, MemoryRuns, World


@pytest.fixture(scope="session")
def demo_h5ad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo atlas; without the package index, tests are skipped locally and fail in CI."""
    folder = tmp_path_factory.mktemp("demo")
    try:
        return demo_atlas.build(folder / "demo.h5ad", folder)
    except demo_atlas.AtlasUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the demo atlas: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def atlas_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("atlases")


@pytest.fixture(scope="session")
def demo_entry(demo_h5ad: Path, atlas_root: Path) -> DatasetEntry:
    return ingest(SEMI_SYNTHETIC, demo_h5ad, atlas_root)


@pytest.fixture
def demo_view(demo_entry: DatasetEntry) -> CatalogView:
    return CatalogView(datasets(), [demo_entry])


@pytest.fixture
def ask(demo_view: CatalogView) -> Callable[[str], Question]:
    """Interpret a question with the demo atlas."""
    return lambda text: analyze(text, demo_view)


@pytest.fixture
def source_of(atlas_root: Path) -> Callable[[Question], CellSource]:
    """Return the cells of a question, with the default config and a fixed seed."""
    return lambda question: CellSource(Atlas(atlas_root / question.dataset.folder), question.target, JobConfig(), 7)


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Return a pending run with these fields."""

    def make(query: str, **fields: object) -> Run:
        now = utc_now()
        run = builders.make_run("run_0123456789ab", query=query, created_at=now, updated_at=now)
        return run.model_copy(update=fields)

    return make


@pytest.fixture
def world(demo_entry: DatasetEntry, atlas_root: Path, tmp_path: Path) -> Callable[[Run], World]:
    """Return a run with the demo atlas and fakes of all ports."""

    def make(run: Run) -> World:
        store = MemoryRuns({run.run_id: run})
        ports = Ports(
            store=store,
            catalog=ListedCatalog({demo_entry.name: demo_entry}),
            files=FolderFiles(tmp_path),
            clock=utc_now,
            atlas_root=atlas_root,
        )
        return World(ports, store, tmp_path, run.run_id)

    return make


@pytest.fixture
def answer_from(make_run: Callable[..., Run], tmp_path: Path, ticking: Callable[[], datetime]) -> Callable[..., World]:
    """Return a run on a small atlas with these conditions by cell type."""

    def make(
        conditions: Mapping[str, tuple[str, ...]],
        *,
        question: str = "How would CD14 monocytes respond to IFN-beta?",
        perturbed_cells: int | Mapping[str, int] = 30,
        donors: Sequence[str] = ("D1", "D2"),
        batches: Mapping[str, str] | None = None,
        **fields: object,
    ) -> World:
        path = tmp_path / "cells.h5ad"
        small_atlas.write(path, conditions, donors=donors, perturbed_cells=perturbed_cells, batches=batches)
        entry = ingest("small", tmp_path / "cells.h5ad", tmp_path)
        run = make_run(question, **fields)
        store = MemoryRuns({run.run_id: run})
        ports = Ports(store, ListedCatalog({entry.name: entry}), FolderFiles(tmp_path), ticking, tmp_path)
        return World(ports, store, tmp_path, run.run_id)

    return make
