"""Counts sorted by group: the same counts forevery block size."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.counts import MAX_GAP, read_rows, value_blocks, write_grouped

ROWS, GENES = 40, 7


def stored(counts: sparse.csr_matrix, file: h5py.File) -> h5py.Group:
    """Store a CSR matrix like an `.h5ad` does."""
    matrix = file.create_group("X")
    matrix.attrs["shape"] = counts.shape
    for name in ("data", "indices", "indptr"):
        matrix[name] = getattr(counts, name)
    return matrix


@given(seed=st.integers(0, 2**32 - 1), selected=st.integers(0, ROWS), block_values=st.integers(1, 200), data=st.data())
def test_any_rows_in_any_order_are_read_back(seed: int, selected: int, block_values: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    counts = sparse.csr_matrix(rng.poisson(0.7, (ROWS, GENES)).astype(np.float32))
    order = rng.permutation(ROWS)[:selected]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.h5"
        blocks = [(first, counts[first:last]) for first, last in value_blocks(counts.indptr, block_values)]
        write_grouped(blocks, np.diff(counts.indptr), GENES, order, path)
        assert [each.name for each in path.parent.glob("counts*")] == ["counts.h5"]
        wanted = np.array(sorted(data.draw(st.sets(st.integers(0, max(selected - 1, 0))))), dtype=np.int64)[:selected]
        with h5py.File(path) as file:
            found = read_rows(file, wanted, GENES)
    assert found.dtype == np.float32
    assert np.array_equal(found.toarray(), counts.toarray()[order][wanted])


@pytest.mark.parametrize("gap", [1, MAX_GAP, MAX_GAP + 1, 1000])
def test_close_and_distant_rows_are_read_alike(gap: int, tmp_path: Path) -> None:
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.5, (3 * gap + 1, GENES)).astype(np.float32))
    wanted = np.arange(0, 3 * gap + 1, gap)
    with h5py.File(tmp_path / "atlas.h5", "w") as file:
        assert np.array_equal(read_rows(stored(counts, file), wanted, GENES).toarray(), counts.toarray()[wanted])
