"""Predict perturbed cells from query cells and prompts: the port `Predictor`, and delta transfer, the default."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import SCALE, Floats, counting_noise, depths, profile

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class PromptCells:
    """The cells of one prompt group (one donor and cell type): raw counts, cells × genes."""

    donor: str
    cell_type: str
    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None  # of the same donor and cell type, if there are any
    reference: sparse.csr_matrix  # control cells of this cell type from all donors, the origin of shifts


@dataclass(frozen=True)
class Prediction:
    """Predicted cells, one per query cell: raw counts, cells × genes."""

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None  # predicted from the control prompts; None without matched controls


class Predictor(Protocol):
    """Makes predictions. All predictors are evaluated in the same way."""

    name: str
    transfers: bool  # whether it predicts the mean response of the prompts

    def predict(
        self, query: sparse.csr_matrix, prompts: Sequence[PromptCells], *, genes: Sequence[str], seed: int
    ) -> Prediction:
        """Predict the query cells under the prompts' perturbation and, with matched controls, under the prompts' control.

        Args:
            query: raw counts of the query cells, cells × genes.
            prompts: at least one, with the genes of `query`.
            genes: gene symbols, in column order.
            seed: the same seed gives the same prediction.
        """

    def weights(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells]) -> tuple[float, ...]:
        """Return the weight of each prompt group in a prediction; they sum to 1. Much cheaper than a prediction."""


class DeltaTransfer:
    """Similarity-weighted delta transfer.

    Two shifts are measured on the prompts, both in log1p(counts per 10,000). The background is profile(control) − profile(reference): the
    donor effect. The response is profile(perturbed) − profile(control), or profile(perturbed) − profile(reference) without matched
    controls. Both are averaged with weights from the correlation of the prompt's reference profile with the query's, and the response is
    shrunk gene by gene according to counting noise (`shrunk`). The perturbed prediction shifts the query cells by background and
    response, the control prediction by the background alone, so the donor effect cancels between the two.
    """

    name = "delta transfer"
    transfers = True

    def __init__(self, similarity_power: float) -> None:
        self._power = similarity_power

    def predict(
        self,
        query: sparse.csr_matrix,
        prompts: Sequence[PromptCells],
        *,
        genes: Sequence[str] = (),  # noqa: ARG002  # shifts go by column, without names
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
        donor_effects = [
            profile(control) - profile(prompt.reference) for prompt, control in zip(prompts, controls, strict=True)
        ]
        background = np.average(np.stack(donor_effects), axis=0, weights=weights)
        return Prediction(shifted(query, background + response, rng_perturbed), shifted(query, background, rng_control))

    def weights(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells]) -> tuple[float, ...]:
        """See `Predictor.weights`."""
        references = [profile(prompt.reference) for prompt in prompts]
        cells = [prompt.perturbed.shape[0] for prompt in prompts]
        return tuple(similarity_weights(profile(query), references, cells, self._power).tolist())


def similarity_weights(query: Floats, references: Sequence[Floats], cells: Sequence[int], power: float) -> Floats:
    """Return the weight of each prompt group: (correlation of its control profile with the query's) ** power × cells, summing to 1.

    Groups with negative correlation get no weight; if all correlate negatively, all get the same weight.
    """
    similarity = np.array([max(_correlation(query, reference), 0.0) for reference in references])
    raw = similarity**power * np.asarray(cells, dtype=np.float64)
    return raw / raw.sum() if raw.sum() > 0 else np.full(len(raw), 1.0 / len(raw))


def shrunk(shift: Floats, variance: Floats) -> Floats:
    """Multiply each gene's shift by shift² / (shift² + variance), with the variance of counting noise: shifts below it shrink."""
    power = shift**2
    return shift * np.divide(power, power + variance, out=np.zeros_like(power), where=power > 0)


def shifted(counts: sparse.csr_matrix, shift: Floats, rng: np.random.Generator) -> sparse.csr_matrix:
    """Shift the profile of a group of cells.

    The shift determines how many counts each gene gains or loses over all cells; only the cells are drawn, in proportion to their depth
    (gains) or their counts (losses). So cells nearly keep their depth, sparsity and individual expression, and the group shifts exactly
    as predicted, without added noise.

    Args:
        counts: raw counts, cells × genes.
        shift: per gene, in log1p(counts per 10,000); zero leaves a gene's counts unchanged.
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
    """Round at random to whole numbers with these expected values."""
    drawn: Counts = np.floor(values + rng.random(len(values))).astype(np.int64)
    drawn[values == 0] = 0
    return drawn


def _added(depth: Floats, gains: Counts, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return the counts to add, cells × genes: `gains` of each gene, spread over cells in proportion to their depth."""
    genes = np.repeat(np.arange(len(gains)), gains)
    reach = np.cumsum(depth)
    cells = np.searchsorted(reach, rng.random(len(genes)) * reach[-1], side="right") if len(genes) else genes
    ones = np.ones(len(genes), dtype=np.int64)
    added: sparse.csr_matrix = sparse.coo_matrix((ones, (cells, genes)), shape=(len(depth), len(gains))).tocsr()
    return added


def _thinned(counts: sparse.csr_matrix, losses: Counts, rng: np.random.Generator) -> sparse.csr_matrix:
    """Remove `losses` counts of each gene; each of its counts is equally likely to go."""
    remaining = counts.tocoo().astype(np.int64)
    falling = np.flatnonzero(losses[remaining.col] > 0)
    units = np.repeat(falling, remaining.data[falling])
    genes = remaining.col[units]
    order = np.argsort(genes + rng.random(len(units)), kind="stable")  # by gene, shuffled within each
    sizes = np.bincount(genes, minlength=len(losses))
    place = np.arange(len(units)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    lost = order[place < np.repeat(losses, sizes)]
    remaining.data -= np.bincount(units[lost], minlength=len(remaining.data))
    thinned: sparse.csr_matrix = remaining.tocsr()
    return thinned


def _response(pairs: Sequence[tuple[sparse.csr_matrix, sparse.csr_matrix]], weights: Floats) -> Floats:
    """Return the weighted mean change from the second to the first of each pair, shrunk by the counting noise of both."""
    changes = [profile(perturbed) - profile(baseline) for perturbed, baseline in pairs]
    noise = [counting_noise(perturbed) + counting_noise(baseline) for perturbed, baseline in pairs]
    shift = np.average(np.stack(changes), axis=0, weights=weights)
    return shrunk(shift, weights**2 @ np.stack(noise))


def _correlation(one: Floats, other: Floats) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
