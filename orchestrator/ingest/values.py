"""What the values of a matrix are: counts, or what somebody made of them. Pure.

The rules, on rows from all over the matrix:

- *counts*: whole, and more than 0 and 1.
- *binarized*: whole, at most 1. *ranks*: the values of nearly every cell are the ranks of its genes.
- *rounded*: whole, but less varied than chance makes counts: for genes with values above 1, the variance of the values that are not zero
  is below 0.3 of a Poisson distribution's without zeros (median; counts have 0.9 and more); or hardly a value is 1 and the totals of
  cells vary less than Poisson totals.
- *recoverable*: the values of each cell, after undoing a logarithm (natural, of base 2 or 10, with 1 added), a square root or nothing,
  are whole multiples of its smallest one (or of a half, third or quarter of it). That is what scaling by the depth of the cell leaves.
- *fractional counts* (SoupX, alevin, STARsolo's EM): not negative; the totals of cells vary as depths do (by more than 5%), before and
  after undoing a logarithm or a square root; the largest value exceeds 20, which no logarithm of expression does; at least a tenth of
  the values is zero, which denoised values are not.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Values = NDArray[np.float64]

COUNTS, BINARY, RANKS, ROUNDED, FRACTIONAL, NEGATIVE, NOT_FINITE, EMPTY, OTHER = (
    "counts",
    "only 0 and 1 (binarized)",
    "ranks of genes",
    "whole numbers that vary less than counts (normalized values or logarithms, rounded)",
    "fractional counts",
    "negative values (scaled, or residuals)",
    "values that are not finite",
    "no values",
    "values that are not counts (normalized, from which counts cannot be recovered)",
)

# Whole numbers that are counts only if a person says so.
NO_COUNTS: Final = (BINARY, RANKS, ROUNDED)

# How values were made from scaled counts, and how to undo it.
UNDO: Final[Mapping[str, Callable[[Values], Values]]] = {
    "log1p": np.expm1,
    "normalized values": lambda values: values,
    "log2(1 + x)": lambda values: np.expm1(values * np.log(2)),
    "log10(1 + x)": lambda values: np.expm1(values * np.log(10)),
    "square roots": np.square,
}

TOLERANCE: Final = 1e-3
_MULTIPLES: Final = (1, 2, 3, 4)
_LARGEST_LOGARITHM: Final = 20.0
_VARYING: Final = 0.05
_ZEROS: Final = 0.1
_DISTINCT: Final = 10
_LARGEST_COUNT: Final = 2**24  # larger ones are not exact as float32
_LEAST_DISPERSION: Final = 0.3
_USUAL_DISPERSION: Final = 0.65  # log2(1 + counts), rounded, has 0.6; real counts have more than 1
_LEAST_TOTALS_DISPERSION: Final = 0.8
_FEW_ONES: Final = 0.01
_JUDGED_CELLS, _JUDGED_GENES = 20, 10
_LEAST_MEAN: Final = 1.5  # of positive values: below, nearly all are 1 whatever they are
_STEPS: Final = 50  # of a fixed-point iteration that halves its error at least


def kind_of(sample: sparse.csr_matrix) -> str:
    """Return what the values of some rows are: one of the constants of this module, or a key of `UNDO`."""
    values = sample.data
    if problem := _no_counts(values):
        return problem
    if _are_ranks(sample):
        return RANKS
    whole = is_whole(values)
    if whole.all():
        if values.max() <= 1:
            return BINARY
        return ROUNDED if _are_rounded(sample) else COUNTS
    fractional = are_fractional_counts(sample)
    # Shared reads leave most counts whole, and may leave multiples of one half.
    made = () if fractional and whole.mean() > 0.5 else UNDO
    scaled = (name for name in made if not np.isnan(recovered(sample, name).data).any() and _is_informative(sample))
    return next(scaled, FRACTIONAL if fractional else OTHER)


def _no_counts(values: NDArray[Any]) -> str | None:
    """Return what no matrix of counts holds, if it does."""
    if not values.any():
        return EMPTY
    if not np.isfinite(values).all():
        return NOT_FINITE
    return NEGATIVE if values.min() < 0 else None


def is_whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values are whole, within the error of storing them."""
    whole: NDArray[np.bool_] = np.abs(values - np.rint(values)) <= TOLERANCE
    return whole


def recovered(rows: sparse.csr_matrix, made: str) -> sparse.csr_matrix:
    """Return the counts from which values were made (a key of `UNDO`); NaN in cells where there are none."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = UNDO[made](rows.data.astype(np.float64))
    scaled[~((scaled >= 0) & np.isfinite(scaled))] = np.nan
    sizes = np.diff(rows.indptr)
    filled = np.flatnonzero(sizes)
    starts = rows.indptr[filled]
    smallest = np.minimum.reduceat(np.where(scaled > 0, scaled, np.inf), starts) if len(filled) else np.empty(0)
    counts = scaled / np.repeat(smallest, sizes[filled])
    found = np.full(len(counts), np.nan)
    missing = np.ones(len(filled), dtype=bool)
    for multiple in _MULTIPLES:
        tried = counts * multiple
        # Storing a logarithm as float32 changes a count in its sixth digit. NaN is never exact.
        off = ~((np.abs(tried - np.rint(tried)) <= np.minimum(0.01 + 5e-6 * tried, 0.25)) & (tried < _LARGEST_COUNT))
        exact = missing & ~np.logical_or.reduceat(off, starts) if len(filled) else missing
        chosen = np.repeat(exact, sizes[filled])
        found[chosen] = np.rint(tried[chosen])
        missing &= ~exact
        if not missing.any():
            break
    return sparse.csr_matrix((found.astype(np.float32), rows.indices, rows.indptr), rows.shape)


def are_fractional_counts(sample: sparse.csr_matrix) -> bool:
    """Return whether rows hold counts that ambient correction or sharing of reads made fractional."""
    values = sample.data
    if not len(values) or values.min() < 0 or values.max() <= _LARGEST_LOGARITHM:
        return False
    if np.count_nonzero(values) > (1 - _ZEROS) * sample.shape[0] * sample.shape[1]:
        return False
    return all(_totals_vary(sample, undo) for undo in UNDO.values())


def _totals_vary(sample: sparse.csr_matrix, undo: Callable[[Values], Values]) -> bool:
    with np.errstate(over="ignore"):
        scaled = undo(sample.data.astype(np.float64))
    if not np.isfinite(scaled).all():
        return True  # no logarithm is that large
    totals = np.asarray(sparse.csr_matrix((scaled, sample.indices, sample.indptr), sample.shape).sum(axis=1)).ravel()
    if not np.isfinite(totals).all():
        return True
    totals = totals[totals > 0] / totals.max(initial=0)
    return len(totals) < 2 or float(totals.std() / totals.mean()) > _VARYING


def vary_little(sample: sparse.csr_matrix) -> bool:
    """Return whether whole numbers vary less than counts usually do, although not so little that they are surely none."""
    dispersion = _dispersion(sample)
    return len(dispersion) >= _JUDGED_GENES and float(np.median(dispersion)) < _USUAL_DISPERSION


def _are_rounded(sample: sparse.csr_matrix) -> bool:
    """Return whether whole numbers vary less than chance makes counts vary."""
    totals = np.asarray(sample.sum(axis=1, dtype=np.float64)).ravel()
    totals = totals[totals > 0]
    # Counts that were thinned to one depth have equal totals, too, but many ones.
    has_ones = np.mean(sample.data == 1) >= _FEW_ONES
    if len(totals) >= _JUDGED_CELLS and not has_ones and totals.var() < _LEAST_TOTALS_DISPERSION * totals.mean():
        return True
    dispersion = _dispersion(sample)
    return len(dispersion) >= _JUDGED_GENES and float(np.median(dispersion)) < _LEAST_DISPERSION


def _dispersion(sample: sparse.csr_matrix) -> Values:
    """Return the variance of the positive values of each gene with enough of them, by that of a Poisson distribution without zeros."""
    by_gene = sample.astype(np.float64).tocsc()
    by_gene.eliminate_zeros()
    n = np.diff(by_gene.indptr)
    filled = np.flatnonzero(n)
    starts, n = by_gene.indptr[filled], n[filled]
    mean = np.add.reduceat(by_gene.data, starts) / n
    variance = np.add.reduceat(by_gene.data**2, starts) / n - mean**2
    judged = (n >= _JUDGED_CELLS) & (mean >= _LEAST_MEAN)
    mean, variance = mean[judged], variance[judged]
    rate = mean
    for _ in range(_STEPS):
        rate = mean * -np.expm1(-rate)
    dispersion: Values = variance / (mean * (1 + rate - mean))
    return dispersion


def _is_informative(sample: sparse.csr_matrix) -> bool:
    """Return whether some cell has several values that differ: one value is a multiple of itself."""
    return any(len(np.unique(row)) > 1 for row in _cells(sample))


def _are_ranks(sample: sparse.csr_matrix) -> bool:
    """Return whether the values of nearly all cells with many distinct values are ranks, with ties of any kind."""
    judged = []
    for row in _cells(sample):
        values, repeats = np.unique(row, return_counts=True)
        if len(values) >= _DISTINCT:
            last = np.cumsum(repeats)
            ranks = (last, last - repeats + 1, last - (repeats - 1) / 2)
            judged.append(any(np.array_equal(values, each) for each in ranks))
    return bool(judged) and float(np.mean(judged)) > 0.9


def _cells(sample: sparse.csr_matrix) -> list[NDArray[Any]]:
    return [sample.data[first:last] for first, last in zip(sample.indptr, sample.indptr[1:], strict=False)]
