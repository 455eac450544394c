"""P-values: Student's t, and the adjustment of Benjamini and Hochberg.

Not from scipy.stats, whose import takes as long as a quarter of a run (docs/performance.md).
"""

import numpy as np
from scipy import special

from orchestrator.atlas.expression import Floats


def two_sided(t: Floats, df: float | Floats) -> Floats:
    """Return the two-sided p of each t with `df` degrees of freedom."""
    p: Floats = 2 * special.stdtr(df, -np.abs(t))
    return p


def rises(values: Floats) -> float:
    """Return the one-sided p that the mean of a population is above 0, from at least two values (Student's t)."""
    spread, n = float(values.std(ddof=1)), len(values)
    if spread == 0:
        return 0.0 if values[0] > 0 else 1.0
    return float(special.stdtr(n - 1, -float(values.mean()) / spread * np.sqrt(n)))


def adjusted(p_values: Floats) -> Floats:
    """Return the p-values adjusted by Benjamini-Hochberg: the expected share of false ones among those at or below each."""
    n = len(p_values)
    order = np.argsort(p_values)[::-1]  # the largest first
    result = np.empty(n)
    result[order] = np.minimum.accumulate(p_values[order] * n / np.arange(n, 0, -1)).clip(max=1.0)
    return result
