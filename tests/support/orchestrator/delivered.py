"""The results of a run as comparable values: equal means byte-identical, except for durations."""

import json
from typing import Any

import anndata as ad
import pandas as pd
from scipy import sparse

from tests.support.orchestrator.world import World


def delivered(here: World) -> dict[str, Any]:
    """Return the predictions, the log without times, and the outcome."""
    cells = ad.read_h5ad(here.file("predictions.h5ad"))
    matrices = {"X": cells.X} | dict(cells.layers) | {"X_pca": sparse.csr_matrix(cells.obsm["X_pca"])}
    log = json.loads(here.file("log.json").read_text())
    del log["asked_at"]
    for each in log["iterations"]:
        del each["duration_seconds"]
    return {
        "matrices": {
            name: (matrix.shape, matrix.data.tobytes(), matrix.indices.tobytes(), matrix.indptr.tobytes())
            for name, matrix in matrices.items()
        },
        "tables": [_bytes(table) for table in (cells.obs, cells.var, *_tables(cells))],
        "log": log,
        "outcome": here.outcome.model_dump(exclude={"files"}),
    }


def _tables(cells: ad.AnnData) -> list[pd.DataFrame]:
    return [cells.uns[name] for name in ("iterations", "prompt", "enrichment")]


def _bytes(table: pd.DataFrame) -> dict[str, Any]:
    numbers = {name: table[name].to_numpy().tobytes() for name in table.select_dtypes("number")}
    others = {name: table[name].tolist() for name in table.select_dtypes(exclude="number")}
    return {"index": table.index.tolist(), "numbers": numbers, "others": others}
