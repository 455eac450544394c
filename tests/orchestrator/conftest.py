"""What the tests of the job share: the demo atlas built once, and a run in a world of fakes."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local import demo_atlas
from orchestrator.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.ingest import ingest
from orchestrator.loading import CellSource
from orchestrator.main import Ports
from orchestrator.query_analysis import Question, analyse
from shared.catalog.entries import DatasetEntry
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.fields import ControlStrategy
from shared.runs.records import Compute, Run
from tests.orchestrator import small_atlas
from tests.orchestrator.world import FolderFiles, ListedCatalog, MemoryRuns, World


@pytest.fixture(scope="session")
def demo_h5ad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo atlas; without access to the package index a skip for a user and a failure in CI."""
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
    return ingest(demo_atlas.DATASET, demo_h5ad, atlas_root)


@pytest.fixture
def demo_view(demo_entry: DatasetEntry) -> CatalogView:
    return CatalogView(datasets(), [demo_entry])


@pytest.fixture
def ask(demo_view: CatalogView) -> Callable[[str], Question]:
    """Understand a question against the demo atlas."""
    return lambda text: analyse(text, demo_view)


@pytest.fixture
def source_of(atlas_root: Path) -> Callable[[Question], CellSource]:
    """The cells of a question, by the default config and a fixed seed."""
    return lambda question: CellSource(Atlas(atlas_root / question.dataset.name), question.asked, JobConfig(), 7)


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """A pending run; fields by name."""

    def make(query: str, **fields: object) -> Run:
        now = datetime.now(UTC)
        run = Run(
            run_id="run_0123456789ab",
            user_email="ada@example.com",
            query=query,
            control_strategy=ControlStrategy.SYNTHETIC_CONTROL,
            max_iterations=5,
            score_threshold=7,
            compute=Compute(job_id="haystack-0123456789ab-1"),
            transitions=[],
            request_fingerprint="none",
            created_at=now,
            updated_at=now,
            check_at=None,
        )
        return run.model_copy(update=fields)

    return make


@pytest.fixture
def world(demo_entry: DatasetEntry, atlas_root: Path, tmp_path: Path) -> Callable[[Run], World]:
    """Put a run into a world of fakes with the demo atlas."""

    def make(run: Run) -> World:
        store = MemoryRuns({run.run_id: run})
        ports = Ports(
            store=store,
            catalog=ListedCatalog({demo_entry.name: demo_entry}),
            files=FolderFiles(tmp_path),
            clock=lambda: datetime.now(UTC),
            atlas_root=atlas_root,
        )
        return World(ports, store, tmp_path, run.run_id)

    return make


@pytest.fixture
def answer_from(make_run: Callable[..., Run], tmp_path: Path, ticking: Callable[[], datetime]) -> Callable[..., World]:
    """A run on a small atlas that has these cell types in these conditions."""

    def make(conditions: Mapping[str, tuple[str, ...]], **fields: object) -> World:
        small_atlas.write(tmp_path / "cells.h5ad", conditions)
        entry = ingest("small", tmp_path / "cells.h5ad", tmp_path)
        run = make_run("How would CD14 monocytes respond to IFN-beta?", **fields)
        store = MemoryRuns({run.run_id: run})
        ports = Ports(store, ListedCatalog({entry.name: entry}), FolderFiles(tmp_path), ticking, tmp_path)
        return World(ports, store, tmp_path, run.run_id)

    return make
