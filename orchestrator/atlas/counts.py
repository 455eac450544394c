"""Raw counts on disk, sorted by group, so that a run reads few pieces of an atlas of any size.

The cells of a group lie anywhere in an `.h5ad`: reading 300 of them means reading nearly as many chunks, each much larger than a cell.
Here the cells of a group are neighbors. The file is HDF5 with `data`, `indices` and `indptr`, as in a CSR matrix.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = NDArray[np.int64]

COUNTS_FILE: Final = "counts.h5"
# Sorting this many values takes about 130 MB.
BLOCK_VALUES: Final = 4_000_000
# Rows at most this far apart are read in one piece, together with the rows between them.
MAX_GAP: Final = 64


def write_grouped(
    blocks: Iterable[tuple[int, sparse.csr_matrix]], sizes: Rows, n_genes: int, order: Rows, path: Path
) -> None:
    """Write rows of counts in another order, block by block; the file appears complete or not at all.

    Args:
        blocks: first row and values of each block of rows, float32.
        sizes: number of values of each row.
        order: rows to write, each at most once.
    """
    starts = np.concatenate([[0], np.cumsum(sizes[order])])
    place = np.full(len(sizes), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    index_type = np.dtype(np.uint16 if n_genes <= 2**16 else np.int32)
    draft = path.with_suffix(".part")
    data_offset, indices_offset = _create(draft, starts, index_type)
    with draft.open("r+b") as file:
        for first, values_of in blocks:
            targets = place[first : first + values_of.shape[0]]
            selected = np.flatnonzero(targets >= 0)
            rows = selected[np.argsort(targets[selected])]
            block = values_of[rows]
            data, indices = block.data, block.indices.astype(index_type)
            targets = targets[rows]
            begins = np.flatnonzero(np.diff(targets, prepend=-2) != 1)  # adjacent target rows are written together
            sources = np.append(block.indptr[begins], len(data)).tolist()
            for source, end, target in zip(sources, sources[1:], starts[targets[begins]].tolist(), strict=False):
                for values, offset in ((data, data_offset), (indices, indices_offset)):
                    file.seek(offset + target * values.itemsize)
                    file.write(values[source:end])
    draft.replace(path)


def read_rows(matrix: h5py.Group, rows: Rows, n_genes: int) -> sparse.csr_matrix:
    """Read sorted rows of a CSR matrix on disk, and nothing else but the gaps between close rows."""
    parts = [sparse.csr_matrix((0, n_genes), dtype=np.float32)]
    for close in np.split(rows, np.flatnonzero(np.diff(rows) > MAX_GAP) + 1):
        if len(close):
            first, last = int(close[0]), int(close[-1]) + 1
            pointers = matrix["indptr"][first : last + 1].astype(np.int64)
            block = _read_block(matrix, pointers, 0, last - first, n_genes)
            parts.append(block if len(close) == last - first else block[close - first])
    return sparse.vstack(parts, format="csr")


def _create(path: Path, starts: Rows, index_type: np.dtype[Any]) -> tuple[int, int]:
    """Create the file without its values; return the byte offsets of `data` and `indices`.

    The values arrive in hundreds of thousands of small pieces; writing a piece through HDF5 costs many times a plain write.
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
        return data.id.get_offset() or 0, indices.id.get_offset() or 0  # an empty dataset has no offset


def _read_block(matrix: h5py.Group, pointers: Rows, first: int, last: int, n_genes: int) -> sparse.csr_matrix:
    values = slice(pointers[first], pointers[last])
    data = matrix["data"][values].astype(np.float32, copy=False)
    indices = matrix["indices"][values].astype(np.int32, copy=False)
    return sparse.csr_matrix((data, indices, pointers[first : last + 1] - pointers[first]), (last - first, n_genes))


def value_blocks(pointers: Rows, max_values: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows with at most `max_values` values; a row with more is a range of its own."""
    first, n_rows = 0, len(pointers) - 1
    while first < n_rows:
        last = int(np.searchsorted(pointers, pointers[first] + max_values, side="right")) - 1
        yield first, (last := min(max(last, first + 1), n_rows))
        first = last
