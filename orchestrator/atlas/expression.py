"""Expression values from raw counts. Pure."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]

SCALE = 1e4  # expression is given per this many counts of a cell
# With fewer genes, a response can be a large share of all counts, and genes that rise make others appear to fall.
SMALL_PANEL = 1000


def depths(counts: sparse.csr_matrix) -> Floats:
    """Return the total counts of each cell."""
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def log_normalized(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log1p(counts per 10,000) of each cell, cells × genes; a cell without counts stays empty."""
    total = depths(counts)
    factors = np.divide(SCALE, total, out=np.zeros_like(total), where=total > 0)
    scaled = sparse.diags(factors).dot(counts).tocsr().astype(np.float64)
    return sparse.csr_matrix(scaled.log1p())


def profile(counts: sparse.csr_matrix) -> Floats:
    """Return the log-normalized profile of a group of cells: log1p of their pooled counts per 10,000.

    Pooling before the logarithm keeps sparsely measured genes unbiased, and converts back to counts exactly.
    """
    pooled = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    logged: Floats = np.log1p(pooled / max(float(pooled.sum()), 1.0) * SCALE)
    return logged
