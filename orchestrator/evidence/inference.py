"""The uncertainty of a response: from the prompt cells, their donors and their cell types, never from the number of predicted cells.

The response of a group is the difference of two pooled profiles. Its variance is that of a ratio of sums over cells (counts of a gene over
all counts), at least the Poisson variance of the counts. The responses of several groups are averaged with the predictor's weights; what
they differ by beyond that variance is variance between donors and cell types (method of moments, DerSimonian and Laird 1986). A response
that is carried over to another cell type varies once more by as much as the groups do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from orchestrator.atlas.expression import SCALE, Floats, counting_noise, depths, profile
from orchestrator.prediction.delta_transfer import PromptCells


@dataclass(frozen=True)
class Response:
    """The mean response of the prompt groups, one value per gene."""

    effect: Floats  # change of log1p(counts per 10,000)
    standard_error: Floats
    expressing: NDArray[np.int64]  # perturbed and baseline cells with counts of the gene
    donors: tuple[str, ...]  # that the response was measured in, sorted
    donor_effects: Floats  # donors × genes: the response of each
    cell_types: int
    cells: int  # perturbed and baseline cells

    @property
    def z(self) -> Floats:
        """The effect in standard errors; 0 where there is neither."""
        return np.divide(
            self.effect, self.standard_error, out=np.zeros_like(self.effect), where=self.standard_error > 0
        )

    @property
    def donors_agreeing(self) -> NDArray[np.int64]:
        """The number of donors whose own response has the sign of the effect."""
        found: NDArray[np.int64] = (np.sign(self.donor_effects) == np.sign(self.effect)).sum(axis=0)
        return found

    def reordered(self, order: NDArray[np.int64]) -> "Response":
        """Return the response with its genes in another order."""
        return replace(
            self,
            effect=self.effect[order],
            standard_error=self.standard_error[order],
            expressing=self.expressing[order],
            donor_effects=self.donor_effects[:, order],
        )

    @property
    def p_value(self) -> Floats:
        """Two-sided p by Student's t with as many degrees of freedom as there are cells, less two."""
        found: Floats = 2 * stats.t.sf(np.abs(self.z), max(self.cells - 2, 1))
        return found


def response_of(prompts: Sequence[PromptCells], weights: Sequence[float], *, transferred: bool) -> Response:
    """Estimate the response of prompt groups to their perturbation.

    Args:
        weights: of each group; they sum to 1.
        transferred: whether the response is carried over to a cell type that is not among the groups.
    """
    pairs = [(each.perturbed, each.reference if each.control is None else each.control) for each in prompts]
    effects = np.stack([profile(perturbed) - profile(baseline) for perturbed, baseline in pairs])
    variances = np.stack([pooled_variance(perturbed) + pooled_variance(baseline) for perturbed, baseline in pairs])
    shares = np.asarray(weights, dtype=np.float64)
    effect: Floats = shares @ effects
    between = _between(effects, variances, shares, effect)
    variance = shares**2 @ (variances + between) + (between if transferred else 0.0)
    donors = tuple(sorted({each.donor for each in prompts}))
    return Response(
        effect=effect,
        standard_error=np.sqrt(variance),
        expressing=np.sum([_expressing(cells) for pair in pairs for cells in pair], axis=0),
        donors=donors,
        donor_effects=np.stack([_of_donor(donor, prompts, effects, shares) for donor in donors]),
        cell_types=len({each.cell_type for each in prompts}),
        cells=sum(cells.shape[0] for pair in pairs for cells in pair),
    )


def measured(perturbed: sparse.csr_matrix, control: sparse.csr_matrix) -> Response:
    """Estimate the response of measured cells, as one group: raw counts, cells × genes."""
    group = PromptCells("", "", perturbed, control, control)
    return response_of([group], [1.0], transferred=False)


def pooled_variance(counts: sparse.csr_matrix) -> Floats:
    """Return the variance of each gene in `profile`, from how much cells differ (delta method), at least that of counting.

    Args:
        counts: raw counts, cells × genes.
    """
    n_cells, depth = counts.shape[0], depths(counts)
    total = max(float(depth.sum()), 1.0)
    rate = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / total
    squares = np.asarray(counts.multiply(counts).sum(axis=0), dtype=np.float64).ravel()
    residual = squares - 2 * rate * (counts.T @ depth) + rate**2 * float(depth @ depth)
    spread = np.maximum(residual, 0.0) * n_cells / max(n_cells - 1, 1) / total**2
    variance: Floats = np.maximum(spread * SCALE**2 / (1.0 + rate * SCALE) ** 2, counting_noise(counts))
    return variance


def _between(effects: Floats, variances: Floats, shares: Floats, effect: Floats) -> Floats:
    """Return the variance of responses between groups beyond that of their cells, at least 0."""
    room = 1.0 - float(shares @ shares)
    if room <= 0:
        return np.zeros_like(effect)
    excess = shares @ (effects - effect) ** 2 - (shares * (1.0 - shares)) @ variances
    between: Floats = np.maximum(excess, 0.0) / room
    return between


def _of_donor(donor: str, prompts: Sequence[PromptCells], effects: Floats, shares: Floats) -> Floats:
    own = np.array([each.donor == donor for each in prompts])
    weight = np.where(own, shares, 0.0)
    if weight.sum() <= 0:
        weight = own.astype(np.float64)
    mean: Floats = weight @ effects / weight.sum()
    return mean


def _expressing(counts: sparse.csr_matrix) -> NDArray[np.int64]:
    return np.asarray((counts > 0).sum(axis=0), dtype=np.int64).ravel()
