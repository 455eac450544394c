"""AnnData files of any version, in HDF5 (`.h5ad`) or zarr.

Versions before 0.7 store obs and var as compound datasets, the labels of a categorical in `uns` (`<column>_categories`), the format of a sparse
matrix in `h5sparse_format`, and raw as `raw.X` and `raw.var`.
"""

import warnings
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.by_gene import csc_matrix
from orchestrator.ingest.matrices import CsrMatrix, DenseMatrix, Matrix
from orchestrator.ingest.progress import Report
from orchestrator.ingest.sources import Source

RAW = "raw/X"


def anndata_source(root: Any, what: str, report: Report) -> Source:
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
    )


def _matrix(element: Any, name: str, report: Report) -> Matrix | str:
    """Return the matrix in an element of HDF5 or zarr; a text that says what it is if it is none that can be read."""
    attributes = {key: value.decode() if isinstance(value, bytes) else value for key, value in element.attrs.items()}
    encoding = str(attributes.get("encoding-type") or attributes.get("h5sparse_format", ""))
    if encoding.removesuffix("_matrix") in {"csr", "csc"}:
        shape = attributes.get("shape", attributes.get("h5sparse_shape"))
        try:
            if "data" in element and element["data"].dtype.kind not in "buif":
                return f"a sparse matrix of {element['data'].dtype}"
            n_cells, n_genes = (int(size) for size in np.asarray(shape, dtype=np.int64))
            if encoding.startswith("csr"):
                return CsrMatrix(element, (n_cells, n_genes), name)
            return csc_matrix(element, (n_cells, n_genes), name, report)
        except AtlasUnusable as error:
            return str(error)
        except (TypeError, ValueError):
            return "a sparse matrix without a shape"
    if not hasattr(element, "dtype"):
        return f"a {encoding}" if encoding else "a group that is no matrix"
    if element.dtype.kind not in "buif":
        return f"an array of {element.dtype}"
    return DenseMatrix(element) if len(element.shape) == 2 else f"an array with {len(element.shape)} dimensions"


def _raw_var(root: Any) -> pd.DataFrame:
    """Return the genes of raw; columns that only var has are added, because raw often lacks the symbols."""
    raw, var = _frame(root, "raw/var" if "raw/var" in root else "raw.var"), _frame(root, "var")
    missing = [name for name in var if name not in raw]
    if missing and not var.index.has_duplicates:
        raw = pd.concat([raw, var[missing].reindex(raw.index)], axis=1)
    return raw


def _frame(root: Any, name: str) -> pd.DataFrame:
    element = root[name]
    if isinstance(element, h5py.Dataset):
        return _old_frame(element, root["uns"] if "uns" in root else {})
    frame = _read(element, name)
    if isinstance(frame, dict):  # a group of columns that some writers leave without its encoding
        index = next((frame.pop(key) for key in ("_index", "index") if key in frame), None)
        frame = pd.DataFrame({key: value for key, value in frame.items() if np.ndim(value) == 1}, index=index)
    if not isinstance(frame, pd.DataFrame):
        raise AtlasUnusable(f"{name} is not a table. Write the file again with a current anndata.")
    return frame


def _old_frame(dataset: h5py.Dataset, uns: Any) -> pd.DataFrame:
    """Return a table stored as a compound dataset, whose first field is the index."""
    records = dataset[()]
    columns = {name: _decoded(records[name]) for name in records.dtype.names}
    for name in columns:
        labels = uns[f"{name}_categories"] if f"{name}_categories" in uns else None
        if labels is not None and columns[name].dtype.kind in "iu":
            names = np.atleast_1d(_decoded(np.asarray(labels[()])))
            columns[name] = pd.Categorical.from_codes(columns[name].astype(np.int64), names)
    frame = pd.DataFrame(columns)
    return frame.set_index(frame.columns[0])


def _decoded(values: Any) -> Any:
    if values.dtype.kind not in "OS":
        return values
    decoded = [value.decode() if isinstance(value, bytes) else value for value in np.atleast_1d(values).tolist()]
    return np.array(decoded, dtype=object).reshape(values.shape)


def _read(element: Any, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old formats, which are read all the same
        try:
            return ad.io.read_elem(element)
        except Exception as error:  # noqa: BLE001  # what a file can hold, and how reading fails, has no end
            raise AtlasUnusable(
                f"{name} cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__}). "
                "Write the file again with a current anndata."
            ) from error
