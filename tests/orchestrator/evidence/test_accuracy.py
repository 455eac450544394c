"""Expected accuracy: high for what predicts known responses, low for what does not, and corrected for their noise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas.expression import Floats
from orchestrator.evidence.accuracy import (
    ExpectedAccuracy,
    HeldOut,
    Known,
    chosen_magnitude,
    expected_accuracy,
    expected_reliability,
    reliability_of,
    settings_grid,
)
from orchestrator.prediction.transfer import TransferSettings

N_GENES = 800
RNG = np.random.default_rng(0)
TRUE = RNG.normal(0, 0.5, N_GENES) * (RNG.random(N_GENES) < 0.2)


def known(
    predicted: Floats, *, noise: float = 0.0, seed: int = 0, name: str = "T", nearest: Floats | None = None
) -> Known:
    """Return a known response, measured with noise of this standard deviation, and its prediction."""
    measured = TRUE + np.random.default_rng(seed).normal(0, noise, N_GENES) if noise else TRUE
    return Known(name, 100, measured, np.full(N_GENES, noise**2), predicted, 0.3 * TRUE, nearest)


def accuracy(*tests: Known, reliability: float = 1.0) -> ExpectedAccuracy:
    named = [replace(test, name=f"T{number}") for number, test in enumerate(tests)]
    found = expected_accuracy(HeldOut.CELL_TYPES, named, lambda: reliability)
    assert found is not None
    return found


def test_a_right_prediction_is_expected_to_be_right_and_a_random_one_is_not() -> None:
    right = accuracy(known(TRUE), known(TRUE))
    wrong = accuracy(*(known(np.random.default_rng(seed).permutation(TRUE)) for seed in range(4)))
    assert right.pearson.median == pytest.approx(1)
    assert right.relative_squared_error.median == pytest.approx(0)
    assert right.top50_overlap.median == right.direction.median == 1
    assert abs(wrong.pearson.median) < 0.15
    assert wrong.relative_squared_error.median > 1
    assert wrong.top50_overlap.median < 0.3
    assert wrong.direction.median < 0.8


def test_no_change_is_expected_to_be_as_good_as_no_change() -> None:
    nothing = accuracy(*(known(np.zeros(N_GENES)) for _ in range(2)))
    assert nothing.pearson.median == 0
    assert nothing.relative_squared_error.median == pytest.approx(1)
    assert nothing.direction.median == nothing.top50_overlap.median == 0


def test_noise_of_the_known_responses_is_not_an_error_of_the_prediction() -> None:
    exact, noisy = (accuracy(*(known(TRUE, noise=noise, seed=seed) for seed in range(5))) for noise in (0.0, 0.3))
    assert noisy.observed.median < 0.7
    assert noisy.true_pearson == pytest.approx(exact.true_pearson, abs=0.05)
    assert noisy.relative_squared_error.median == pytest.approx(0, abs=0.05)


def test_less_is_expected_of_cells_that_can_be_measured_less_well() -> None:
    tests = [known(TRUE), known(TRUE)]
    well, badly = (accuracy(*tests, reliability=share) for share in (1.0, 0.25))
    assert badly.pearson.median == pytest.approx(well.pearson.median / 2)
    assert badly.relative_squared_error.median == pytest.approx(0.75)


def test_a_prediction_of_the_mean_alone_has_nothing_specific() -> None:
    mean = np.roll(TRUE, 1)
    alone, right = (accuracy(*[replace(known(each), mean_delta=mean)] * 2) for each in (0.3 * mean, TRUE))
    assert alone.cell_type_specific.median == 0
    assert right.cell_type_specific.median == pytest.approx(1)


def test_noise_of_the_mean_is_not_specific() -> None:
    """Regression: where nothing happened, the noise of the mean was subtracted from both sides, which gave r = 0.6."""
    effects = np.random.default_rng(5).normal(0, 1, (3, N_GENES))
    nothing = replace(known(effects[0]), effect=effects[1], mean_delta=effects[2])
    assert abs(accuracy(nothing, nothing).cell_type_specific.median) < 0.1


def test_the_nearest_type_is_a_baseline_only_where_cell_types_are_left_out() -> None:
    assert accuracy(known(TRUE), known(TRUE)).nearest_cell_type is None
    found = accuracy(known(TRUE, nearest=TRUE), known(TRUE, nearest=TRUE)).nearest_cell_type
    assert found is not None
    assert found.pearson.median == pytest.approx(1)


def test_a_response_tested_in_several_donors_is_one_test_with_their_mean() -> None:
    halves = [known(TRUE, name="A"), known(np.zeros(N_GENES), name="A"), known(TRUE, name="B")]
    found = expected_accuracy(HeldOut.CELL_TYPES, halves, lambda: 1.0)
    assert found is not None
    assert [(test.name, test.cells, round(test.pearson, 3)) for test in found.tests] == [
        ("A", 200, 0.5),
        ("B", 100, 1.0),
    ]


def test_one_known_response_is_too_few() -> None:
    assert expected_accuracy(HeldOut.DONORS, [known(TRUE)], lambda: 1.0) is None


@pytest.mark.parametrize(("factor", "chosen"), [(1.0, 1.0), (1.25, 0.8), (4.0, 0.5), (0.2, 1.2)])
def test_the_magnitude_is_the_one_that_fits_within_limits(factor: float, chosen: float) -> None:
    assert chosen_magnitude([known(factor * TRUE)]) == pytest.approx(chosen)


def test_a_prediction_of_no_change_keeps_its_magnitude() -> None:
    assert chosen_magnitude([known(np.zeros(N_GENES))]) == 1


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_the_magnitude_is_between_a_half_and_1_2_and_fits_better_than_none(seed: int, factor: float) -> None:
    predicted = factor * (TRUE + np.random.default_rng(seed).normal(0, 0.3, N_GENES))
    found = chosen_magnitude([known(predicted)])
    assert 0.5 <= found <= 1.2

    def error(magnitude: float) -> float:
        return float(np.sum((magnitude * predicted - TRUE) ** 2))

    assert error(found) <= error(1.0) + 1e-9


def test_the_default_settings_come_first_so_that_they_win_a_tie() -> None:
    assert settings_grid()[0] == TransferSettings()
    assert len(set(settings_grid())) == len(settings_grid())


@pytest.mark.parametrize("effect", [np.zeros(N_GENES), np.ones(N_GENES)])
def test_a_response_that_is_the_same_for_all_genes_has_no_reliability(effect: Floats) -> None:
    assert reliability_of(effect, np.zeros(N_GENES)) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0, 10), st.floats(0, 10))
def test_more_noise_never_makes_a_measurement_more_reliable(seed: int, one: float, other: float) -> None:
    effect = np.random.default_rng(seed).normal(0, 1, N_GENES)
    little, much = (np.full(N_GENES, noise) for noise in sorted((one, other)))
    for reliability in (reliability_of, expected_reliability):
        assert 0 <= reliability(effect, much) <= reliability(effect, little) <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_less_reliable_measurements_are_expected_to_agree_less(one: float, other: float) -> None:
    predicted = TRUE + np.random.default_rng(0).normal(0, 0.1, N_GENES)
    badly, well = (accuracy(*[known(predicted)] * 2, reliability=share) for share in sorted((one, other)))
    assert badly.pearson.median <= well.pearson.median + 1e-12
    assert badly.relative_squared_error.median >= well.relative_squared_error.median - 1e-12
    assert badly.true_pearson == well.true_pearson


def test_reliability_is_the_share_that_is_not_noise() -> None:
    assert reliability_of(TRUE, np.zeros(N_GENES)) == 1
    noise = np.random.default_rng(1).normal(0, TRUE.std(), N_GENES)
    assert reliability_of(TRUE + noise, np.full(N_GENES, TRUE.var())) == pytest.approx(0.5, abs=0.05)
    assert expected_reliability(TRUE, np.full(N_GENES, TRUE.var())) == pytest.approx(0.5)
    assert expected_reliability(np.zeros(N_GENES), np.ones(N_GENES)) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0, 2), st.floats(0, 1))
def test_expectations_stay_in_their_range(seed: int, noise: float, reliability: float) -> None:
    rng = np.random.default_rng(seed)
    tests = [known(rng.normal(0, 1, N_GENES), noise=noise, seed=i) for i in range(2)]
    found = accuracy(*tests, reliability=reliability)
    assert -1 <= found.pearson.low <= found.pearson.median <= found.pearson.high <= 1
    assert found.relative_squared_error.low >= 0
    assert 0 <= found.top50_overlap.median <= 1
    assert 0 <= found.direction.median <= 1
