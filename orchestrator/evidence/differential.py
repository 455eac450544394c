"""Differential expression between two sets of cells: scanpy's Wilcoxon rank-sum test with Benjamini-Hochberg adjustment."""

from collections.abc import Sequence
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import Floats, log_normalized, profile
from orchestrator.config import JobConfig
from shared.runs.records import GeneChange

PERTURBED, CONTROL = "perturbed", "control"


@dataclass(frozen=True)
class Differential:
    """The result of the test, one value per gene."""

    genes: Sequence[str]
    # Of (counts per 10,000 + 1), perturbed over control; the 1 keeps genes with few counts small.
    log2_fold_change: Floats
    statistic: Floats  # z-score, positive if the perturbed cells have more
    p_value: Floats
    adjusted_p: Floats  # Benjamini-Hochberg
    is_de: NDArray[np.bool_]  # called differentially expressed, by the thresholds of the config

    def top(self, n: int, *, up: bool) -> list[GeneChange]:
        """Return at most n called genes that rise (or fall), the largest change first."""
        sign = 1.0 if up else -1.0
        order = np.argsort(-sign * self.log2_fold_change, kind="stable")
        chosen = [int(i) for i in order if self.is_de[i] and sign * self.log2_fold_change[i] > 0][:n]
        return [
            GeneChange(
                gene=self.genes[i],
                log2_fold_change=round(float(self.log2_fold_change[i]), 4),
                adjusted_p_value=float(self.adjusted_p[i]),
            )
            for i in chosen
        ]


def compare(
    perturbed: sparse.csr_matrix, control: sparse.csr_matrix, genes: Sequence[str], config: JobConfig
) -> Differential:
    """Test every gene for a difference between perturbed and control cells.

    Args:
        perturbed: raw counts, cells × genes, at least two cells.
        control: raw counts, cells × genes, at least two cells.
    """
    n_perturbed, n_genes = perturbed.shape
    expression = sparse.vstack([log_normalized(perturbed), log_normalized(control)], format="csc")
    tested = np.flatnonzero(np.diff(expression.indptr) >= config.min_expressing_cells)
    statistic, p_value, adjusted = np.zeros(n_genes), np.ones(n_genes), np.ones(n_genes)
    if len(tested):
        table = _wilcoxon(expression[:, tested].tocsr(), n_perturbed)
        statistic[tested], p_value[tested], adjusted[tested] = table["scores"], table["pvals"], table["pvals_adj"]
    change = (profile(perturbed) - profile(control)) / np.log(2.0)
    is_de = (adjusted < config.max_adjusted_p) & (np.abs(change) >= config.min_log2_fold_change)
    return Differential(tuple(genes), change, statistic, p_value, adjusted, is_de)


def _wilcoxon(expression: sparse.csr_matrix, n_perturbed: int) -> pd.DataFrame:
    """Test each column, in column order; the first `n_perturbed` rows are the perturbed cells."""
    n_cells, n_genes = expression.shape
    groups = pd.Categorical([PERTURBED] * n_perturbed + [CONTROL] * (n_cells - n_perturbed))
    columns = [str(i) for i in range(n_genes)]
    cells = ad.AnnData(
        expression,
        obs=pd.DataFrame({"group": groups}, index=[str(i) for i in range(n_cells)]),
        var=pd.DataFrame(index=columns),
    )
    cells.uns["log1p"] = {"base": None}  # tells scanpy that these are natural logarithms
    sc.tl.rank_genes_groups(
        cells,
        "group",
        groups=[PERTURBED],
        reference=CONTROL,
        method="wilcoxon",
        corr_method="benjamini-hochberg",
        tie_correct=True,
    )
    table: pd.DataFrame = sc.get.rank_genes_groups_df(cells, PERTURBED).set_index("names").loc[columns]
    return table
