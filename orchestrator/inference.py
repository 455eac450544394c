"""Predicting perturbed cells from query cells and prompts: the port `Predictor`, and delta transfer, which is always there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from orchestrator.expression import SCALE, Floats, depths, profile


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
        weights: how much each prompt group counted; they sum to 1.
    """

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None
    weights: tuple[float, ...]


class Predictor(Protocol):
    """What makes predictions. Any predictor is judged by the same evaluation."""

    name: str

    def predict(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells], *, seed: int) -> Prediction:
        """Predict the query cells under the prompts' perturbation and, if there are matched controls, under the prompts' control.

        Args:
            query: raw counts of the query cells, cells × genes.
            prompts: at least one; the genes are those of `query`.
            seed: the same seed gives the same prediction.
        """


class DeltaTransfer:
    """Similarity-weighted delta transfer.

    For each prompt group, the shift is profile(prompt cells) − profile(reference), in log1p(counts per 10,000). Shifts are averaged with
    weights from the correlation of the prompt's reference profile with the query's profile, and moved onto each query cell by adding
    Poisson counts where a gene rises and thinning its counts where it falls; so cells keep nearly their depth, their sparsity and their own
    expression. What a donor is like on its own cancels between the perturbed and the control prediction.

    Args:
        similarity_power: exponent on the correlation.
    """

    name = "delta transfer"

    def __init__(self, similarity_power: float) -> None:
        self._power = similarity_power

    def predict(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells], *, seed: int) -> Prediction:
        """See `Predictor.predict`."""
        own = profile(query)
        references = [profile(prompt.reference) for prompt in prompts]
        weights = similarity_weights(own, references, [prompt.perturbed.shape[0] for prompt in prompts], self._power)
        rng_perturbed, rng_control = np.random.default_rng(seed).spawn(2)
        perturbed = _average([profile(prompt.perturbed) for prompt in prompts], references, weights)
        control = None
        controls = [prompt.control for prompt in prompts if prompt.control is not None]
        if len(controls) == len(prompts):
            shift = _average([profile(cells) for cells in controls], references, weights)
            control = shifted(query, shift, rng_control)
        return Prediction(shifted(query, perturbed, rng_perturbed), control, tuple(float(weight) for weight in weights))


def similarity_weights(query: Floats, references: Sequence[Floats], cells: Sequence[int], power: float) -> Floats:
    """How much each prompt group counts: (correlation of its control profile with the query's) ** power × cells, summing to 1.

    A group that correlates negatively counts for nothing, unless all do; then all count alike.
    """
    similarity = np.array([max(_correlation(query, reference), 0.0) for reference in references])
    raw = similarity**power * np.asarray(cells, dtype=np.float64)
    return raw / raw.sum() if raw.sum() > 0 else np.full(len(raw), 1.0 / len(raw))


def shifted(counts: sparse.csr_matrix, shift: Floats, rng: np.random.Generator) -> sparse.csr_matrix:
    """These cells after a shift of their group's profile.

    Args:
        counts: raw counts, cells × genes.
        shift: genes, the shift of log1p(counts per 10,000); a zero leaves a gene's counts exactly as they are.
        rng: where the noise comes from.
    """
    before = np.expm1(profile(counts))
    after = np.maximum(np.expm1(np.log1p(before) + shift), 0.0)
    after[shift == 0] = before[shift == 0]
    kept = np.divide(np.minimum(after, before), before, out=np.zeros_like(before), where=before > 0)
    thinned = counts.tocsr().astype(np.int64)
    falling = kept[thinned.indices] < 1.0
    thinned.data[falling] = rng.binomial(thinned.data[falling], kept[thinned.indices[falling]])
    rising = np.flatnonzero(after > before)
    rates = np.outer(depths(counts) / SCALE, (after - before)[rising])
    added = sparse.csr_matrix(rng.poisson(rates))
    wide = sparse.csr_matrix((added.data, rising[added.indices], added.indptr), shape=counts.shape)
    result = (thinned + wide).tocsr().astype(np.float32)
    result.eliminate_zeros()
    return result


def _average(profiles: Sequence[Floats], references: Sequence[Floats], weights: Floats) -> Floats:
    shifts = [mine - reference for mine, reference in zip(profiles, references, strict=True)]
    return np.average(np.stack(shifts), axis=0, weights=weights)


def _correlation(one: Floats, other: Floats) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
