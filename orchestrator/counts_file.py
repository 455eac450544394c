"""Counts on disk, group by group: what an atlas is turned into once, so that a run reads a few pieces of it, whatever its size.

In an atlas the cells of a group lie anywhere, and to read 300 of them means to read nearly as many pieces of the file, each much larger
than a cell. Here a group's cells are neighbours. The file is an HDF5 with `data`, `indices` and `indptr`, as in a CSR matrix.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = NDArray[np.int64]

COUNTS_FILE: Final = "counts.h5"
BLOCK_VALUES: Final = 24_000_000
"""As many as fit into about 600 MB with what it takes to put them in order."""
NEAR: Final = 64
"""Rows that are no farther apart are read in one go, with those between them."""


def write_grouped(matrix: h5py.Group, order: Rows, path: Path, *, block_values: int = BLOCK_VALUES) -> None:
    """Write rows of a CSR matrix on disk in another order, whole or not at all, a part of it in memory at a time.

    Args:
        matrix: the h5py group of the matrix, with `data`, `indices`, `indptr`.
        order: the rows to write, each at most once.
        path: the file to write.
        block_values: so many values are in memory at a time, or one row where it has more.
    """
    pointers = matrix["indptr"][:].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(np.diff(pointers)[order])])
    place = np.full(len(pointers) - 1, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    n_genes = int(matrix.attrs["shape"][1])
    draft = path.with_suffix(".part")
    with _created(draft) as file:
        data = file.create_dataset("data", (starts[-1],), dtype=np.float32)
        indices = file.create_dataset("indices", (starts[-1],), dtype=np.uint16 if n_genes <= 2**16 else np.int32)
        for first, last in _blocks(pointers, block_values):
            kept = np.flatnonzero(place[first:last] >= 0)
            rows = kept[np.argsort(place[first:last][kept])]
            block = _read_block(matrix, pointers, first, last, n_genes)[rows]
            targets = place[first:last][rows]
            for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(targets) != 1) + 1):
                if len(run):
                    source = slice(block.indptr[run[0]], block.indptr[run[-1] + 1])
                    target = slice(starts[targets[run[0]]], starts[targets[run[-1]] + 1])
                    data[target], indices[target] = block.data[source], block.indices[source]
        file["indptr"] = starts
    draft.replace(path)


def read_rows(matrix: h5py.Group, rows: Rows, n_genes: int) -> sparse.csr_matrix:
    """Rows of a CSR matrix on disk, reading nothing else of it but what lies between near ones.

    Args:
        matrix: an h5py group with `data`, `indices`, `indptr`.
        rows: sorted row positions.
        n_genes: the number of columns.
    """
    parts = [sparse.csr_matrix((0, n_genes), dtype=np.float32)]
    for near in np.split(rows, np.flatnonzero(np.diff(rows) > NEAR) + 1):
        if len(near):
            first, last = int(near[0]), int(near[-1]) + 1
            pointers = matrix["indptr"][first : last + 1].astype(np.int64)
            block = _read_block(matrix, pointers, 0, last - first, n_genes)
            parts.append(block if len(near) == last - first else block[near - first])
    return sparse.vstack(parts, format="csr")


def _created(path: Path) -> h5py.File:
    """A new file whose pieces are written as they come: HDF5's sieve buffer would read 64 kB around each of them first."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_sieve_buf_size(0)
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, fapl=access))


def _read_block(matrix: h5py.Group, pointers: Rows, first: int, last: int, n_genes: int) -> sparse.csr_matrix:
    values = slice(pointers[first], pointers[last])
    data = matrix["data"][values].astype(np.float32, copy=False)
    indices = matrix["indices"][values].astype(np.int32, copy=False)
    return sparse.csr_matrix((data, indices, pointers[first : last + 1] - pointers[first]), (last - first, n_genes))


def _blocks(pointers: Rows, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most so many values; a row with more is a range of its own."""
    first, n_rows = 0, len(pointers) - 1
    while first < n_rows:
        last = int(np.searchsorted(pointers, pointers[first] + most, side="right")) - 1
        yield first, (last := min(max(last, first + 1), n_rows))
        first = last
