"""Which matrix of a file holds raw counts."""

from pathlib import Path

import h5py
import numpy as np

from orchestrator.atlas.counts import read_rows
from orchestrator.atlas.errors import AtlasUnusable

MATRICES = ("X", "layers/counts", "layers/raw_counts")
SAMPLED_ROWS = 200


def counts_matrix(path: Path, n_cells: int) -> str:
    """Return the path, inside the file, of the first matrix that holds whole counts as CSR.

    Raises:
        AtlasUnusable: no matrix does; the message says what each one holds.
    """
    with h5py.File(path) as file:
        return _counts_matrix(file, n_cells)


def _counts_matrix(file: h5py.File, n_cells: int) -> str:
    """Return the path of the first matrix that holds whole counts as CSR."""
    errors = []
    for name in MATRICES:
        if name not in file:
            continue
        matrix = file[name]
        encoding = matrix.attrs.get("encoding-type", "array")
        if encoding != "csr_matrix":
            errors.append(
                f"{name} is a {encoding}, but a csr_matrix is needed (convert it with scipy.sparse.csr_matrix)"
            )
            continue
        rows = np.unique(np.linspace(0, n_cells - 1, SAMPLED_ROWS).astype(np.int64))
        sample = read_rows(matrix, rows, int(matrix.attrs["shape"][1])).data
        if not len(sample):
            errors.append(f"{name} is empty in all sampled rows")
        elif sample.min() < 0 or np.abs(sample - np.rint(sample)).max() > 1e-3:
            errors.append(f"{name} holds values that are not counts (normalized or log-transformed?)")
        else:
            return name
    raise AtlasUnusable(
        f"No raw counts found: {'; '.join(errors) or 'the file has no matrix'}. Store integer counts in X or layers['counts'] as CSR."
    )
