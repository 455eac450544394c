"""The matrices of the delivered cells: their counts by condition, and the principal components of their expression. Pure."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from orchestrator.atlas.expression import Floats
from orchestrator.search.search import SearchResult

COMPONENTS = 20
# Of unscaled values, the genes that vary most carry the components; the others add time and noise.
VARIABLE_GENES = 1000
ROUNDING = 1e-6  # a variance up to this value is an error of rounding
TOLERANCE = 1e-3  # relative error of the variance of a component


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
    width = min(COMPONENTS, *expression.shape)
    mean = np.asarray(expression.mean(axis=0), dtype=np.float64).ravel()
    squares = np.asarray(expression.multiply(expression).mean(axis=0), dtype=np.float64).ravel()
    variance = squares - mean**2
    order = np.argsort(-variance, kind="stable")[:VARIABLE_GENES]
    chosen = np.sort(order[variance[order] > ROUNDING])
    if not len(chosen):
        return np.zeros((expression.shape[0], width), dtype=np.float32)
    coordinates = _coordinates(expression[:, chosen].astype(np.float32), width)
    largest = coordinates[np.abs(coordinates).argmax(axis=0), np.arange(coordinates.shape[1])]
    found = np.zeros((expression.shape[0], width), dtype=np.float32)
    found[:, : coordinates.shape[1]] = coordinates * np.where(largest < 0, -1.0, 1.0)
    return found


def _coordinates(values: sparse.csr_matrix, number: int) -> Floats:
    """Return the coordinates of each row on at most `number` principal components, the largest variance first."""
    n_cells = values.shape[0]
    if n_cells <= 2 * number:
        dense = values.toarray().astype(np.float64)
        vectors, lengths, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
        return np.asarray((vectors * lengths)[:, :number])
    genes_first = values.T

    def products(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply weights of cells by the products of all centered cells."""
        mixed = values @ (genes_first @ (weights.ravel() - weights.mean()))
        return np.asarray(mixed - mixed.mean())

    # Lanczos on the sparse matrix: dense solvers use all cores, and take up to 2 s where other processes use these as well.
    operator = LinearOperator((n_cells, n_cells), matvec=products, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(n_cells).astype(np.float32)
    variances, vectors = eigsh(operator, k=number, v0=start, tol=TOLERANCE)
    order = np.argsort(-variances, kind="stable")
    return np.asarray(vectors[:, order] * np.sqrt(np.maximum(variances[order], 0.0)), dtype=np.float64)
