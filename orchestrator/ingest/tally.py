"""What is known of all cells after their counts were checked: sizes, copies, and counts that were cut. Filled block by block."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.counts import Rows

# The largest values of integers of one and two bytes, at which larger counts are cut; so many values there are no chance.
_CEILINGS: Final = frozenset({127.0, 255.0, 32767.0, 65535.0})
_CUT: Final = 3
# Cells in which fewer genes are expressed may be alike by chance.
MIN_COMPARED_GENES: Final = 20
_SEED: Final = 1


class Tally:
    """Numbers of the cells of a matrix.

    Attributes:
        sizes: number of values of each cell.
        largest: the largest count.
        sums: counts by part of the atlas and gene.

    Args:
        parts: the part of each cell, from 0; -1 for cells that belong to none. By default, all belong to one.
    """

    def __init__(self, n_cells: int, n_genes: int, parts: NDArray[np.int32] | None = None) -> None:
        self.sizes: Rows = np.zeros(n_cells, dtype=np.int64)
        self.largest = 0.0
        self._n_largest = 0
        self._parts = np.zeros(n_cells, dtype=np.int32) if parts is None else parts
        self.sums = np.zeros((int(self._parts.max(initial=0)) + 1, n_genes))
        self._fingerprints = np.zeros(n_cells, dtype=np.uint64)
        self._weights = np.random.default_rng(_SEED).integers(1, 2**64, n_genes, dtype=np.uint64)

    def add(self, first: int, counts: sparse.csr_matrix) -> None:
        """Add the counts of cells, from the cell `first` on: cells × genes, zeros not stored."""
        places = slice(first, first + counts.shape[0])
        sizes = np.diff(counts.indptr)
        self.sizes[places] = sizes
        filled = np.flatnonzero(sizes)
        if not len(filled):
            return
        # Sums that wrap around are exact, so the order of the values of a cell does not matter.
        weighted = counts.data.astype(np.uint64) * self._weights[counts.indices]
        self._fingerprints[places][filled] = np.add.reduceat(weighted, counts.indptr[filled])
        of_part = self._parts[places]
        rows = np.flatnonzero(of_part >= 0)
        members = (np.ones(len(rows)), (of_part[rows], rows))
        self.sums += (sparse.csr_matrix(members, (len(self.sums), counts.shape[0])) @ counts).toarray()
        largest = float(counts.data.max())
        if largest >= self.largest:
            before = self._n_largest if largest == self.largest else 0
            self.largest, self._n_largest = largest, before + int(np.count_nonzero(counts.data == largest))

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Whether a cell has the same counts as one before it, for each cell."""
        found = np.zeros(len(self.sizes), dtype=np.bool_)
        compared = np.flatnonzero(self.sizes >= MIN_COMPARED_GENES)
        _, firsts = np.unique(self._fingerprints[compared], return_index=True)
        found[np.delete(compared, firsts)] = True
        return found

    @property
    def about_cut(self) -> str:
        """Why counts seem to have been cut, as a sentence; empty if they do not."""
        if self.largest not in _CEILINGS or self._n_largest < _CUT:
            return ""
        return (
            f"{self._n_largest:,} values of {self.largest:.0f}, and none above: larger counts were most likely cut when they were stored, "
            "so changes of these genes appear too small. Store them as 32-bit integers or floats"
        )
