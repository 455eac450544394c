"""Which format a file has, and how to open it."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import h5py

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest import tenx_files
from orchestrator.ingest.anndata_files import anndata_source
from orchestrator.ingest.by_gene import SortedMatrix
from orchestrator.ingest.loom_files import is_loom, loom_source
from orchestrator.ingest.progress import Report, silent
from orchestrator.ingest.sources import Source, with_cells

ACCEPTED: Final = "Accepted are .h5ad and .zarr (AnnData), 10x .h5, folders with a 10x matrix.mtx, and .loom"  # no full stop: it may go on
# First bytes of files that are often tried, and what to do with them.
_SIGNATURES: Final = (
    (b"\x1f\x8b", "gzip-compressed: unpack it with gunzip, or convert it if it is an R object (.rds)"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"BZh", "bzip2-compressed: unpack it with bunzip2"),
    (b"PAR1", "a Parquet file: convert it to .h5ad"),
    (b"RDX", "an R object: convert it to .h5ad with zellkonverter"),
    (b"%%MatrixMarket", "a matrix.mtx with another name: rename it to matrix.mtx"),
)
_ZARR_FILES: Final = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")


@contextmanager
def open_source(path: Path, cells: Path | None = None, report: Report = silent) -> Iterator[Source]:
    """Open a file of any accepted format while its source is in use; temporary files are deleted afterwards.

    Args:
        cells: table whose columns are added to the cells (`--cells`).

    Raises:
        AtlasUnusable: the file cannot be read; the message says what it looks like and what to do.
    """
    with ExitStack() as stack:
        try:
            source = _opened(path, stack, report)
        except OSError as error:
            raise AtlasUnusable(_unreadable(path, error)) from error
        for matrix in source.matrices.values():
            if isinstance(matrix, SortedMatrix):
                stack.callback(matrix.close)
        if cells is not None:
            read_obs = source.read_obs
            source = replace(source, read_obs=lambda: with_cells(read_obs(), cells))
        elif source.what in tenx_files.WITHOUT_LABELS:
            raise AtlasUnusable(f"{path} is {source.what}, which {tenx_files.NEEDS_CELLS}")
        try:
            yield source
        except OSError as error:
            if error.errno is not None:  # of the operating system, not of HDF5
                raise
            raise AtlasUnusable(_unreadable(path, error)) from error


def _opened(path: Path, stack: ExitStack, report: Report) -> Source:
    if path.is_dir():
        return _folder(path, stack, report)
    if not path.is_file():
        raise AtlasUnusable(f"There is no file {path}.")
    if tenx_files.MATRIX_FILE.match(path.name):
        return tenx_files.mtx_source(path, report)
    if not h5py.is_hdf5(path):
        raise AtlasUnusable(f"{path} cannot be opened: it {_looks_like(path)}. {ACCEPTED}.")
    file = stack.enter_context(h5py.File(path))
    if "obs" in file and "var" in file:
        return anndata_source(file, "an AnnData file", report)
    if is_loom(file):
        return loom_source(file)
    if tenx_files.is_tenx(file):
        return tenx_files.tenx_h5_source(file)
    raise AtlasUnusable(f"{path} is {_other_hdf5(file)}. {ACCEPTED}.")


def _folder(path: Path, stack: ExitStack, report: Report) -> Source:
    if any((path / name).exists() for name in _ZARR_FILES):
        import zarr  # noqa: PLC0415  # takes a third of a second, and few files need it

        # zarr warns about each version of its format that it does not write any more.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        group = zarr.open_group(path, mode="r")
        if "obs" not in group or "var" not in group:
            raise AtlasUnusable(f"{path} is a zarr group without obs and var, not AnnData. {ACCEPTED}.")
        return anndata_source(group, "an AnnData zarr folder", report)
    if _has_matrix(path):
        return tenx_files.mtx_source(path, report)
    if samples := sorted(each.name for each in path.iterdir() if each.is_dir() and _has_matrix(each)):
        raise AtlasUnusable(
            f"{path} holds {len(samples)} samples with a matrix.mtx each ({', '.join(samples[:4])}{', ...' if samples[4:] else ''}). Join "
            "them in one file, with the name of the sample in obs: scanpy.read_10x_mtx for each, anndata.concat(..., label='sample', "
            "index_unique='-'), and write_h5ad."
        )
    raise AtlasUnusable(f"{path} is a folder without a zarr group and without matrix.mtx. {ACCEPTED}.")


def _has_matrix(folder: Path) -> bool:
    return any(tenx_files.MATRIX_FILE.match(each.name) for each in folder.iterdir())


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2000)
    if not start:
        return "is empty"
    known = next((what for signature, what in _SIGNATURES if start.startswith(signature)), None)
    if known:
        return f"is {known}"
    if b"\0" not in start:
        return "is a text file, not HDF5 (a table? convert it to .h5ad)"
    return "is not HDF5 (incomplete download?)"


def _other_hdf5(file: h5py.File) -> str:
    if "mod" in file:
        return f"a MuData file (.h5mu) with {', '.join(file['mod'])}: write mdata['rna'] as .h5ad"
    if "assays" in file:
        return "an h5Seurat file: convert it to .h5ad (SeuratDisk::Convert)"
    entries = list(file)
    found = f"with {', '.join(entries[:5])}" if entries else "that is empty"
    return (
        f"an HDF5 file {found}, but neither AnnData (obs, var, X), 10x (matrix) nor loom (matrix, row_attrs, col_attrs)"
    )


def _unreadable(path: Path, error: OSError) -> str:
    """Return why HDF5 could not read a part of a file."""
    text = str(error)
    if "filter" in text:
        return f"{path} is compressed in a way that this HDF5 cannot read ({text}). Write it again with compression='gzip'."
    return f"{path} cannot be read ({text}). Copy it again: it may be incomplete."
