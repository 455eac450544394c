"""The plain way: the whole `.h5ad` into memory with scanpy, then the same steps; for comparison in `benchmarks.atlas_scale`."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd
import scanpy as sc
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.atlas_ours import one_run
from benchmarks.atlas_steps import ATLAS, Told, measured
from orchestrator import search
from orchestrator.atlas import GROUPS_FILE, Atlas, Group, GroupIndex
from orchestrator.counts_file import COUNTS_FILE, Rows

PLAIN: Final = "plain"


def ingest(path: Path, folder: Path, _n_cells: int) -> Told:
    """Check the counts, put them in the order of the groups, and write both."""
    target = folder / PLAIN
    target.mkdir(exist_ok=True)
    with measured() as told:
        atlas = sc.read_h5ad(path)
        if not _are_counts(atlas.X.data):
            sys.exit("no counts")
        index = GroupIndex(_groups(atlas.obs), list(atlas.var_names))
        ordered = atlas.X[index.order]
        with h5py.File(target / COUNTS_FILE, "w") as file:
            file["data"], file["indices"] = ordered.data, ordered.indices.astype(np.uint16)
            file["indptr"] = ordered.indptr
        index.save(target / GROUPS_FILE)
    return told


def run(_path: Path, folder: Path, _n_cells: int) -> Told:
    """The same run, by the same code, on an atlas that is read whole: the plain way."""
    search.Atlas = AtlasInMemory  # type: ignore[attr-defined]  # in a process of its own; the job itself needs no such switch
    return asyncio.run(one_run(folder))


class AtlasInMemory(Atlas):
    """The `.h5ad` beside the dataset's folder, whole in memory."""

    def __init__(self, folder: Path) -> None:
        atlas = sc.read_h5ad(folder.parent / ATLAS)
        self._index = GroupIndex(_groups(atlas.obs), list(atlas.var_names))
        self._groups = sorted(self._index.rows)
        self._matrix = atlas.X

    def counts(self, rows: Rows) -> sparse.csr_matrix:
        """See `Atlas.counts`."""
        return self._matrix[rows]


def _are_counts(values: NDArray[np.float32]) -> bool:
    """Looks at as many values as an ingest does: those of some hundred cells."""
    sample = values[:: max(len(values) // 50_000, 1)]
    return bool(sample.min() >= 0 and np.abs(sample - np.rint(sample)).max() <= 1e-3)


def _groups(obs: pd.DataFrame) -> dict[Group, Rows]:
    grouped = obs.groupby(["donor", "cell_type", "condition"], observed=True).indices
    return {Group(*key): rows for key, rows in grouped.items()}
