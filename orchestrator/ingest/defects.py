"""Values that counts do not have, and where they are. Pure."""

from typing import Final, NamedTuple

import numpy as np
from scipy import sparse

from orchestrator.ingest import values


class Defect(NamedTuple):
    """Values that counts do not have: how many, and where the first one is."""

    n_values: int
    cell: int
    column: int


_NAN, _INFINITE, _NEGATIVE, FRACTIONS, _UNRECOVERED = (
    "NaN", "infinite values", "negative values", "values that are not whole", "values from which counts cannot be recovered",
)  # fmt: skip
ADVICE: Final = {
    _NAN: "Set missing values to 0 if nothing was counted there, or remove these cells or genes.",
    _INFINITE: "Infinite values are no counts: read the raw counts again.",
    _NEGATIVE: "Counts are never negative: store them as they were before scaling or correction.",
}


def defects_of(block: sparse.csr_matrix, kind: str) -> dict[str, Defect]:
    """Return what counts of this kind do not have."""
    data = block.data
    if not len(data):
        return {}
    wrong: dict[str, np.ndarray] = {}
    with np.errstate(invalid="ignore"):
        smallest, largest = data.min(), data.max()
        if not np.isfinite(smallest) or not np.isfinite(largest):
            wrong = {_NAN: np.isnan(data), _INFINITE: np.isinf(data)}
        if not smallest >= 0:
            wrong[_NEGATIVE] = data < 0
        if kind in values.UNDO:
            if not wrong:
                wrong = {_UNRECOVERED: np.isnan(values.recovered(block, kind).data)}
        elif kind != values.FRACTIONAL:
            whole = np.rint(data) == data
            if not whole.all():
                wrong[FRACTIONS] = ~values.is_whole(data) & np.isfinite(data)
    found = {}
    for what, where in wrong.items():
        places = np.flatnonzero(where)
        if len(places):
            cell = int(np.searchsorted(block.indptr, places[0], side="right")) - 1
            found[what] = Defect(len(places), cell, int(block.indices[places[0]]))
    return found
