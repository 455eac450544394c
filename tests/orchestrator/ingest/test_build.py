"""Ingesting an atlas, and reading back only the requested rows."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.atlas import Atlas, AtlasUnusable, Group
from orchestrator.ingest.build import examine, ingest
from orchestrator.ingest.options import Options
from shared.catalog.entries import DatasetEntry
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase
from tests.support.orchestrator import raw_files

GENES = ["ISG15", "IFI6", "MX1", "STAT1", "CD14", "CD3E", "ACTB", "GAPDH"]


def small_atlas(**changes: np.ndarray) -> ad.AnnData:
    """Return 60 shuffled cells: two donors, two types, PBS and IFN-gamma; gene i of cell c has (c + i) % 5 counts."""
    n = 60
    order = np.random.default_rng(3).permutation(n)
    obs = pd.DataFrame(
        {
            "cell_type": np.where(order % 2 == 0, "MDC", "CD8_T"),
            "condition": np.where(order % 3 == 0, "PBS", "IFNg"),
            "donor": np.where(order % 5 < 2, "D1", "D2"),
        },
        index=[f"c{i}" for i in range(n)],
    )
    counts = (np.arange(n)[:, None] + np.arange(8)[None, :]) % 5
    cells = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs, var=pd.DataFrame(index=GENES))
    cells.obs = cells.obs.assign(**changes)
    return cells


def written(cells: ad.AnnData, folder: Path) -> Path:
    path = folder / "source.h5ad"
    cells.write_h5ad(path)
    return path


def test_an_atlas_is_described_by_its_groups_controls_and_canonical_names(tmp_path: Path) -> None:
    cells = small_atlas()
    entry = ingest("small", written(cells, tmp_path), tmp_path / "atlases")
    assert (entry.n_cells, entry.n_genes, entry.donors) == (60, 8, ["D1", "D2"])
    assert {(each.label, each.perturbation, each.is_control) for each in entry.conditions} == {
        ("IFNg", "IFN-gamma", False),
        ("PBS", None, True),
    }
    assert {each.label: each.cell_ontology_id for each in entry.cell_types} == {
        "CD8_T": "CL:0000625",
        "MDC": "CL:0000113",
    }
    truth = cells.obs.groupby(["cell_type", "condition", "donor"], observed=True).size()
    for group in entry.groups:
        assert group.cells == sum(group.donors)
        for donor, count in zip(entry.donors, group.donors, strict=True):
            assert count == truth.get((group.cell_type, group.condition, donor), 0)


def test_exactly_the_rows_of_a_group_are_read_back(tmp_path: Path) -> None:
    cells = small_atlas()
    ingest("small", written(cells, tmp_path), tmp_path)
    atlas = Atlas(tmp_path / "small")
    assert sum(atlas.size(group) for group in atlas.groups) == 60
    rng = np.random.default_rng(0)
    for group in atlas.groups:
        rows = atlas.rows(group, 1000, rng)
        mine = (cells.obs["cell_type"] == group.cell_type) & (cells.obs["condition"] == group.condition)
        mine &= cells.obs["donor"] == group.donor
        assert rows.tolist() == np.flatnonzero(mine).tolist()
        assert np.array_equal(atlas.counts(rows).toarray(), cells.X[rows].toarray())
    assert atlas.size(Group("nobody", "MDC", "PBS")) == 0
    assert len(atlas.rows(atlas.groups[0], 2, rng)) == 2


@given(wanted=st.sets(st.integers(0, 59)))
def test_any_sorted_choice_of_rows_is_read_as_the_matrix_has_it(
    wanted: set[int], shared_small: tuple[Atlas, Any]
) -> None:
    atlas, truth = shared_small
    rows = np.array(sorted(wanted), dtype=np.int64)
    assert np.array_equal(atlas.counts(rows).toarray(), truth[rows])


@pytest.fixture(scope="module")
def shared_small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Atlas, Any]:
    folder = tmp_path_factory.mktemp("small")
    cells = small_atlas()
    ingest("small", written(cells, folder), folder)
    return Atlas(folder / "small"), cells.X.toarray()


def test_counts_are_found_in_a_layer_when_x_is_normalized(tmp_path: Path) -> None:
    cells = small_atlas()
    cells.layers["counts"] = cells.X.copy()
    cells.X = cells.X.sqrt()
    ingest("layered", written(cells, tmp_path), tmp_path)
    read = Atlas(tmp_path / "layered").counts(np.arange(60))
    assert np.array_equal(read.toarray(), cells.layers["counts"].toarray())


def test_cells_without_a_label_are_skipped_and_counted(tmp_path: Path) -> None:
    cells = small_atlas()
    cells.obs["donor"] = cells.obs["donor"].where(np.arange(60) >= 4)
    found = examine("holes", written(cells, tmp_path))
    assert found.entry.n_cells == 56
    assert found.meaning.left_out == {"a missing label": 4}


def test_a_condition_can_be_named_as_control_by_hand(tmp_path: Path) -> None:
    cells = small_atlas(condition=np.where(np.arange(60) % 2 == 0, "arm A", "IFN-beta"))
    path = written(cells, tmp_path)
    with pytest.raises(AtlasUnusable, match=r"--control.*arm A"):
        ingest("arms", path, tmp_path)
    entry = ingest("arms", path, tmp_path, Options(controls=("arm A",)))
    assert [each.label for each in entry.conditions if each.is_control] == ["arm A"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cells: setattr(cells, "X", cells.X * 0.7 + cells.X.power(0.3)), "X holds values that are not counts"),
        (lambda cells: setattr(cells, "X", -cells.X), "negative"),
        (lambda cells: cells.obs.drop(columns="condition", inplace=True), "--condition-column"),
    ],
)
def test_an_atlas_that_cannot_be_used_is_refused_with_what_to_do(
    spoil: Callable[[ad.AnnData], None], message: str, tmp_path: Path
) -> None:
    cells = small_atlas()
    spoil(cells)
    with pytest.raises(AtlasUnusable, match=message):
        ingest("bad", written(cells, tmp_path), tmp_path)
    assert not (tmp_path / "bad").exists()


def test_a_file_that_is_no_h5ad_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.h5ad"
    path.write_text("not HDF5")
    with pytest.raises(AtlasUnusable, match="cannot be opened"):
        ingest("text", path, tmp_path)


def test_ingesting_again_replaces_what_was_there(tmp_path: Path) -> None:
    ingest("again", written(small_atlas(), tmp_path), tmp_path)
    smaller = small_atlas()[:30].copy()
    other = tmp_path / "other.h5ad"
    smaller.write_h5ad(other)
    assert ingest("again", other, tmp_path).n_cells == 30
    atlas = Atlas(tmp_path / "again")
    assert sum(atlas.size(group) for group in atlas.groups) == 30


def test_the_demo_atlas_says_in_the_catalog_that_it_is_semi_synthetic(demo_entry: DatasetEntry) -> None:
    assert demo_entry.semi_synthetic
    assert "SEMI-SYNTHETIC" in demo_entry.title
    assert len(demo_entry.conditions) == 11
    assert len(demo_entry.donors) == 3
    assert all(each.cell_ontology_id for each in demo_entry.cell_types)


def test_the_command_puts_the_dataset_into_the_catalog(tmp_path: Path) -> None:
    settings = {
        "PROJECT": "test",
        "REGION": "nowhere",
        "RESULTS_BUCKET": "none",
        "STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "runs.db"),
        "ATLAS_DIR": str(tmp_path / "atlases"),
    }
    command = [
        sys.executable,
        "-m",
        "orchestrator.ingest",
        "small",
        str(written(small_atlas(), tmp_path)),
        "--title",
        "Small",
    ]
    done = subprocess.run(
        command, env=settings, capture_output=True, text=True, timeout=50, check=False, cwd=Path(__file__).parents[3]
    )
    assert (done.returncode, done.stderr) == (0, "")

    async def stored() -> list[tuple[str, str]]:
        database = SqliteDatabase(tmp_path / "runs.db")
        entries = await SqliteCatalog(database).load()
        await database.close()
        return [(entry.name, entry.title) for entry in entries]

    assert asyncio.run(stored()) == [("small", "Small")]


@pytest.mark.parametrize(
    ("donors", "wanted"),
    [
        ({"PBS": ["ctrl101", "ctrl107"], "IFNg": ["stim101", "stim107"]}, ["101", "107"]),
        ({"PBS": ["P1_pre", "P2_pre"], "IFNg": ["P1_post", "P2_post"]}, ["P-1", "P-2"]),
        ({"PBS": ["A", "B"], "IFNg": ["A", "B"]}, ["A", "B"]),
        (
            {"PBS": ["healthy1", "healthy2"], "IFNg": ["patient3", "patient4"]},
            ["healthy1", "healthy2", "patient3", "patient4"],
        ),
        ({"PBS": ["ctrl101"], "IFNg": ["stim107"]}, ["ctrl101", "stim107"]),
        ({"PBS": ["D1"], "IFNg": ["D2"]}, ["D1", "D2"]),
        ({"PBS": ["donor_A"], "IFNg": ["donor_B"]}, ["donor_A", "donor_B"]),
    ],
)
def test_donor_labels_that_name_the_condition_are_the_same_donor(
    donors: dict[str, list[str]], wanted: list[str], tmp_path: Path
) -> None:
    """Regression: files that name samples ctrl101 and stim101 lost all matched controls."""
    condition = small_atlas().obs["condition"].to_numpy()
    second = np.arange(60) % 2
    labels = np.array([donors[each][i % len(donors[each])] for each, i in zip(condition, second, strict=True)])
    entry = ingest("named", written(small_atlas(donor=labels), tmp_path), tmp_path / "atlases")
    assert entry.donors == wanted


def test_cells_without_counts_are_left_out_and_counted(tmp_path: Path) -> None:
    """Regression: empty cells stayed in their groups, and made responses smaller and less certain."""
    cells = small_atlas()
    cells.X = sparse.vstack([cells.X[:3] * 0, cells.X[3:]], format="csr")
    path = written(cells, tmp_path)
    assert examine("holes", path).meaning.left_out == {"no counts": 3}
    assert ingest("holes", path, tmp_path).n_cells == 57
    atlas = Atlas(tmp_path / "holes")
    assert sum(atlas.size(group) for group in atlas.groups) == 57


def test_regression_the_same_cells_under_other_names_are_no_further_donors(tmp_path: Path) -> None:
    raw_files.atlas().write_h5ad(tmp_path / "one.h5ad")
    one = examine("one", tmp_path / "one.h5ad")
    cells = raw_files.atlas()
    copies = raw_files.atlas()
    copies.obs["donor"] = "again_" + copies.obs["donor"].astype(str)
    copies.obs_names = [f"again_{name}" for name in copies.obs_names]
    ad.concat([cells, copies]).write_h5ad(tmp_path / "twice.h5ad")
    twice = examine("twice", tmp_path / "twice.h5ad")
    assert twice.entry.donors == one.entry.donors
    assert twice.entry.groups == one.entry.groups
    assert twice.meaning.left_out["copies of other cells"] == one.meaning.n_cells
    assert twice.meaning.warnings[0].startswith(f"COPIES: {one.meaning.n_cells} cells")


def test_an_atlas_of_which_too_few_cells_have_counts_is_refused(tmp_path: Path) -> None:
    cells = raw_files.atlas()
    counts = cells.X.tolil()
    counts[np.flatnonzero(cells.obs["condition"] != "PBS")[4:]] = 0
    cells.X = counts.tocsr()
    cells.write_h5ad(tmp_path / "empty.h5ad")
    with pytest.raises(AtlasUnusable, match="No question could be answered"):
        examine("empty", tmp_path / "empty.h5ad")


def test_regression_a_reader_that_ends_early_is_no_traceback(tmp_path: Path) -> None:
    raw_files.atlas().write_h5ad(tmp_path / "cells.h5ad")
    command = [sys.executable, "-m", "orchestrator.ingest", "cells", str(tmp_path / "cells.h5ad"), "--dry-run"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        told = child.stderr.read()
    assert (child.returncode, told) == (1, "")
