"""Predicting perturbed cells from query cells and prompts: the port `Predictor`, and delta transfer, which is always there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.expression import SCALE, Floats, counting_noise, depths, profile

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class PromptCells:
    """The cells of one prompt group: one donor and cell type, raw counts, cells × genes.

    Attributes:
        donor: the donor's label.
        cell_type: the cell type's label.
        perturbed: cells in the asked condition.
        control: the matched control cells (same donor); None where the donor has none.
        reference: control cells of this cell type of all donors, what a shift is measured from.
    """

    donor: str
    cell_type: str
    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None
    reference: sparse.csr_matrix


@dataclass(frozen=True)
class Prediction:
    """Predicted cells, one for each query cell, raw counts, cells × genes.

    Attributes:
        perturbed: as the query cells would be under the perturbation.
        control: the same cells predicted from the control prompts; None where there are no matched controls.
    """

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None


class Predictor(Protocol):
    """What makes predictions. Any predictor is judged by the same evaluation."""

    name: str

    def predict(
        self, query: sparse.csr_matrix, prompts: Sequence[PromptCells], *, genes: Sequence[str], seed: int
    ) -> Prediction:
        """Predict the query cells under the prompts' perturbation and, if there are matched controls, under the prompts' control.

        Args:
            query: raw counts of the query cells, cells × genes.
            prompts: at least one; the genes are those of `query`.
            genes: the symbols of the genes, in the order of the columns.
            seed: the same seed gives the same prediction.
        """

    def weights(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells]) -> tuple[float, ...]:
        """How much each prompt group counts in a prediction from these; they sum to 1. Costs next to nothing beside the prediction."""


class DeltaTransfer:
    """Similarity-weighted delta transfer.

    Two shifts are taken from the prompts, both in log1p(counts per 10,000). The background is profile(control cells) − profile(reference):
    what the donors are like on their own. The response is profile(perturbed cells) − profile(control cells), or − profile(reference) where
    there are no matched controls. Both are averaged with weights from the correlation of the prompt's reference profile with the query's,
    and the response of a gene is shrunk as far as counting noise alone explains it (`shrunk`). The perturbed prediction moves the query
    cells by background and response, the control prediction by the background, so what a donor is like on its own cancels between the two.

    Args:
        similarity_power: exponent on the correlation.
    """

    name = "delta transfer"

    def __init__(self, similarity_power: float) -> None:
        self._power = similarity_power

    def predict(
        self,
        query: sparse.csr_matrix,
        prompts: Sequence[PromptCells],
        *,
        genes: Sequence[str] = (),  # noqa: ARG002  # a shift is moved column by column; no name is needed
        seed: int,
    ) -> Prediction:
        """See `Predictor.predict`."""
        weights = np.array(self.weights(query, prompts))
        rng_perturbed, rng_control = np.random.default_rng(seed).spawn(2)
        controls = [prompt.control for prompt in prompts if prompt.control is not None]
        if len(controls) < len(prompts):
            response = _response([(each.perturbed, each.reference) for each in prompts], weights)
            return Prediction(shifted(query, response, rng_perturbed), None)
        pairs = [(prompt.perturbed, control) for prompt, control in zip(prompts, controls, strict=True)]
        response = _response(pairs, weights)
        apart = [
            profile(control) - profile(prompt.reference) for prompt, control in zip(prompts, controls, strict=True)
        ]
        background = np.average(np.stack(apart), axis=0, weights=weights)
        return Prediction(
            shifted(query, background + response, rng_perturbed),
            shifted(query, background, rng_control),
        )

    def weights(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells]) -> tuple[float, ...]:
        """See `Predictor.weights`."""
        references = [profile(prompt.reference) for prompt in prompts]
        cells = [prompt.perturbed.shape[0] for prompt in prompts]
        return tuple(similarity_weights(profile(query), references, cells, self._power).tolist())


def similarity_weights(query: Floats, references: Sequence[Floats], cells: Sequence[int], power: float) -> Floats:
    """How much each prompt group counts: (correlation of its control profile with the query's) ** power × cells, summing to 1.

    A group that correlates negatively counts for nothing, unless all do; then all count alike.
    """
    similarity = np.array([max(_correlation(query, reference), 0.0) for reference in references])
    raw = similarity**power * np.asarray(cells, dtype=np.float64)
    return raw / raw.sum() if raw.sum() > 0 else np.full(len(raw), 1.0 / len(raw))


def shrunk(shift: Floats, variance: Floats) -> Floats:
    """Each gene's shift times shift² / (shift² + variance): what stands out of the noise stays, what does not goes towards zero.

    Args:
        shift: the estimated shifts.
        variance: how far counting noise alone would move each estimate, squared.
    """
    power = shift**2
    return shift * np.divide(power, power + variance, out=np.zeros_like(power), where=power > 0)


def shifted(counts: sparse.csr_matrix, shift: Floats, rng: np.random.Generator) -> sparse.csr_matrix:
    """These cells after a shift of their group's profile.

    How many counts a gene gains or loses in all cells together is fixed by the shift; only which cells they fall on is drawn, in proportion
    to their depth (gains) or their counts (losses). So cells keep nearly their depth, their sparsity and their own expression, and the
    group is moved exactly as predicted, with no noise on top.

    Args:
        counts: raw counts, cells × genes.
        shift: genes, the shift of log1p(counts per 10,000); a zero leaves a gene's counts exactly as they are.
        rng: where the noise comes from.
    """
    depth = depths(counts)
    before = np.expm1(profile(counts))
    after = np.maximum(np.expm1(np.log1p(before) + shift), 0.0)
    after[shift == 0] = before[shift == 0]
    change = _whole((after - before) * depth.sum() / SCALE, rng)
    result = (_thinned(counts, np.maximum(-change, 0), rng) + _added(depth, np.maximum(change, 0), rng)).tocsr()
    result = result.astype(np.float32)
    result.eliminate_zeros()
    return result


def _whole(values: Floats, rng: np.random.Generator) -> Counts:
    """Whole numbers with these expected values: the fraction is the chance of one more."""
    drawn: Counts = np.floor(values + rng.random(len(values))).astype(np.int64)
    drawn[values == 0] = 0
    return drawn


def _added(depth: Floats, gains: Counts, rng: np.random.Generator) -> sparse.csr_matrix:
    """Counts to add, cells × genes: so many of each gene, on cells in proportion to their depth."""
    genes = np.repeat(np.arange(len(gains)), gains)
    reach = np.cumsum(depth)
    cells = np.searchsorted(reach, rng.random(len(genes)) * reach[-1], side="right") if len(genes) else genes
    ones = np.ones(len(genes), dtype=np.int64)
    added: sparse.csr_matrix = sparse.coo_matrix((ones, (cells, genes)), shape=(len(depth), len(gains))).tocsr()
    return added


def _thinned(counts: sparse.csr_matrix, losses: Counts, rng: np.random.Generator) -> sparse.csr_matrix:
    """The counts without so many of each gene, taken from any of its counts alike."""
    left = counts.tocoo().astype(np.int64)
    falling = np.flatnonzero(losses[left.col] > 0)
    units = np.repeat(falling, left.data[falling])
    genes = left.col[units]
    order = np.argsort(genes + rng.random(len(units)), kind="stable")  # gene by gene, shuffled within each
    sizes = np.bincount(genes, minlength=len(losses))
    place = np.arange(len(units)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    lost = order[place < np.repeat(losses, sizes)]
    left.data -= np.bincount(units[lost], minlength=len(left.data))
    remaining: sparse.csr_matrix = left.tocsr()
    return remaining


def _response(pairs: Sequence[tuple[sparse.csr_matrix, sparse.csr_matrix]], weights: Floats) -> Floats:
    """The weighted average change from the second to the first of each pair, shrunk by the counting noise of both."""
    changes = [profile(perturbed) - profile(baseline) for perturbed, baseline in pairs]
    noise = [counting_noise(perturbed) + counting_noise(baseline) for perturbed, baseline in pairs]
    shift = np.average(np.stack(changes), axis=0, weights=weights)
    return shrunk(shift, weights**2 @ np.stack(noise))


def _correlation(one: Floats, other: Floats) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
