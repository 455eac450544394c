"""Files of every format give the same counts; what cannot be read is refused with what it is and what to do."""

import gzip
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.count_matrix import Counts, find_counts
from orchestrator.ingest.formats import open_source
from orchestrator.ingest.genes import read_genes
from tests.support.orchestrator import raw_files
from tests.support.orchestrator.raw_files import GENES, N_CELLS

Write = Callable[[Path], object]


def read(path: Path, cells: Path | None = None, layer: str | None = None) -> tuple[Counts, np.ndarray, pd.DataFrame]:
    """Return the counts of a file, all of their values, and its cells."""
    with open_source(path, cells) as source:
        obs = source.read_obs()
        found = find_counts(source, len(obs), read_genes, layer)
        rows = sparse.vstack([block for _, block in found.blocks()], format="csr")
        assert np.array_equal(np.diff(rows.indptr), found.tally.sizes)
        return found, rows.toarray(), obs


def changed(change: Callable[[ad.AnnData], object], **options: object) -> Write:
    def write(path: Path) -> None:
        cells = raw_files.atlas()
        change(cells)
        cells.write_h5ad(path, **options)

    return write


def with_x(make: Callable[[sparse.csr_matrix], object], **options: object) -> Write:
    return changed(lambda cells: setattr(cells, "X", make(cells.X)), **options)


def as_it_is(cells: ad.AnnData) -> None:
    """Change nothing."""


def int64_indices(path: Path) -> None:
    raw_files.atlas().write_h5ad(path)
    with h5py.File(path, "a") as file:
        for part in ("indices", "indptr"):
            values = file["X"][part][:].astype(np.int64)
            del file["X"][part]
            file["X"][part] = values


def unsorted_with_duplicates(path: Path) -> None:
    """Write a CSR matrix with each count split in two entries, in reverse order."""
    whole = raw_files.counts()
    raw_files.atlas().write_h5ad(path)
    with h5py.File(path, "a") as file:
        parts = {
            "data": np.concatenate([np.tile(whole.data[a:b][::-1] / 2, 2) for a, b in bounds(whole)]),
            "indices": np.concatenate([np.tile(whole.indices[a:b][::-1], 2) for a, b in bounds(whole)]),
            "indptr": 2 * whole.indptr,
        }
        for part, values in parts.items():
            del file["X"][part]
            file["X"][part] = values


def bounds(matrix: sparse.csr_matrix) -> list[tuple[int, int]]:
    return list(zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True))


def nullable_columns(cells: ad.AnnData) -> None:
    cells.obs["score"] = pd.array([None, *range(N_CELLS - 1)], dtype="Int64")
    cells.obs["passed"] = pd.array([True, None, *[False] * (N_CELLS - 2)], dtype="boolean")
    cells.obs["donor"] = cells.obs["donor"].astype("category")


H5AD: dict[str, Write] = {
    "csr": changed(as_it_is),
    "csc": with_x(lambda x: x.tocsc()),
    "dense": with_x(lambda x: x.toarray()),
    "float64": with_x(lambda x: x.astype(np.float64)),
    "int64": with_x(lambda x: x.astype(np.int64)),
    "uint16": with_x(lambda x: x.astype(np.uint16)),
    "dense uint8": with_x(lambda x: x.toarray().astype(np.uint8)),
    "gzip": changed(as_it_is, compression="gzip"),
    "csc gzip": with_x(lambda x: x.tocsc(), compression="gzip"),
    "dense lzf": with_x(lambda x: x.toarray(), compression="lzf"),
    "int64 indices": int64_indices,
    "split entries": unsorted_with_duplicates,
    "nullable columns": changed(nullable_columns),
    "names twice": changed(lambda cells: setattr(cells, "obs_names", ["same"] * N_CELLS)),
    "old csr": raw_files.old_h5ad,
    "old csc": lambda path: raw_files.old_h5ad(path, "csc"),
    "old raw": lambda path: raw_files.old_h5ad(path, "raw"),
    "0.7": raw_files.h5ad_of_0_7,
    "loom": raw_files.loom,
}


@pytest.mark.parametrize("name", H5AD)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_every_layout_gives_the_same_counts_and_cells(name: str, tmp_path: Path) -> None:
    H5AD[name](tmp_path / "file.h5ad")
    found, values, obs = read(tmp_path / "file.h5ad")
    assert found.genes.symbols == tuple(GENES)
    assert np.array_equal(values, raw_files.counts().toarray())
    for column in ("cell_type", "condition", "donor"):
        assert obs[column].astype(str).tolist() == raw_files.cells()[column].tolist()


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_zarr_is_read(layout: str, tmp_path: Path) -> None:
    cells = raw_files.atlas()
    cells.X = {"csr": cells.X, "csc": cells.X.tocsc(), "dense": cells.X.toarray()}[layout]
    cells.write_zarr(tmp_path / "atlas.zarr")
    _, values, obs = read(tmp_path / "atlas.zarr")
    assert np.array_equal(values, raw_files.counts().toarray())
    assert obs["donor"].astype(str).tolist() == raw_files.cells()["donor"].tolist()


TENX: dict[str, Write] = {
    "version 3": lambda path: raw_files.tenx_h5(path / "made.h5"),
    "version 2": lambda path: raw_files.tenx_h5(path / "made.h5", version=2),
    "gzipped folder": lambda path: raw_files.tenx_folder(path / "made.h5"),
    "old folder": lambda path: raw_files.tenx_folder(path / "made.h5", zipped=False, features="genes.tsv"),
    "prefix": lambda path: raw_files.tenx_folder(path / "made.h5", prefix="GSM1_"),
}


@pytest.mark.parametrize("name", TENX)
def test_10x_files_are_read_with_a_table_of_cells(name: str, tmp_path: Path) -> None:
    TENX[name](tmp_path)
    table = raw_files.cell_table(tmp_path / "cells.csv.gz", lambda cells: cells[::-1])
    found, values, obs = read(tmp_path / "made.h5", table)
    assert found.genes.symbols == tuple(GENES)
    assert np.array_equal(values, raw_files.counts().toarray())
    assert obs["donor"].tolist() == raw_files.cells()["donor"].tolist()


def test_antibodies_of_a_10x_file_are_left_out_and_noted(tmp_path: Path) -> None:
    raw_files.tenx_h5(tmp_path / "made.h5")
    found, *_ = read(tmp_path / "made.h5", raw_files.cell_table(tmp_path / "cells.tsv"))
    assert any("are no genes and are left out" in note for note in found.genes.notes)


@pytest.mark.parametrize("name", TENX)
def test_10x_files_without_a_table_of_cells_are_refused_with_the_option(name: str, tmp_path: Path) -> None:
    TENX[name](tmp_path)
    with pytest.raises(AtlasUnusable, match=r"10x .*no cell types, conditions or donors.*--cells TABLE"):
        read(tmp_path / "made.h5")


def test_a_table_of_cells_may_lack_lanes_and_cells(tmp_path: Path) -> None:
    raw_files.tenx_h5(tmp_path / "made.h5")
    table = raw_files.cell_table(tmp_path / "c.tsv", lambda cells: cells.rename(index=lambda name: name[:-2])[:40])
    _, _, obs = read(tmp_path / "made.h5", table)
    assert obs["donor"].notna().tolist() == [True] * 40 + [False] * 20


def test_the_same_barcode_in_another_lane_is_another_cell(tmp_path: Path) -> None:
    raw_files.tenx_h5(tmp_path / "made.h5")
    table = raw_files.cell_table(tmp_path / "c.tsv", lambda cells: cells.rename(index=lambda name: f"{name[:-2]}-2"))
    with pytest.raises(AtlasUnusable, match=r"No cell of the table.*AAAC0000-2.*AAAC0000-1"):
        read(tmp_path / "made.h5", table)


def test_a_table_of_other_cells_is_refused_with_examples(tmp_path: Path) -> None:
    raw_files.tenx_h5(tmp_path / "made.h5")
    table = raw_files.cell_table(tmp_path / "c.tsv", lambda cells: cells.rename(index=lambda name: f"other{name}"))
    with pytest.raises(AtlasUnusable, match=r"No cell of the table.*otherAAAC0000-1.*AAAC0000-1"):
        read(tmp_path / "made.h5", table)


def test_a_10x_file_without_features_is_refused(tmp_path: Path) -> None:
    """Regression: a KeyError."""
    raw_files.tenx_h5(tmp_path / "made.h5")
    with h5py.File(tmp_path / "made.h5", "a") as file:
        del file["matrix/features"]
    with pytest.raises(AtlasUnusable, match=r"10x .h5 without matrix/features"):
        read(tmp_path / "made.h5")


def hdf5_with(*names: str) -> Write:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name in names:
                file.create_group(name)

    return write


def truncated(path: Path) -> None:
    raw_files.atlas().write_h5ad(path)
    path.write_bytes(path.read_bytes()[:20_000])


OTHERS: dict[str, tuple[Write, str]] = {
    "text": (lambda path: path.write_text("a,b\n1,2\n"), "text file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "gunzip"),
    "binary": (lambda path: path.write_bytes(b"\0\1\2"), "not HDF5"),
    "MuData": (hdf5_with("mod/rna", "mod/prot"), r"MuData.*write mdata\['rna'\]"),
    "h5Seurat": (hdf5_with("assays", "cell.names"), "h5Seurat"),
    "other HDF5": (hdf5_with("weights"), "HDF5 file with weights"),
    "truncated": (truncated, r"cannot be read.*incomplete"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_refused_with_what_they_look_like(name: str, tmp_path: Path) -> None:
    write, message = OTHERS[name]
    write(tmp_path / "file.h5ad")
    with pytest.raises(AtlasUnusable, match=message):
        read(tmp_path / "file.h5ad")


def test_a_folder_without_an_atlas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AtlasUnusable, match=r"without a zarr group and without matrix.mtx"):
        read(tmp_path)
    raw_files.tenx_folder(tmp_path, prefix="a_")
    raw_files.tenx_folder(tmp_path, prefix="b_")
    with pytest.raises(AtlasUnusable, match=r"2 files matrix.mtx \(a_matrix.mtx.gz, b_matrix.mtx.gz\)"):
        read(tmp_path)


def test_a_folder_of_samples_is_refused_with_how_to_join_them(tmp_path: Path) -> None:
    for sample in ("P1_ctrl", "P1_stim"):
        (tmp_path / sample).mkdir()
        (tmp_path / sample / "matrix.mtx.gz").touch()
    with pytest.raises(AtlasUnusable, match=r"2 samples with a matrix.mtx each \(P1_ctrl, P1_stim\).*anndata.concat"):
        read(tmp_path)


def test_an_incomplete_matrix_mtx_is_refused(tmp_path: Path) -> None:
    raw_files.tenx_folder(tmp_path, zipped=False)
    lines = (tmp_path / "matrix.mtx").read_text().splitlines()
    (tmp_path / "matrix.mtx").write_text("\n".join(lines[:-5]))
    with pytest.raises(AtlasUnusable, match="incomplete"):
        read(tmp_path, raw_files.cell_table(tmp_path / "cells.csv"))


def test_a_damaged_matrix_is_refused(tmp_path: Path) -> None:
    raw_files.atlas().write_h5ad(tmp_path / "file.h5ad")
    with h5py.File(tmp_path / "file.h5ad", "a") as file:
        file["X/indices"][5] = len(GENES)
    with pytest.raises(AtlasUnusable, match="X is damaged: an index is outside"):
        read(tmp_path / "file.h5ad")
    with h5py.File(tmp_path / "file.h5ad", "a") as file:
        file["X/indptr"][5] = 0
    with pytest.raises(AtlasUnusable, match="indptr"):
        read(tmp_path / "file.h5ad")
