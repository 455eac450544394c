"""Counts on disk, group by group: what an atlas is turned into once, so that a run reads a few pieces of it, whatever its size.

In an atlas the cells of a group lie anywhere, and to read 300 of them means to read nearly as many pieces of the file, each much larger
than a cell. Here a group's cells are neighbours. The file is an HDF5 with `data`, `indices` and `indptr`, as in a CSR matrix.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = NDArray[np.int64]

COUNTS_FILE: Final = "counts.h5"
BLOCK_VALUES: Final = 4_000_000
"""As many as fit into about 130 MB with what it takes to put them in order."""
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
    index_type = np.dtype(np.uint16 if n_genes <= 2**16 else np.int32)
    draft = path.with_suffix(".part")
    data_at, indices_at = _laid_out(draft, starts, index_type)
    with draft.open("r+b") as file:
        for first, last in _blocks(pointers, block_values):
            kept = np.flatnonzero(place[first:last] >= 0)
            rows = kept[np.argsort(place[first:last][kept])]
            block = _read_block(matrix, pointers, first, last, n_genes)[rows]
            data, indices = block.data, block.indices.astype(index_type)
            targets = place[first:last][rows]
            begins = np.flatnonzero(np.diff(targets, prepend=-2) != 1)  # neighbours in the file are written in one go
            sources = np.append(block.indptr[begins], len(data)).tolist()
            for source, end, target in zip(sources, sources[1:], starts[targets[begins]].tolist(), strict=False):
                for values, begin in ((data, data_at), (indices, indices_at)):
                    file.seek(begin + target * values.itemsize)
                    file.write(values[source:end])
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


def _laid_out(path: Path, starts: Rows, index_type: np.dtype[Any]) -> tuple[int, int]:
    """Make the file with all but its values, and tell where in it `data` and `indices` begin.

    The values come in hundreds of thousands of small pieces, each of which costs HDF5 many times what it costs the system.
    """
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        file["indptr"] = starts
        data, indices = (
            file.create_dataset(name, (starts[-1],), dtype=dtype, dcpl=layout)
            for name, dtype in (("data", np.dtype(np.float32)), ("indices", index_type))
        )
        return data.id.get_offset() or 0, indices.id.get_offset() or 0  # one without values has no place


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
