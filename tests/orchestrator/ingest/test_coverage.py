"""Parts of an atlas that were measured with different genes are not taken for a response."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.build import examine
from orchestrator.ingest.coverage import check_coverage
from tests.support.orchestrator import raw_files

NAMES = ("the controls", "any cell under IFN-beta")
GENES = [f"GENE{number}" for number in range(200)]


def test_regression_a_part_without_half_of_the_genes_is_refused(tmp_path: Path) -> None:
    cells = raw_files.atlas()
    are_controls = (cells.obs["condition"] == "PBS").to_numpy()
    parts = [cells[are_controls].copy(), cells[~are_controls, :100].copy()]
    ad.concat(parts, join="outer", fill_value=0).write_h5ad(tmp_path / "outer.h5ad")
    with pytest.raises(AtlasUnusable, match=r"have no count in any cell under IFN-beta, .* join='inner'"):
        examine("outer", tmp_path / "outer.h5ad")
    ad.concat(parts, join="inner").write_h5ad(tmp_path / "inner.h5ad")
    assert examine("inner", tmp_path / "inner.h5ad").entry.n_genes == 100


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20), st.floats(0.05, 20))
def test_chance_leaves_no_gene_out(seed: int, depth: float, other: float) -> None:
    rng = np.random.default_rng(seed)
    rates = rng.lognormal(2, 2, len(GENES))
    check_coverage(rng.poisson([rates * depth, rates * other]).astype(float), NAMES, GENES)


@pytest.mark.parametrize(("raised", "lacking"), [(30, 0), (0, 5)])
def test_a_strong_response_is_no_missing_part(raised: int, lacking: int) -> None:
    sums = np.full((2, len(GENES)), 1000.0)
    sums[0, :raised] = 0
    sums[1, len(GENES) - lacking :] = 0
    check_coverage(sums, NAMES, GENES)


def test_missing_controls_are_told_too() -> None:
    sums = np.full((2, len(GENES)), 1000.0)
    sums[0, :100] = 0
    with pytest.raises(AtlasUnusable, match=r"100 of 200 genes .* have no count in the controls"):
        check_coverage(sums, NAMES, GENES)
