"""Predictions of the withheld cells, good and bad ones."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from local.comparison.measure import Cells, Comparison, compare_with_withheld, measured_change, read_cells
from local.demo_atlas import CONTROL, WITHHELD_TYPE, KangFiles, kang
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import log2_fold_change

LABELS = ("cell_type", "condition", "donor")


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> KangFiles:
    return kang.build(tmp_path_factory.mktemp("kang"))


@pytest.fixture(scope="session")
def atlas(parts: KangFiles) -> Cells:
    return read_cells(parts.atlas, "X", LABELS)


@pytest.fixture(scope="session")
def withheld(parts: KangFiles) -> Cells:
    return read_cells(parts.withheld, "X", LABELS)


@pytest.fixture(scope="session")
def controls(atlas: Cells) -> sparse.csr_matrix:
    return atlas.where(cell_type=WITHHELD_TYPE, condition=CONTROL)


@pytest.fixture(scope="session")
def really_changed(withheld: Cells, atlas: Cells) -> np.ndarray:
    return measured_change(withheld, atlas, JobConfig()).called


@pytest.fixture
def compared(
    parts: KangFiles, withheld: Cells, controls: sparse.csr_matrix, tmp_path: Path
) -> Callable[..., Comparison]:
    """Write predicted cells and called genes as a run does, and compare them with the withheld cells."""

    def compare(
        predicted: sparse.csr_matrix, called: np.ndarray, control: sparse.csr_matrix | None = None
    ) -> Comparison:
        blocks = {"query": controls, "control": control, "predicted": predicted}
        given = {name: block for name, block in blocks.items() if block is not None}
        counts = sparse.vstack(list(given.values()), format="csr")
        condition = [name for name, block in given.items() for _ in range(block.shape[0])]
        fold = log2_fold_change(predicted, controls if control is None else control, JobConfig().pseudocount)
        cells = ad.AnnData(
            sparse.csr_matrix(counts, dtype=np.float32),
            obs=pd.DataFrame({"condition": pd.Categorical(condition)}, index=[f"c{i}" for i in range(len(condition))]),
            var=pd.DataFrame({"is_de": called, "log2_fold_change": fold}, index=list(withheld.genes)),
        )
        cells.layers["counts"] = cells.X.copy()
        cells.write_h5ad(tmp_path / "predictions.h5ad")
        return compare_with_withheld(tmp_path / "predictions.h5ad", parts)

    return compare
