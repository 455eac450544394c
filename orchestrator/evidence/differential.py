"""Differential expression: what changes between two sets of cells, and how certain that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import Floats, log_normalized
from orchestrator.config import JobConfig
from orchestrator.evidence.inference import Response, measured
from orchestrator.evidence.significance import adjusted
from shared.runs.records import GeneChange


@dataclass(frozen=True)
class Differential:
    """The changes, one value per gene."""

    genes: Sequence[str]
    # log2 of the ratio of mean expression, perturbed over control, as scanpy's `rank_genes_groups` computes it.
    log2_fold_change: Floats
    # Mean response of the prompts: change of log2(counts per 10,000 + 1). The 1 keeps genes with few counts small.
    effect: Floats
    standard_error: Floats  # of the effect; 0 if the gene was not tested
    statistic: Floats  # z: the effect in standard errors, positive if the perturbed cells have more; 0 if the gene was not tested
    p_value: Floats
    adjusted_p: Floats  # Benjamini-Hochberg
    donors_agreeing: NDArray[np.int64]  # donors whose own response has the same sign
    is_de: NDArray[np.bool_]  # called differentially expressed, by the thresholds of the config

    def top(self, n: int, *, up: bool) -> list[GeneChange]:
        """Return at most n called genes that rise (or fall), the largest effect first.

        By fold change, genes of a few counts would come first: from next to nothing, any rise is manifold.
        """
        sign = 1.0 if up else -1.0
        order = np.argsort(-sign * self.effect, kind="stable")
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
    perturbed: sparse.csr_matrix,
    control: sparse.csr_matrix,
    genes: Sequence[str],
    config: JobConfig,
    response: Response | None = None,
) -> Differential:
    """Test every gene for a difference between perturbed and control cells.

    Args:
        perturbed: raw counts, cells × genes.
        control: raw counts, cells × genes.
        response: what predicted cells rest on, since they are no samples themselves; None for measured cells.
    """
    response = response or measured(perturbed, control)
    tested = (response.expressing >= config.min_expressing_cells) & np.isfinite(response.standard_error)
    statistic = np.where(tested, response.z, 0.0)
    p_value = np.where(tested, response.p_value, 1.0)
    adjusted_p = np.ones_like(p_value)
    if tested.any():
        adjusted_p[tested] = adjusted(p_value[tested])
    change = log2_fold_change(perturbed, control, config.pseudocount)
    large = np.abs(change) >= config.min_log2_fold_change
    # The prediction may round a small response away, or be limited by what the query cells express.
    alike = np.sign(change) == np.sign(statistic)
    return Differential(
        genes=tuple(genes),
        log2_fold_change=change,
        effect=response.effect / np.log(2.0),
        standard_error=np.where(tested, response.standard_error / np.log(2.0), 0.0),
        statistic=statistic,
        p_value=p_value,
        adjusted_p=adjusted_p,
        donors_agreeing=response.donors_agreeing,
        is_de=(adjusted_p < config.max_adjusted_p) & large & alike,
    )


def log2_fold_change(perturbed: sparse.csr_matrix, control: sparse.csr_matrix, pseudocount: float) -> Floats:
    """Return the log2 fold change of each gene: of expm1 of the mean log-normalized expression, as in scanpy.

    Args:
        perturbed: raw counts, cells × genes.
        control: raw counts, cells × genes.
        pseudocount: added to both means, in counts per 10,000, so that a gene without counts does not change a billionfold.
    """
    above, below = (
        np.expm1(np.asarray(log_normalized(cells).mean(axis=0)).ravel()) + pseudocount for cells in (perturbed, control)
    )
    found: Floats = np.log2(above / below)
    return found
