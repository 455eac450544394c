"""Synthetic atlases of any size, for measuring: the step "write" of `benchmarks.atlas_scale`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.atlas_steps import Told, measured
from orchestrator.expectations import hallmark
from shared.catalog.reference import perturbations

N_GENES: Final = 2000
MOLECULES: Final = 250
CHUNK: Final = 20_000
DONORS: Final = tuple(f"D{i:02}" for i in range(1, 13))
CELL_TYPES: Final = (
    "B cell",
    "CD14 monocyte",
    "CD4 T cell",
    "CD8 T cell",
    "NK cell",
    "plasma cell",
    "dendritic cell",
    "Treg",
)
CELLS_A_CONDITION: Final = 10_000
MOST_CONDITIONS: Final = 91
STIMULATED, CONTROL = "IFN-gamma", "PBS"


@dataclass(frozen=True)
class Design:
    """Which cells an atlas has: for each cell its labels by number, and for each cell type the rates of its genes.

    A larger atlas has more conditions, not more cells of each: from 2 to 91, which with 12 donors is a known atlas of cytokines.
    """

    genes: list[str]
    rates: NDArray[np.float64]
    raised: NDArray[np.bool_]
    names: dict[str, tuple[str, ...]]
    labels: dict[str, NDArray[np.int8]]


def write(path: Path, _folder: Path, n_cells: int) -> Told:
    """Write a synthetic atlas with `CHUNK` cells in memory at a time. Cells of all groups are mixed, the worst case for reading."""
    with measured() as told:
        _write(path, n_cells)
    return told


def _write(path: Path, n_cells: int) -> None:
    rng = np.random.default_rng(0)
    design = _design(n_cells, rng)
    obs = pd.DataFrame(
        {name: pd.Categorical.from_codes(design.labels[name], names) for name, names in design.names.items()},
        index=np.arange(n_cells).astype(str),
    )
    shape = (n_cells, len(design.genes))
    with h5py.File(path, "w") as file:
        empty = sparse.csr_matrix(shape, dtype=np.float32)
        ad.io.write_elem(file, "/", ad.AnnData(empty, obs=obs, var=pd.DataFrame(index=design.genes)))
        del file["X"]
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})
        data, indices = (
            matrix.create_dataset(name, (0,), maxshape=(None,), chunks=(1 << 16,), dtype=dtype)
            for name, dtype in (("data", np.float32), ("indices", np.int32))
        )
        pointers = np.zeros(n_cells + 1, dtype=np.int64)
        for start in range(0, n_cells, CHUNK):
            counts = _counts(design, slice(start, start + CHUNK), rng)
            placed, end = pointers[start], pointers[start] + counts.nnz
            pointers[start + 1 : start + 1 + counts.shape[0]] = placed + counts.indptr[1:]
            for dataset, values in ((data, counts.data), (indices, counts.indices)):
                dataset.resize((end,))
                dataset[placed:end] = values
        matrix.create_dataset("indptr", data=pointers)


def _design(n_cells: int, rng: np.random.Generator) -> Design:
    sets = hallmark()
    response = sorted(sets["HALLMARK_INTERFERON_GAMMA_RESPONSE"])
    genes = list(dict.fromkeys([*response, *sorted(set().union(*sets.values()))]))[:N_GENES]
    others = [name for name, known in perturbations().items() if known.kind == "cytokine" and name != STIMULATED]
    conditions = (CONTROL, STIMULATED, *others)[: min(max(n_cells // CELLS_A_CONDITION, 2), MOST_CONDITIONS)]
    names = {"donor": DONORS, "cell_type": CELL_TYPES, "condition": conditions}
    labels = {name: rng.integers(0, len(of), n_cells).astype(np.int8) for name, of in names.items()}
    rates = rng.gamma(0.6, 1.0, (len(CELL_TYPES), len(genes))) + 0.01
    return Design(genes, rates, np.isin(genes, response), names, labels)


def _counts(design: Design, cells: slice, rng: np.random.Generator) -> sparse.csr_matrix:
    """Counts of some cells: each of their molecules is of a gene by the rates of the cell's type and condition."""
    cell_types = design.labels["cell_type"][cells]
    stimulated = design.labels["condition"][cells] == design.names["condition"].index(STIMULATED)
    genes = np.empty((len(cell_types), MOLECULES), dtype=np.int32)
    for cell_type, rates in enumerate(design.rates):
        for under in (False, True):
            mine = np.flatnonzero((cell_types == cell_type) & (stimulated == under))
            rate = rates * np.where(design.raised & under, 4.0, 1.0)
            drawn = np.searchsorted(np.cumsum(rate / rate.sum()), rng.random(len(mine) * MOLECULES), side="right")
            genes[mine] = np.minimum(drawn, len(rate) - 1).reshape(-1, MOLECULES)
    ones, pointers = np.ones(genes.size, dtype=np.float32), np.arange(0, genes.size + 1, MOLECULES)
    counts = sparse.csr_matrix((ones, genes.ravel(), pointers), shape=(len(genes), len(design.genes)))
    counts.sum_duplicates()
    return counts
