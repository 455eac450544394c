"""A small atlas, built for each test with the cell types and conditions that it needs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from orchestrator.evidence.gene_sets import hallmark, reactome
from shared.resolver.genes import gene_symbols

RESPONDERS = sorted(hallmark()["HALLMARK_INTERFERON_ALPHA_RESPONSE"])[:60]
_NOT_IN_SETS = sorted(gene_symbols().difference(*hallmark().values(), *reactome().values()))
# Known genes of no gene set, in their usual case.
OTHERS = [gene for gene in _NOT_IN_SETS if "ORF" not in gene][:300]
GENES = [*RESPONDERS, "IFNAR1", "IFNAR2", *OTHERS]


def write(
    path: Path,
    conditions: Mapping[str, tuple[str, ...]],
    *,
    donors: Sequence[str] = ("D1", "D2"),
    responders: Mapping[str, Sequence[str]] | None = None,
    perturbed_cells: int | Mapping[str, int] = 30,
    batches: Mapping[str, str] | None = None,
) -> None:
    """Write cells of these donors: each type in PBS and in its conditions; all conditions except PBS raise the interferon genes.

    Types whose names are equally long have the same control profile.

    Args:
        responders: other genes that rise, by cell type.
        perturbed_cells: of each donor in each condition except PBS; or of these donors, and 30 of all others.
        batches: the batch of the cells of each condition.
    """
    rng = np.random.default_rng(0)
    rates = np.random.default_rng(1).gamma(2.0, 1.0, len(GENES))
    counts, labels = [], []
    for cell_type, perturbed in conditions.items():
        own = rates * np.random.default_rng(len(cell_type)).lognormal(0, 0.2, len(GENES))
        for condition in ("PBS", *perturbed):
            responding = np.isin(GENES, (responders or {}).get(cell_type, RESPONDERS))
            raised = np.where(responding & (condition != "PBS"), own * 3, own)
            for donor in donors:
                n_perturbed = perturbed_cells if isinstance(perturbed_cells, int) else perturbed_cells.get(donor, 30)
                n_cells = 30 if condition == "PBS" else n_perturbed
                counts.append(rng.poisson(raised, (n_cells, len(GENES))))
                labels += [(cell_type, condition, donor)] * n_cells
    obs = pd.DataFrame(labels, columns=["cell_type", "condition", "donor"], index=[f"c{i}" for i in range(len(labels))])
    if batches:
        obs["batch"] = obs["condition"].map(dict(batches))
    ad.AnnData(sparse.csr_matrix(np.vstack(counts)), obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(path)
