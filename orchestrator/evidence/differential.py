"""Differential expression: what changes between two sets of cells, and how certain that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from orchestrator.atlas.expression import Floats, profile
from orchestrator.config import JobConfig
from orchestrator.evidence.inference import Response, measured
from shared.runs.records import GeneChange


@dataclass(frozen=True)
class Differential:
    """The changes, one value per gene."""

    genes: Sequence[str]
    # Of (counts per 10,000 + 1), perturbed over control; the 1 keeps genes with few counts small.
    log2_fold_change: Floats
    standard_error: Floats  # of the log2 fold change; 0 if the gene was not tested
    statistic: Floats  # z: the response in standard errors, positive if the perturbed cells have more; 0 if the gene was not tested
    p_value: Floats
    adjusted_p: Floats  # Benjamini-Hochberg
    donors_agreeing: NDArray[np.int64]  # donors whose own response has the same sign
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
    tested = response.expressing >= config.min_expressing_cells
    statistic = np.where(tested, response.z, 0.0)
    p_value = np.where(tested, response.p_value, 1.0)
    adjusted = np.ones_like(p_value)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_value[tested])
    change = (profile(perturbed) - profile(control)) / np.log(2.0)
    return Differential(
        genes=tuple(genes),
        log2_fold_change=change,
        standard_error=np.where(tested, response.standard_error / np.log(2.0), 0.0),
        statistic=statistic,
        p_value=p_value,
        adjusted_p=adjusted,
        donors_agreeing=response.donors_agreeing,
        is_de=(adjusted < config.max_adjusted_p) & (np.abs(change) >= config.min_log2_fold_change),
    )
