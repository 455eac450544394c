"""The weights of groups, and how the change that they predict is shrunk and scaled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.prediction.transfer import (
    MAX_WEIGHT_CELLS,
    TransferSettings,
    extrapolation,
    group_weights,
    shrunk,
    similarity,
    transferred,
)

RNG = np.random.default_rng(0)
QUERY = RNG.gamma(1.0, 1.0, 200)
SETTINGS = TransferSettings()


def like(share: float) -> np.ndarray:
    """Return a profile that shares so much of its variation with the query."""
    other = RNG.gamma(1.0, 1.0, 200)
    return share * QUERY + (1 - share) * other


NEAR, FAR, FARTHER = like(0.9), like(0.4), like(0.2)


def test_the_more_similar_group_counts_more() -> None:
    weights = group_weights(QUERY, [NEAR, FAR, FARTHER], [10, 10, 10], SETTINGS)
    assert weights[0] > weights[1] > weights[2] > 0


def test_what_all_cells_share_does_not_make_them_similar() -> None:
    common = RNG.gamma(1.0, 20.0, 200)
    plain = similarity(QUERY, [NEAR, FAR])
    shared = similarity(QUERY + common, [NEAR + common, FAR + common])
    assert shared == pytest.approx(plain)


def test_more_cells_count_more_up_to_a_limit() -> None:
    weights = group_weights(QUERY, [NEAR, NEAR, NEAR], [10, MAX_WEIGHT_CELLS, 50 * MAX_WEIGHT_CELLS], SETTINGS)
    assert weights[1] == pytest.approx(30 * weights[0])
    assert weights[2] == pytest.approx(weights[1])


def test_a_shorter_length_leaves_the_weight_to_the_most_similar() -> None:
    broad, narrow = (
        group_weights(QUERY, [NEAR, FAR], [10, 10], TransferSettings(length=length)) for length in (2.0, 0.2)
    )
    assert narrow[0] > broad[0]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=6), st.floats(0.1, 3.0))
def test_weights_sum_to_one(cells: list[int], length: float) -> None:
    references = [like(0.5) for _ in cells]
    weights = group_weights(QUERY, references, cells, TransferSettings(length=length))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_cells_among_the_measured_types_are_no_extrapolation_and_unlike_cells_are() -> None:
    alone = RNG.gamma(1.0, 1.0, 200)
    assert extrapolation(QUERY, [NEAR, FAR]) < 0.2
    assert extrapolation(alone, [NEAR, like(0.95), like(0.97)]) == 1.0
    assert extrapolation(QUERY, [QUERY.copy()]) == pytest.approx(0.0)
    assert extrapolation(alone, [NEAR]) == 1.0


def test_a_shift_that_noise_explains_is_shrunk_and_one_that_stands_out_is_kept() -> None:
    found = shrunk(np.array([0.1, -0.1, 2.0, 0.0]), np.array([1.0, 1.0, 0.001, 0.0]))
    assert np.abs(found[:2]).max() < 0.01
    assert found[2] == pytest.approx(2.0, rel=0.001)
    assert found[3] == 0


def test_the_predicted_change_is_the_weighted_mean_times_the_magnitude() -> None:
    effects, weights = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([0.25, 0.75])
    found = transferred(effects, np.zeros((2, 2)), weights, TransferSettings(magnitude=0.5))
    assert found.tolist() == [1.25, 0.0]
