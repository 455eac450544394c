"""P-values against scipy.stats, which the job does not load."""

import numpy as np
import pytest
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
