"""Matrices on disk, read as blocks of rows of bounded size, whatever their layout.

A row is a cell. CSR and dense matrices are read in place: one pass over the file for each pass over the rows. A dense matrix costs the
reading of its zeros. Matrices that are stored by gene are in `orchestrator.ingest.by_gene`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.atlas.counts import BLOCK_VALUES, Rows, value_blocks

Pointers = NDArray[np.int64]

# Kinds of numpy types that counts can have.
NUMBERS: Final = frozenset("buif")
SAMPLED_ROWS: Final = 200
# A sample of a wide dense matrix reads at most this many values.
SAMPLED_VALUES: Final = 8_000_000


class Array(Protocol):
    """An array in a file of HDF5 or zarr."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

    def __getitem__(self, selection: Any, /) -> NDArray[Any]: ...  # noqa: ANN401  # as numpy's


class StoredGroup(Protocol):
    """A group in a file of HDF5 or zarr, or the file; its members are groups and arrays."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The attributes."""

    def __iter__(self) -> Iterator[str]: ...
    def __contains__(self, name: str, /) -> bool: ...
    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401  # a group or an array


class Matrix(Protocol):
    """A matrix on disk, cells × genes."""

    layout: str  # for messages: "CSR"
    shape: tuple[int, int]
    cheap_sample: bool  # whether `sample` reads only the rows that it returns

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first row and the values, as float32, of each block of rows, in order."""

    def sample(self) -> sparse.csr_matrix:
        """Return rows from all over the matrix."""


class CsrMatrix:
    """A CSR matrix in a group of HDF5 or zarr: `data`, `indices`, `indptr`.

    Raises:
        AtlasUnusable: the parts do not fit together.
    """

    layout = "CSR"
    cheap_sample = True

    def __init__(self, group: StoredGroup, shape: tuple[int, int], name: str) -> None:
        self.shape = shape
        self._name = name
        self._data, self._indices, self._pointers = parts(group, shape[0], name)

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first row and the values of each block of rows, in order."""
        for first, last in value_blocks(self._pointers, BLOCK_VALUES):
            yield first, self._read(first, last)

    def sample(self) -> sparse.csr_matrix:
        """Return rows from all over the matrix."""
        rows = [self._read(row, row + 1) for row in sampled_rows(self.shape[0]).tolist()]
        return sparse.vstack(rows, format="csr")

    def _read(self, first: int, last: int) -> sparse.csr_matrix:
        pointers = self._pointers[first : last + 1]
        values = slice(int(pointers[0]), int(pointers[-1]))
        indices = checked_indices(self._indices[values], self.shape[1], self._name)
        block = sparse.csr_matrix(
            (as_float(self._data[values]), indices, pointers - pointers[0]), (last - first, self.shape[1])
        )
        block.sum_duplicates()
        return block


class DenseMatrix:
    """A dense matrix in a dataset of HDF5 or zarr; with `by_gene`, its rows are genes, as in loom files."""

    cheap_sample = True

    def __init__(self, dataset: Array, *, by_gene: bool = False) -> None:
        self._dataset, self._by_gene = dataset, by_gene
        self.layout = "dense"
        n_rows, n_columns = dataset.shape
        self.shape = (int(n_columns), int(n_rows)) if by_gene else (int(n_rows), int(n_columns))

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first row and the values of each block of rows, in order."""
        n_rows, n_genes = self.shape
        step = max(1, BLOCK_VALUES // max(n_genes, 1))
        chunk = (self._dataset.chunks or (1, 1))[1 if self._by_gene else 0]
        if chunk <= 4 * step:  # whole chunks, so that none is decompressed twice
            step = max(step // chunk, 1) * chunk
        for first in range(0, n_rows, step):
            yield first, self._read(first, min(first + step, n_rows))

    def sample(self) -> sparse.csr_matrix:
        """Return rows from all over the matrix."""
        limit = max(1, min(SAMPLED_ROWS, SAMPLED_VALUES // max(self.shape[1], 1)))
        rows = [self._read(row, row + 1) for row in sampled_rows(self.shape[0], limit).tolist()]
        return sparse.vstack(rows, format="csr")

    def _read(self, first: int, last: int) -> sparse.csr_matrix:
        cells = self._dataset[:, first:last].T if self._by_gene else self._dataset[first:last]
        cells = np.ascontiguousarray(as_float(cells))
        places = np.flatnonzero(cells)
        pointers = np.concatenate([[0], np.cumsum(np.count_nonzero(cells, axis=1))])
        indices = (places % self.shape[1]).astype(np.int32)
        return sparse.csr_matrix((cells.ravel()[places], indices, pointers), cells.shape)


def parts(group: StoredGroup, n_pointers: int, name: str) -> tuple[Array, Array, Pointers]:
    """Return the values, the indices and the checked pointers of a compressed matrix.

    Raises:
        AtlasUnusable: the parts do not fit together.
    """
    if any(part not in group for part in ("data", "indices", "indptr")):
        raise AtlasUnusable(f"{name} is damaged: a sparse matrix has data, indices and indptr. Write the file again.")
    data, indices = group["data"], group["indices"]
    pointers: Pointers = group["indptr"][:].astype(np.int64)
    whole = len(pointers) == n_pointers + 1 and pointers[0] == 0 and bool((np.diff(pointers) >= 0).all())
    if not whole or not data.shape == indices.shape == (int(pointers[-1]),):
        raise AtlasUnusable(f"{name} is damaged: its indptr does not fit its shape and data. Write the file again.")
    return data, indices, pointers


def checked_indices(indices: NDArray[Any], limit: int, name: str) -> NDArray[np.int32]:
    """Return indices as int32.

    Raises:
        AtlasUnusable: an index is outside the matrix.
    """
    if len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < limit):
        raise AtlasUnusable(f"{name} is damaged: an index is outside its shape. Write the file again.")
    return indices.astype(np.int32, copy=False)


def as_float(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as float32; too large ones become infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def sampled_rows(n_rows: int, limit: int = SAMPLED_ROWS) -> Rows:
    """Return sorted rows that are spread over a matrix."""
    return np.unique(np.linspace(0, max(n_rows - 1, 0), min(limit, n_rows)).astype(np.int64))
