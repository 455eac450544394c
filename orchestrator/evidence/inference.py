"""The uncertainty of a response: from the prompt cells, their donors and their cell types, never from the number of predicted cells.

The response of a group is the difference of two profiles, with the variance of its cells. The responses of several groups are averaged
with the predictor's weights. Donors and cell types are random effects: what they differ by beyond the variance of their cells (method of
moments, DerSimonian and Laird 1986) makes the mean uncertain. Few units cannot tell that variance gene by gene, so it is drawn toward what
genes of this expression and strength show on average, as `limma` does (Smyth 2004).

The mean is that of the cell types that were measured. How well it carries over to another one is what the expected accuracy says. Only
cells unlike any measured ones make each effect uncertain in proportion to its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import Floats
from orchestrator.evidence.significance import two_sided
from orchestrator.prediction.predictor import PromptCells, PromptGroup

# How many further units the average of all genes counts as, in the variance between units of one gene.
PRIOR_UNITS: Final = 3.0
# Degrees of freedom of that average: fewer than its thousands of genes have, because genes differ in how much they vary.
PRIOR_DEGREES: Final = 6.0
# Genes whose mean is beyond this many standard errors of its cells respond, as far as the cells can tell.
CLEAR_Z: Final = 3.0
# Largest squared coefficient of variation that responding genes are taken to have.
MAX_VARIATION: Final = 1.0
# Squared coefficient of variation of an effect between unlike cell types; measured on the data of Kang et al. 2018: 0.26 to 0.39.
UNLIKE_VARIATION: Final = 0.3
# With fewer donors, nothing can be concluded about donors in general.
MIN_DONORS: Final = 3


@dataclass(frozen=True)
class Response:
    """The mean response of the prompt groups, one value per gene."""

    effect: Floats  # change of log1p(counts per 10,000)
    standard_error: Floats  # infinite if it cannot be known
    degrees: Floats  # degrees of freedom of the standard error
    expressing: NDArray[np.int64]  # perturbed and baseline cells with counts of the gene
    donors: tuple[str, ...]  # that the response was measured in, sorted
    donor_effects: Floats  # donors × genes: the response of each
    cell_types: int
    cells: int  # perturbed and baseline cells
    perturbed_cells: int
    matched: bool = True  # whether perturbed and control cells come from the same donors

    @property
    def z(self) -> Floats:
        """The effect in standard errors; 0 where there is neither."""
        return np.divide(
            self.effect, self.standard_error, out=np.zeros_like(self.effect), where=self.standard_error > 0
        )

    @property
    def judgeable(self) -> bool:
        """Whether the controls allow any conclusion: not if perturbed and control cells come from one donor each."""
        return bool(np.isfinite(self.standard_error).any())

    @property
    def donors_agreeing(self) -> NDArray[np.int64]:
        """The number of donors whose own response has the sign of the effect."""
        alike = (np.sign(self.donor_effects) == np.sign(self.effect)) & (self.effect != 0)
        found: NDArray[np.int64] = alike.sum(axis=0)
        return found

    def reordered(self, order: NDArray[np.int64]) -> "Response":
        """Return the response with its genes in another order."""
        return replace(
            self,
            effect=self.effect[order],
            standard_error=self.standard_error[order],
            degrees=self.degrees[order],
            expressing=self.expressing[order],
            donor_effects=self.donor_effects[:, order],
        )

    @property
    def p_value(self) -> Floats:
        """Two-sided p by Student's t."""
        return two_sided(self.z, self.degrees)


def response_of(groups: Sequence[PromptGroup], weights: Sequence[float], *, extrapolation: float = 0.0) -> Response:
    """Estimate the response of prompt groups to their perturbation.

    Groups without matched controls are left out if others have some.

    Args:
        weights: of each group; they sum to 1.
        extrapolation: how unlike the groups the asked cells are, 0..1.
    """
    shares = np.asarray(weights, dtype=np.float64)
    matched = np.array([group.control is not None for group in groups])
    if matched.any() and shares[matched].sum() > 0:
        groups = [group for group, own in zip(groups, matched, strict=True) if own]
        shares = shares[matched] / shares[matched].sum()
    effects = np.stack([group.effect for group in groups])
    variances = np.stack([group.variance for group in groups])
    donors = tuple(sorted({group.donor for group in groups}))
    types = sorted({group.cell_type for group in groups})
    by_donor = _units([group.donor for group in groups], donors, effects, variances, shares)
    by_type = _units([group.cell_type for group in groups], types, effects, variances, shares)
    effect: Floats = shares @ effects
    sampling = shares**2 @ variances
    # d log1p(rate) / d log(rate): how much a factor between samples changes the effect of a gene.
    slope = 1.0 - np.exp(-(shares @ np.stack([group.baseline.expression for group in groups])))
    between_donors = _between_donors(by_donor, effect, sampling, slope)
    between_types = _between_types(by_type, effect, sampling)
    unlike = extrapolation * UNLIKE_VARIATION * np.maximum(effect**2 - sampling, 0.0)
    n_cells = sum(group.perturbed.cells + group.baseline.cells for group in groups)
    return Response(
        effect=effect,
        standard_error=np.sqrt(sampling + np.maximum(between_donors, between_types) + unlike),
        degrees=_degrees(groups, sampling, between_donors, between_types),
        expressing=np.rint(sum(group.perturbed.expressing + group.baseline.expressing for group in groups)).astype(
            np.int64
        ),
        donors=donors,
        donor_effects=by_donor.effects,
        cell_types=len(types),
        cells=round(n_cells),
        perturbed_cells=round(sum(group.perturbed.cells for group in groups)),
        matched=all(group.control is not None for group in groups),
    )


def measured(perturbed: sparse.csr_matrix, control: sparse.csr_matrix) -> Response:
    """Estimate the response of measured cells, as one group: raw counts, cells × genes."""
    return response_of([PromptGroup.of("", "", PromptCells(perturbed, control, control))], [1.0])


@dataclass(frozen=True)
class _Units:
    """The responses of donors or of cell types: units × genes, and the weight of each unit."""

    effects: Floats
    variances: Floats
    shares: Floats


def _units(labels: Sequence[str], units: Sequence[str], effects: Floats, variances: Floats, shares: Floats) -> _Units:
    members = np.array([[label == unit for label in labels] for unit in units], dtype=np.float64)
    # A unit whose groups all have weight 0 is the plain mean of its groups.
    own = np.where((members @ shares > 0)[:, np.newaxis], members * shares, members)
    own /= own.sum(axis=1, keepdims=True)
    return _Units(own @ effects, own**2 @ variances, members @ shares)


def _between_donors(units: _Units, effect: Floats, sampling: Floats, slope: Floats) -> Floats:
    """Return the variance of the mean that comes from differences between donors.

    Samples differ by a factor in every gene, and donors by a share of the response in genes that respond.

    Args:
        slope: change of the effect of each gene by a factor between samples, per unit of its logarithm.
    """
    excess, signal = _excess(units, effect), effect**2 - sampling
    clear = effect**2 > CLEAR_Z**2 * sampling
    noise = _ratio(excess[~clear], slope[~clear] ** 2) * slope**2
    variation = min(_ratio((excess - noise)[clear], signal[clear]), MAX_VARIATION)
    return _moderated(units, excess, noise + variation * np.maximum(signal, 0.0))


def _between_types(units: _Units, effect: Floats, sampling: Floats) -> Floats:
    """Return the variance of the mean that comes from differences between cell types: a share of the response of each gene."""
    excess, signal = _excess(units, effect), effect**2 - sampling
    variation = min(_ratio(excess, signal), MAX_VARIATION)
    return _moderated(units, excess, variation * np.maximum(signal, 0.0))


def _excess(units: _Units, effect: Floats) -> Floats:
    """Return the variance between units beyond that of their cells, which noise makes negative in half of the genes without any."""
    shares = units.shares
    room = 1.0 - float(shares @ shares)
    if room <= 1e-9 or not np.isfinite(units.variances).all():
        return np.zeros_like(effect)
    found: Floats = (shares @ (units.effects - effect) ** 2 - (shares * (1.0 - shares)) @ units.variances) / room
    return found


def _moderated(units: _Units, excess: Floats, typical: Floats) -> Floats:
    """Return the variance of the mean from that between units, drawn toward what is typical of such genes."""
    spare = len(units.shares) - 1
    if not spare:
        return np.zeros_like(excess)
    moderated = (PRIOR_UNITS * typical + spare * np.maximum(excess, 0.0)) / (PRIOR_UNITS + spare)
    found: Floats = float(units.shares @ units.shares) * moderated
    return found


def _ratio(part: Floats, whole: Floats) -> float:
    """Return a ratio of sums, at least 0. Sums of what may be negative: the positive half of noise would add up."""
    return max(float(part.sum()), 0.0) / max(float(whole.sum()), 1e-12)


def _degrees(groups: Sequence[PromptGroup], sampling: Floats, donors: Floats, types: Floats) -> Floats:
    """Return the degrees of freedom (Welch and Satterthwaite): few where donors make most of the variance, else those of cells."""
    if groups[0].control is None:
        treated, untreated = len({group.donor for group in groups}), min(group.control_donors for group in groups)
        return np.full_like(sampling, max(treated + untreated - 2, 1))
    of_cells = max(sum(group.perturbed.cells + group.baseline.cells for group in groups) - 2, 1)
    n_donors = len({group.donor for group in groups})
    of_donors = n_donors - 1 + PRIOR_DEGREES
    total = (sampling + donors) ** 2
    found = np.divide(
        total, sampling**2 / of_cells + donors**2 / of_donors, out=np.full_like(sampling, of_cells), where=total > 0
    )
    degrees: Floats = np.where(donors > types, found, of_cells)
    return degrees
