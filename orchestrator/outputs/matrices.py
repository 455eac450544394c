"""The matrices of the delivered cells: their counts by condition, and the principal components of their expression. Pure."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from orchestrator.search.search import SearchResult

COMPONENTS = 20
# Of unscaled values, the genes that vary most carry the components; the others add time and noise.
VARIABLE_GENES = 2000


def conditions(result: SearchResult) -> dict[str, sparse.csr_matrix]:
    """Return the raw counts of each condition, all with one row per query cell."""
    predicted = result.best.prediction
    control = {} if predicted.control is None else {"control": predicted.control}
    return {"query": result.query.counts, **control, "predicted": predicted.perturbed}


def principal_components(expression: sparse.csr_matrix) -> NDArray[np.float32]:
    """Return the centered coordinates of each cell, at most `COMPONENTS`, the largest variance first.

    Each component has the sign that makes its largest coordinate positive. Components without variance are zero.

    Args:
        expression: log-normalized, cells × genes.
    """
    n_cells, n_genes = expression.shape
    mean = np.asarray(expression.mean(axis=0), dtype=np.float64).ravel()
    squares = np.asarray(expression.multiply(expression).mean(axis=0), dtype=np.float64).ravel()
    chosen = np.sort(np.argsort(-(squares - mean**2), kind="stable")[:VARIABLE_GENES])
    centered = expression[:, chosen].toarray().astype(np.float64) - mean[chosen]
    width = min(COMPONENTS, n_cells, n_genes)
    # There are a few hundred cells, so the cells' own products are the smaller problem; its solution is exact and needs no seed.
    variances, vectors = linalg.eigh(centered @ centered.T, subset_by_index=(n_cells - width, n_cells - 1))
    coordinates = vectors[:, ::-1] * np.sqrt(np.maximum(variances[::-1], 0.0))
    largest = coordinates[np.abs(coordinates).argmax(axis=0), np.arange(width)]
    found: NDArray[np.float32] = (coordinates * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
    return found
