"""AnnData files of any version, in HDF5 (`.h5ad`) or zarr.

Versions before 0.7 store obs and var as compound datasets, the labels of a categorical in `uns` (`<column>_categories`), the format of a
sparse matrix in `h5sparse_format`, and raw as `raw.X` and `raw.var`.
"""

import warnings
from typing import Any, cast

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.by_gene import csc_matrix
from orchestrator.ingest.matrices import NUMBERS, Array, CsrMatrix, DenseMatrix, Matrix, StoredGroup
from orchestrator.ingest.progress import Report
from orchestrator.ingest.sources import Source
from orchestrator.ingest.species import names_species

RAW = "raw/X"


def anndata_source(root: StoredGroup, what: str, report: Report) -> Source:
    """Return the source in a group of HDF5 or zarr."""
    elements = {"X": "X", RAW: next((name for name in (RAW, "raw.X") if name in root), RAW)}
    if "layers" in root:
        elements |= {f"layers/{name}": f"layers/{name}" for name in root["layers"]}
    matrices = {name: _matrix(root[path], name, report) for name, path in elements.items() if path in root}
    metadata = _read(root["uns/haystack"], "uns/haystack") if "uns/haystack" in root else {}
    return Source(
        what=what,
        matrices=matrices,
        read_obs=lambda: _frame(root, "obs"),
        read_var=lambda name: _raw_var(root) if name == RAW else _frame(root, "var"),
        metadata=metadata if isinstance(metadata, dict) else {},
        species=_species(root["uns"]) if "uns" in root else {},
    )


def _species(unstructured: StoredGroup) -> dict[str, str]:
    """Return the texts that name a species."""
    found = {name: _read(unstructured[name], f"uns/{name}") for name in unstructured if names_species(name)}
    return {f"uns.{name}": str(value) for name, value in found.items() if isinstance(value, str)}


def _matrix(element: StoredGroup | Array, name: str, report: Report) -> Matrix | str:
    """Return the matrix in an element of HDF5 or zarr; a text that says what it is if it is none that can be read."""
    attributes = {key: _text(value) for key, value in getattr(element, "attrs", {}).items()}
    encoding = str(attributes.get("encoding-type") or attributes.get("h5sparse_format", ""))
    if hasattr(element, "dtype"):
        array = cast("Array", element)
        if array.dtype.kind not in NUMBERS:
            return f"an array of {array.dtype}"
        return DenseMatrix(array) if len(array.shape) == 2 else f"an array with {len(array.shape)} dimensions"
    if encoding.removesuffix("_matrix") not in {"csr", "csc"}:
        return f"a {encoding}" if encoding else "a group that is no matrix"
    try:
        return _sparse_matrix(
            element, encoding, attributes.get("shape", attributes.get("h5sparse_shape")), name, report
        )
    except AtlasUnusable as error:
        return str(error)


def _sparse_matrix(group: StoredGroup, encoding: str, shape: Any, name: str, report: Report) -> Matrix:  # noqa: ANN401  # an attribute
    """Return a sparse matrix.

    Raises:
        AtlasUnusable: it is damaged or of a type that cannot be read.
    """
    sizes = np.asarray(shape) if shape is not None else np.empty(0)
    if sizes.shape != (2,):
        raise AtlasUnusable(f"{name} is damaged: a sparse matrix needs a shape. Write the file again.")
    if "data" in group and group["data"].dtype.kind not in NUMBERS:
        raise AtlasUnusable(f"{name} is a sparse matrix of {group['data'].dtype}.")
    n_cells, n_genes = (int(size) for size in sizes)
    if encoding.startswith("csr"):
        return CsrMatrix(group, (n_cells, n_genes), name)
    return csc_matrix(group, (n_cells, n_genes), name, report)


def _raw_var(root: StoredGroup) -> pd.DataFrame:
    """Return the genes of raw; columns that only var has are added, because raw often lacks the symbols."""
    raw, var = _frame(root, "raw/var" if "raw/var" in root else "raw.var"), _frame(root, "var")
    missing = [name for name in var if name not in raw]
    if missing and not var.index.has_duplicates:
        raw = pd.concat([raw, var[missing].reindex(raw.index)], axis=1)
    return raw


def _frame(root: StoredGroup, name: str) -> pd.DataFrame:
    element = root[name]
    if isinstance(element, h5py.Dataset):
        return _old_frame(element, root)
    frame = _read(element, name)
    if isinstance(frame, dict):  # a group of columns that some writers leave without its encoding
        index = next((frame.pop(key) for key in ("_index", "index") if key in frame), None)
        frame = pd.DataFrame({key: value for key, value in frame.items() if np.ndim(value) == 1}, index=index)
    if not isinstance(frame, pd.DataFrame):
        raise AtlasUnusable(f"{name} is not a table. Write the file again with a current anndata.")
    return frame


def _old_frame(dataset: h5py.Dataset, root: StoredGroup) -> pd.DataFrame:
    """Return a table stored as a compound dataset, whose first field is the index."""
    records = dataset[()]
    columns: dict[str, Any] = {}
    for name in records.dtype.names:
        values = _decoded(records[name])
        labels = f"uns/{name}_categories"
        if labels in root and values.dtype.kind in "iu":
            names = np.atleast_1d(_decoded(np.asarray(root[labels][()])))
            values = pd.Categorical.from_codes(values.astype(np.int64), names)
        columns[str(name)] = values
    frame = pd.DataFrame(columns)
    return frame.set_index(frame.columns[0])


def _decoded(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "OS":
        return values
    texts = [_text(value) for value in np.atleast_1d(values).tolist()]
    return np.array(texts, dtype=object).reshape(values.shape)


def _text(value: Any) -> Any:  # noqa: ANN401  # what an attribute or a column holds
    return value.decode() if isinstance(value, bytes) else value


def _read(element: StoredGroup | Array, name: str) -> Any:  # noqa: ANN401  # a table, a dictionary, ...
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old formats, which are read all the same
        try:
            return ad.io.read_elem(element)
        except Exception as error:  # what a file can hold, and how reading fails, has no end
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise AtlasUnusable(
                f"{name} cannot be read ({reason}). Write the file again with a current anndata."
            ) from error
