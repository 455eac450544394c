"""What the values of a matrix are: whole numbers count only if they vary as counts do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.ingest import values

SEEDS = st.integers(0, 2**32 - 1)


def drawn(
    seed: int, *, mean: float = 0.4, spread: float = 1.0, depths: float = 0.4, cells: int = 120
) -> sparse.csr_matrix:
    """Return counts of 150 genes, whose means differ, in cells whose depths differ."""
    rng = np.random.default_rng(seed)
    rates = mean * rng.lognormal(0, spread, 150) * rng.lognormal(0, depths, (cells, 1))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32))


def scaled(counts: sparse.csr_matrix, target: float = 1e4) -> sparse.csr_matrix:
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    return sparse.csr_matrix(sparse.diags(target / totals) @ counts)


@settings(max_examples=60)
@given(SEEDS, st.floats(0.05, 40), st.floats(0, 1.5), st.floats(0, 0.8))
def test_counts_are_counts_however_deep_and_however_alike_the_cells(
    seed: int, mean: float, spread: float, depths: float
) -> None:
    counts = drawn(seed, mean=mean, spread=spread, depths=depths)
    assert values.kind_of(counts) in {values.COUNTS, values.BINARY, values.EMPTY}


@given(SEEDS, st.floats(0.4, 5), st.sampled_from([np.log1p, lambda x: np.log2(x + 1)]))
def test_regression_rounded_logarithms_are_no_counts(seed: int, mean: float, logarithm: np.ufunc) -> None:
    made = scaled(drawn(seed, mean=mean))
    made.data = np.rint(logarithm(made.data)).astype(np.float32)
    assert values.kind_of(made) == values.ROUNDED


@given(SEEDS, st.floats(0.4, 5))
def test_regression_rounded_normalized_values_are_no_counts(seed: int, mean: float) -> None:
    made = scaled(drawn(seed, mean=mean))
    made.data = np.rint(made.data).astype(np.float32)
    assert values.kind_of(made) == values.ROUNDED


@given(SEEDS)
def test_counts_thinned_to_one_depth_are_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = drawn(seed, mean=5).toarray().astype(np.int64)
    thinned = np.array([rng.multivariate_hypergeometric(row, min(300, row.sum())) for row in counts])
    assert values.kind_of(sparse.csr_matrix(thinned.astype(np.float32))) == values.COUNTS


@pytest.mark.parametrize("cells", [1, 2, 19])
def test_few_cells_are_not_judged(cells: int) -> None:
    assert values.kind_of(sparse.csr_matrix(np.full((cells, 50), 7, dtype=np.float32))) == values.COUNTS


@given(SEEDS)
def test_counts_that_vary_little_are_told_from_usual_ones(seed: int) -> None:
    counts = drawn(seed, mean=2)
    assert not values.vary_little(counts)
    made = counts.copy()
    made.data = np.rint(np.log2(made.data + 1)).astype(np.float32)
    assert values.vary_little(made)
