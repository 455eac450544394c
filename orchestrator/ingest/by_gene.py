"""Matrices that are stored by gene or in any order: CSC, and text files of coordinates.

A cell's values lie all over such a file. They are read once, block by block, and written to a temporary file in buckets of neighboring
cells; a bucket is then read as rows. This costs 12 bytes of temporary disk for each value, one more write and one more read of them, and
no more memory than a few blocks.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.atlas.counts import BLOCK_VALUES, value_blocks
from orchestrator.ingest.matrices import SAMPLED_ROWS, StoredGroup, as_float, checked_indices, parts, sampled_rows
from orchestrator.ingest.progress import Report, silent

BYTES_PER_VALUE: Final = 12
PHASE: Final = "sorting by cell"
_MOST_BUCKETS: Final = 2**16
_SAMPLED_BUCKETS: Final = 20


class Triplets(NamedTuple):
    """Values with their row (cell) and column (gene), in any order."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]


class Buckets:
    """Values on disk in buckets of neighboring rows.

    Args:
        n_values: how many are expected.
        block_values: maximum number of values that `blocks` yields at once, or one row if a row has more.

    Raises:
        AtlasUnusable: the disk for temporary files has no room; the message says what to do.
    """

    def __init__(self, shape: tuple[int, int], n_values: int, block_values: int = BLOCK_VALUES) -> None:
        needed = n_values * BYTES_PER_VALUE
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise AtlasUnusable(
                f"Sorting the matrix by cell needs {needed / 1e9:.1f} GB of temporary disk, and {tempfile.gettempdir()} has "
                f"{free / 1e9:.1f} GB. Set TMPDIR to a folder with more, or store the matrix as CSR."
            )
        self._shape, self._block_values = shape, block_values
        # Cells differ in depth, so the mean bucket is smaller than a block.
        wanted = min(max(4 * n_values // block_values, 1), _MOST_BUCKETS)
        self._step = max(-(-shape[0] // wanted), 1)
        n_buckets = max(-(-shape[0] // self._step), 1)
        self._segments: list[list[tuple[int, int]]] = [[] for _ in range(n_buckets)]
        self._sizes = np.zeros(shape[0], dtype=np.int64)
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="haystack-ingest-")  # noqa: SIM115  # lives as long as this

    def add(self, added: Triplets) -> None:
        """Store values."""
        bucket = (added.rows // self._step).astype(np.uint16)
        order = np.argsort(bucket, kind="stable")
        sizes = np.bincount(bucket, minlength=len(self._segments))
        self._sizes += np.bincount(added.rows, minlength=self._shape[0])
        sorted_parts = [part[order] for part in added]
        ends = np.cumsum(sizes)
        for number in np.flatnonzero(sizes).tolist():
            piece = slice(int(ends[number] - sizes[number]), int(ends[number]))
            self._segments[number].append((self._file.tell(), int(sizes[number])))
            try:
                for part in sorted_parts:
                    self._file.write(part[piece].tobytes())
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise AtlasUnusable(
                    f"The disk of {tempfile.gettempdir()} is full. Set TMPDIR to a folder with more room."
                ) from error

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first row and the values of each block of rows, in order."""
        for number in range(len(self._segments)):
            first = number * self._step
            last = min(first + self._step, self._shape[0])
            pointers = np.concatenate([[0], np.cumsum(self._sizes[first:last])])
            for start, stop in value_blocks(pointers, self._block_values):
                yield first + start, self._read(number, first + start, first + stop)

    def sample(self) -> sparse.csr_matrix:
        """Return rows from some buckets."""
        numbers = sampled_rows(len(self._segments), _SAMPLED_BUCKETS).tolist()
        found = [sparse.csr_matrix((0, self._shape[1]), dtype=np.float32)]
        for number in numbers:
            first = number * self._step
            last = min(first + self._step, self._shape[0])
            wanted = sampled_rows(last - first, SAMPLED_ROWS // len(numbers))
            found.append(self._read(number, first, last)[wanted])
        return sparse.vstack(found, format="csr")

    def _read(self, number: int, first: int, last: int) -> sparse.csr_matrix:
        found = []
        for offset, size in self._segments[number]:
            self._file.seek(offset)
            segment = np.frombuffer(self._file.read(size * BYTES_PER_VALUE), dtype=np.int32)
            rows, columns, values = segment[:size], segment[size : 2 * size], segment[2 * size :].view(np.float32)
            inside = (rows >= first) & (rows < last)
            found.append(Triplets(rows[inside] - first, columns[inside], values[inside]))
        if not found:
            return sparse.csr_matrix((last - first, self._shape[1]), dtype=np.float32)
        places = tuple(np.concatenate([part[axis] for part in found]) for axis in (0, 1))
        values = np.concatenate([part.values for part in found])
        block = sparse.coo_matrix((values, places), (last - first, self._shape[1]), dtype=np.float32).tocsr()
        block.sum_duplicates()
        return block

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


class SortedMatrix:
    """A matrix whose values come in any order; the first use sorts them into a temporary file.

    Args:
        triplets: yields the values, each time from the start.
        n_values: how many there are.
    """

    cheap_sample = False

    def __init__(
        self,
        triplets: Callable[[], Iterator[Triplets]],
        shape: tuple[int, int],
        n_values: int,
        layout: str,
        report: Report = silent,
    ) -> None:
        self.layout, self.shape = layout, shape
        self._triplets, self._n_values, self._report = triplets, n_values, report
        self._buckets: Buckets | None = None

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first row and the values of each block of rows, in order."""
        return self._sorted().blocks()

    def sample(self) -> sparse.csr_matrix:
        """Return rows from all over the matrix; this reads all of it once."""
        return self._sorted().sample()

    def close(self) -> None:
        """Delete the temporary file; the next use makes it again."""
        if self._buckets:
            self._buckets.close()
        self._buckets = None

    def _sorted(self) -> Buckets:
        if self._buckets is None:
            buckets, done = Buckets(self.shape, self._n_values), 0
            try:
                for added in self._triplets():
                    buckets.add(added)
                    done += len(added.values)
                    self._report(
                        PHASE, done * self.shape[0] // self._n_values, self.shape[0]
                    )  # in cells, as all phases
            except BaseException:
                buckets.close()
                raise
            self._buckets = buckets
        return self._buckets


def csc_matrix(group: StoredGroup, shape: tuple[int, int], name: str, report: Report = silent) -> SortedMatrix:
    """Return a CSC matrix, cells × genes, in a group of HDF5 or zarr.

    Raises:
        AtlasUnusable: the parts do not fit together.
    """
    data, indices, pointers = parts(group, shape[1], name)
    n_values = data.shape[0]

    def triplets() -> Iterator[Triplets]:
        for first in range(0, n_values, BLOCK_VALUES):
            last = min(first + BLOCK_VALUES, n_values)
            bounds = np.clip(pointers, first, last)
            columns = np.repeat(np.arange(shape[1], dtype=np.int32), bounds[1:] - bounds[:-1])
            rows = checked_indices(indices[first:last], shape[0], name)
            yield Triplets(rows, columns, as_float(data[first:last]))

    return SortedMatrix(triplets, shape, n_values, "CSC", report)
