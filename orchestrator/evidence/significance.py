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


def adjusted(p_values: Floats) -> Floats:
    """Return the p-values adjusted by Benjamini-Hochberg: the expected share of false ones among those at or below each."""
    n = len(p_values)
    order = np.argsort(p_values)[::-1]  # the largest first
    result = np.empty(n)
    result[order] = np.minimum.accumulate(p_values[order] * n / np.arange(n, 0, -1)).clip(max=1.0)
    return result
