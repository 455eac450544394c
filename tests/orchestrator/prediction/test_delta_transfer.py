"""Delta transfer: which genes shift, how far, and which stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.expression import log_normalized, profile
from orchestrator.atlas.profiles import Profile
from orchestrator.prediction.delta_transfer import DeltaTransfer, shifted
from orchestrator.prediction.predictor import PromptCells, PromptGroup
from orchestrator.prediction.transfer import TransferSettings


def cells(seed: int, *, n: int = 200, genes: int = 40, raised: int = 0, factor: float = 5.0) -> sparse.csr_matrix:
    """Return Poisson cells with fixed rates; the first `raised` genes are `factor` times as high."""
    rates = np.random.default_rng(0).gamma(1.0, 3.0, genes)
    rates[:raised] *= factor
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(rates, (n, genes)).astype(np.float32))


def prompt(seed: int, control: int | None) -> PromptGroup:
    matched = None if control is None else cells(control)
    return PromptGroup.of("D", "T", PromptCells(cells(seed, raised=3), matched, cells(9)))


def test_the_prediction_reproduces_the_change_of_the_prompts() -> None:
    query = cells(1)
    prompts = [prompt(2, 3), prompt(4, 5)]
    found = DeltaTransfer().predict(query, prompts, seed=0)
    assert found.control is not None
    moved = profile(found.perturbed) - profile(found.control)
    wanted = profile(cells(2, raised=3)) - profile(cells(3))
    assert np.allclose(moved[:3], wanted[:3], atol=0.25)
    assert np.corrcoef(moved, wanted)[0, 1] > 0.9
    assert sum(DeltaTransfer().weights(Profile.of(query), prompts)) == pytest.approx(1)


def test_prompts_that_do_not_change_predict_no_change() -> None:
    query, same = cells(1), cells(2)
    found = DeltaTransfer().predict(query, [PromptGroup.of("D", "T", PromptCells(same, same, same))], seed=0)
    assert found.control is not None
    assert np.array_equal(found.perturbed.toarray(), query.toarray())
    assert np.array_equal(found.control.toarray(), query.toarray())


def test_without_matched_controls_there_is_no_control_prediction() -> None:
    assert DeltaTransfer().predict(cells(1), [prompt(2, 3), prompt(4, None)], seed=0).control is None


def test_a_donor_that_differs_as_a_whole_cancels_out() -> None:
    odd = cells(6, raised=40, factor=1.0).copy()
    odd.data[odd.indices == 10] *= 4
    found = DeltaTransfer().predict(cells(1), [PromptGroup.of("D", "T", PromptCells(odd, odd, cells(9)))], seed=0)
    assert found.control is not None
    assert abs(profile(found.perturbed)[10] - profile(found.control)[10]) < 0.1


def test_the_same_seed_gives_the_same_cells() -> None:
    query, prompts = cells(1), [prompt(2, 3)]
    first, again, other = (DeltaTransfer().predict(query, prompts, seed=seed).perturbed for seed in (5, 5, 6))
    assert np.array_equal(first.toarray(), again.toarray())
    assert not np.array_equal(first.toarray(), other.toarray())


def test_a_smaller_magnitude_predicts_a_smaller_change() -> None:
    query, prompts = cells(1), [prompt(2, 3)]
    full, half = (
        DeltaTransfer().tuned(TransferSettings(magnitude=factor)).predict(query, prompts, seed=0).perturbed
        for factor in (1.0, 0.5)
    )
    moved = [(profile(each) - profile(query))[0] for each in (full, half)]
    assert moved[1] == pytest.approx(moved[0] / 2, rel=0.1)


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
