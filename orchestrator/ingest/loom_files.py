"""Loom files: HDF5 with a dense matrix of genes × cells, `layers` of the same shape, and attributes of rows (genes) and columns (cells).

They are read by slabs of cells, along the chunks of the file, at the cost of a dense matrix.
"""

from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.ingest.matrices import DenseMatrix, Matrix
from orchestrator.ingest.sources import Source

_CELL_NAMES = ("CellID", "cell_id", "obs_names", "cell_names", "barcode", "barcodes")
_GENE_NAMES = ("Gene", "gene", "var_names", "gene_name", "gene_names", "Accession")


def loom_source(file: h5py.File) -> Source:
    """Return the source in a loom file."""
    matrices: dict[str, Matrix | str] = {"X": DenseMatrix(file["matrix"], by_gene=True)}
    for name in file.get("layers", ()):
        matrices[f"layers/{name}"] = DenseMatrix(file[f"layers/{name}"], by_gene=True)
    return Source(
        what="a loom file",
        matrices=matrices,
        read_obs=lambda: _attributes(file, "col_attrs", _CELL_NAMES, file["matrix"].shape[1]),
        read_var=lambda _: _attributes(file, "row_attrs", _GENE_NAMES, file["matrix"].shape[0]),
    )


def is_loom(file: h5py.File) -> bool:
    """Return whether an HDF5 file is a loom file."""
    return isinstance(file.get("matrix"), h5py.Dataset) and "row_attrs" in file and "col_attrs" in file


def _attributes(file: h5py.File, group: str, index_names: tuple[str, ...], size: int) -> pd.DataFrame:
    """Return attributes with one value for each row or column of the matrix."""
    columns = {name: _values(each) for name, each in file[group].items() if each.shape == (size,)}
    index = next((columns[name] for name in index_names if name in columns), np.arange(size).astype(str))
    return pd.DataFrame(columns, index=pd.Index(index))


def _values(dataset: h5py.Dataset) -> NDArray[Any]:
    values: NDArray[Any] = dataset[:]
    if values.dtype.kind not in "OS":
        return values
    return np.array(
        [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values], dtype=object
    )
