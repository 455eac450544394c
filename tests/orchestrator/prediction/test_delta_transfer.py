"""Delta transfer: which genes shift, how far, and which stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.expression import counting_noise, log_normalized, profile
from orchestrator.prediction.delta_transfer import DeltaTransfer, PromptCells, shifted, shrunk, similarity_weights


def cells(seed: int, *, n: int = 200, genes: int = 40, raised: int = 0, factor: float = 5.0) -> sparse.csr_matrix:
    """Return Poisson cells with fixed rates; the first `raised` genes are `factor` times as high."""
    rates = np.random.default_rng(0).gamma(1.0, 3.0, genes)
    rates[:raised] *= factor
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(rates, (n, genes)).astype(np.float32))


def prompt(seed: int, control: int | None, **raised: float) -> PromptCells:
    return PromptCells("D", "T", cells(seed, raised=3), None if control is None else cells(control), cells(9))


def test_the_prediction_reproduces_the_change_of_the_prompts() -> None:
    query = cells(1)
    prompts = [prompt(2, 3), prompt(4, 5)]
    found = DeltaTransfer(4.0).predict(query, prompts, seed=0)
    assert found.control is not None
    moved = profile(found.perturbed) - profile(found.control)
    wanted = profile(cells(2, raised=3)) - profile(cells(3))
    assert np.allclose(moved[:3], wanted[:3], atol=0.25)
    assert np.corrcoef(moved, wanted)[0, 1] > 0.9
    assert sum(DeltaTransfer(4.0).weights(query, prompts)) == pytest.approx(1)


def test_prompts_that_do_not_change_predict_no_change() -> None:
    query, same = cells(1), cells(2)
    found = DeltaTransfer(4.0).predict(query, [PromptCells("D", "T", same, same, same)], seed=0)
    assert found.control is not None
    assert np.array_equal(found.perturbed.toarray(), query.toarray())
    assert np.array_equal(found.control.toarray(), query.toarray())


def test_without_matched_controls_there_is_no_control_prediction() -> None:
    assert DeltaTransfer(4.0).predict(cells(1), [prompt(2, 3), prompt(4, None)], seed=0).control is None


def test_a_donor_that_differs_as_a_whole_cancels_out() -> None:
    odd = cells(6, raised=40, factor=1.0).copy()
    odd.data[odd.indices == 10] *= 4
    found = DeltaTransfer(4.0).predict(cells(1), [PromptCells("D", "T", odd, odd, cells(9))], seed=0)
    assert found.control is not None
    assert abs(profile(found.perturbed)[10] - profile(found.control)[10]) < 0.1


def test_the_same_seed_gives_the_same_cells() -> None:
    query, prompts = cells(1), [prompt(2, 3)]
    first, again, other = (DeltaTransfer(4.0).predict(query, prompts, seed=seed).perturbed for seed in (5, 5, 6))
    assert np.array_equal(first.toarray(), again.toarray())
    assert not np.array_equal(first.toarray(), other.toarray())


def test_the_more_similar_prompt_counts_more() -> None:
    query = np.array([1.0, 2.0, 3.0, 4.0])
    near, far, opposite = query * 1.1, np.array([2.0, 1.0, 4.0, 3.0]), -query
    weights = similarity_weights(query, [near, far, opposite], [10, 10, 10], 4.0)
    assert weights[0] > weights[1] > weights[2] == 0
    assert similarity_weights(query, [opposite, opposite], [10, 90], 4.0).tolist() == [0.5, 0.5]


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(-3, 3))
def test_a_shift_gives_whole_counts_none_negative_and_leaves_other_genes_alone(seed: int, size: float) -> None:
    before = cells(1, n=30)
    shift = np.zeros(40)
    shift[7] = size
    after = shifted(before, shift, np.random.default_rng(seed))
    assert after.shape == before.shape
    assert np.array_equal(after.data, np.rint(after.data))
    assert after.nnz == 0 or after.data.min() > 0
    others = np.arange(40) != 7
    assert np.array_equal(after.toarray()[:, others], before.toarray()[:, others])


def test_log_normalizing_leaves_its_input_unchanged_and_accepts_empty_cells() -> None:
    counts = sparse.csr_matrix(np.array([[1.0, 3.0], [0.0, 0.0]], dtype=np.float32))
    original = counts.copy()
    assert np.allclose(log_normalized(counts).toarray(), [[np.log1p(2500), np.log1p(7500)], [0, 0]])
    assert np.array_equal(counts.toarray(), original.toarray())
    assert np.allclose(profile(counts), [np.log1p(2500), np.log1p(7500)])


@pytest.mark.parametrize("seed", range(3))
def test_the_group_shifts_exactly_as_predicted_for_any_draw(seed: int) -> None:
    before = cells(1, n=100)
    shift = np.random.default_rng(9).normal(0, 0.3, 40)
    after = shifted(before, shift, np.random.default_rng(seed))
    wanted = np.expm1(profile(before) + shift).clip(0) * before.sum() / 1e4
    assert np.abs(np.asarray(after.sum(axis=0)).ravel() - wanted).max() < 1.01


def test_counts_are_gained_in_proportion_to_depth_and_lost_in_proportion_to_counts() -> None:
    rows = np.array([[100, 900], [300, 2700]], dtype=np.float32)
    before = sparse.csr_matrix(np.repeat(rows, 200, axis=0))
    shift = np.array([0.0, -np.log(2.0)])
    lost = before.toarray() - shifted(before, shift, np.random.default_rng(0)).toarray()
    assert lost[200:, 1].mean() / lost[:200, 1].mean() == pytest.approx(3, rel=0.02)
    gained = shifted(before, np.array([0.7, 0.0]), np.random.default_rng(0)).toarray() - before.toarray()
    assert gained[200:, 0].mean() / gained[:200, 0].mean() == pytest.approx(3, rel=0.05)
    assert not lost[:, 0].any()


def test_a_shift_that_noise_explains_is_shrunk_and_one_that_stands_out_is_kept() -> None:
    found = shrunk(np.array([0.1, -0.1, 2.0, 0.0]), np.array([1.0, 1.0, 0.001, 0.0]))
    assert np.abs(found[:2]).max() < 0.01
    assert found[2] == pytest.approx(2.0, rel=0.001)
    assert found[3] == 0


def test_counting_noise_matches_repeated_sampling() -> None:
    rates = np.random.default_rng(0).gamma(2.0, 5.0, 40)
    rng = np.random.default_rng(1)
    drawn = np.array([profile(sparse.csr_matrix(rng.poisson(rates, (20, 40)))) for _ in range(300)])
    estimated = counting_noise(sparse.csr_matrix(rng.poisson(rates, (20, 40))))
    assert np.median(estimated / drawn.var(axis=0)) == pytest.approx(1, rel=0.15)
