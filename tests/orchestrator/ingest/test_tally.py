"""What is known of cells after their counts were checked: copies are found, whatever the order of their values and of the blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.ingest.tally import MIN_COMPARED_GENES, Tally


def drawn(n_cells: int, n_genes: int = 200, seed: int = 0) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (n_cells, n_genes)).astype(np.float32))


def tally_of(counts: sparse.csr_matrix, block: int = 1000) -> Tally:
    tally = Tally(*counts.shape)
    for first in range(0, counts.shape[0], block):
        tally.add(first, counts[first : first + block])
    return tally


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 8))
def test_each_cell_after_the_first_of_its_counts_is_a_copy(cells: list[int], block: int) -> None:
    copies = tally_of(drawn(6)[cells], block).copies
    assert copies.tolist() == [cell in cells[:place] for place, cell in enumerate(cells)]


def test_the_order_in_which_values_are_stored_does_not_matter() -> None:
    counts = drawn(1)
    order = np.random.default_rng(1).permutation(counts.nnz)
    other = sparse.csr_matrix((counts.data[order], counts.indices[order], counts.indptr), counts.shape)
    assert tally_of(sparse.vstack([counts, other])).copies.tolist() == [False, True]


@pytest.mark.parametrize(("n_genes", "found"), [(MIN_COMPARED_GENES - 1, False), (MIN_COMPARED_GENES, True)])
def test_cells_with_few_genes_may_be_alike_by_chance(n_genes: int, *, found: bool) -> None:
    counts = sparse.csr_matrix(np.ones((2, n_genes), dtype=np.float32))
    assert tally_of(counts).copies.tolist() == [False, found]


def test_cells_without_counts_have_no_size_and_are_no_copies() -> None:
    counts = sparse.vstack([sparse.csr_matrix((2, 200)), drawn(2), sparse.csr_matrix((2, 200))]).tocsr()
    tally = tally_of(counts, 2)
    assert tally.sizes.tolist() == np.diff(counts.indptr).tolist()
    assert not tally.copies.any()


@pytest.mark.parametrize(
    ("top", "times", "told"), [(255, 3, True), (65535, 9, True), (255, 2, False), (254, 9, False), (127, 3, True)]
)
def test_counts_at_the_ceiling_of_an_integer_are_told(top: int, times: int, *, told: bool) -> None:
    counts = drawn(20).tolil()
    counts[:times, 7] = top
    assert bool(tally_of(counts.tocsr(), 4).about_cut) == told
