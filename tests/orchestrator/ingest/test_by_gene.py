"""Values that come in any order are read back by row, whatever the size of blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.by_gene import Buckets, SortedMatrix, Triplets

GENES = 7


@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 60),
    block_values=st.integers(1, 120),
    parts=st.integers(1, 6),
    deep=st.booleans(),
)
def test_values_in_any_order_are_read_back_by_row(
    seed: int, n_rows: int, block_values: int, parts: int, deep: bool
) -> None:
    rng = np.random.default_rng(seed)
    rates = np.full((n_rows, 1), 0.5)
    rates[: n_rows // 4] = 5 if deep else 0  # one bucket has most values
    counts = sparse.coo_matrix(rng.poisson(rates, (n_rows, GENES)).astype(np.float32))
    order = rng.permutation(counts.nnz)
    buckets = Buckets((n_rows, GENES), counts.nnz, block_values)
    for part in np.array_split(order, parts):
        buckets.add(Triplets(counts.row[part].astype(np.int32), counts.col[part].astype(np.int32), counts.data[part]))
    blocks = list(buckets.blocks())
    assert [first for first, _ in blocks] == np.cumsum([0, *(block.shape[0] for _, block in blocks)])[:-1].tolist()
    assert all(block.nnz <= block_values or block.shape[0] == 1 for _, block in blocks)
    assert np.array_equal(sparse.vstack([block for _, block in blocks]).toarray(), counts.toarray())
    sample = buckets.sample().toarray()
    assert {tuple(row) for row in sample.tolist()} <= {tuple(row) for row in counts.toarray().tolist()}
    buckets.close()


def test_more_values_than_the_disk_holds_are_refused_at_once() -> None:
    matrix = SortedMatrix(lambda: iter(()), (10, 10), 10**15, "CSC")
    with pytest.raises(AtlasUnusable, match=r"temporary disk.*Set TMPDIR"):
        list(matrix.blocks())
