"""P-values against scipy.stats, which the job does not load."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.evidence.significance import adjusted, two_sided

RANDOM = np.random.default_rng(0).random(1000)


@pytest.mark.parametrize("p", [RANDOM, RANDOM**8, np.round(RANDOM, 1), np.zeros(3), np.ones(3), RANDOM[:1]])
def test_p_values_are_adjusted_as_by_scipy(p: np.ndarray) -> None:
    np.testing.assert_allclose(adjusted(p), stats.false_discovery_control(p), rtol=1e-12)


@pytest.mark.parametrize("df", [1, 2, 30, 20_000])
def test_t_has_the_p_of_scipy_also_far_out(df: int) -> None:
    t = np.array([0.0, 1e-9, -1.5, 3.0, -12.0, 40.0])
    np.testing.assert_allclose(two_sided(t, df), 2 * stats.t.sf(np.abs(t), df), rtol=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_adjusted_p_values_are_no_smaller_in_the_same_order_and_at_most_1(values: list[float]) -> None:
    p = np.array(values)
    found = adjusted(p)
    assert np.all(found >= p * (1 - 1e-12))  # rounding
    assert np.all(found <= 1)
    assert np.all(np.diff(found[np.argsort(p, kind="stable")]) >= 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_the_order_of_the_genes_does_not_matter_to_their_adjusted_p(values: list[float], random: Random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    p = np.array(values)
    np.testing.assert_array_equal(adjusted(p[order]), adjusted(p)[order])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(1, 1e5))
def test_p_is_between_0_and_1_the_same_for_both_signs_and_falls_with_the_size_of_t(
    values: list[float], df: float
) -> None:
    t = np.array(sorted(values, key=abs))
    p = two_sided(t, df)
    assert np.all((p >= 0) & (p <= 1))
    np.testing.assert_array_equal(p, two_sided(-t, df))
    assert np.all(np.diff(p) <= 1e-12)
