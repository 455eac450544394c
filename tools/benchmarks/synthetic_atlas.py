"""Write a synthetic atlas of any size: `python -m tools.benchmarks.synthetic_atlas PATH.h5ad CELLS [csr|csc|dense]`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.evidence.gene_sets import hallmark
from shared.catalog.reference import perturbations

Counts = NDArray[np.float32]

N_GENES: Final = 2000
MOLECULES: Final = 250
CHUNK: Final = 5_000
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
CELLS_PER_CONDITION: Final = 10_000
MAX_CONDITIONS: Final = 91
STIMULATED, CONTROL = "IFN-gamma", "PBS"


def write(path: Path, n_cells: int, layout: str = "csr") -> None:
    """Write an atlas with `CHUNK` cells in memory at a time (CSC: all of them); cells of all groups are mixed, the worst case for reading.

    A larger atlas has more conditions, not more cells of each: from 2 to 91, which with 12 donors equals the Parse PBMC atlas.
    """
    rng, sets = np.random.default_rng(0), hallmark()
    response = sorted(sets["HALLMARK_INTERFERON_GAMMA_RESPONSE"])
    genes = list(dict.fromkeys([*response, *sorted(set().union(*sets.values()))]))[:N_GENES]
    others = [name for name, known in perturbations().items() if known.kind == "cytokine" and name != STIMULATED]
    conditions = (CONTROL, STIMULATED, *others)[: min(max(n_cells // CELLS_PER_CONDITION, 2), MAX_CONDITIONS)]
    names = {"donor": DONORS, "cell_type": CELL_TYPES, "condition": conditions}
    labels = {name: rng.integers(0, len(of), n_cells).astype(np.int8) for name, of in names.items()}
    obs = pd.DataFrame(
        {name: pd.Categorical.from_codes(labels[name], of) for name, of in names.items()},
        index=np.arange(n_cells).astype(str),
    )
    # Expression rates by condition (others, stimulated), cell type and gene.
    rates = np.tile(rng.gamma(0.6, 1.0, (len(CELL_TYPES), len(genes))) + 0.01, (2, 1, 1))
    rates[1][:, np.isin(genes, response)] *= 4.0
    rates *= MOLECULES / rates.sum(axis=2, keepdims=True)
    stimulated = (labels["condition"] == conditions.index(STIMULATED)).astype(np.int8)
    ad.AnnData(obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(path)
    with h5py.File(path, "a") as file:
        parts = (
            rng.poisson(rates[stimulated[cells], labels["cell_type"][cells]]).astype(np.float32)
            for cells in (slice(start, start + CHUNK) for start in range(0, n_cells, CHUNK))
        )
        _write_matrix(file, parts, (n_cells, len(genes)), layout)


def _write_matrix(file: h5py.File, parts: Iterable[Counts], shape: tuple[int, int], layout: str) -> None:
    if layout == "dense":
        dense = file.create_dataset("X", shape, dtype=np.float32)
        dense.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for number, part in enumerate(parts):
            dense[number * CHUNK : number * CHUNK + len(part)] = part
    elif layout == "csc":
        ad.io.write_elem(file, "X", sparse.vstack([sparse.csr_matrix(part) for part in parts], format="csr").tocsc())
    else:
        empty = sparse.csr_matrix((0, shape[1]), dtype=np.float32)
        ad.io.write_elem(file, "X", empty, dataset_kwargs={"chunks": (1 << 16,)})
        matrix = ad.io.sparse_dataset(file["X"])
        for part in parts:
            matrix.append(sparse.csr_matrix(part))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
