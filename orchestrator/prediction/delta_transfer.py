"""Delta transfer, the default predictor, on the CPU."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import SCALE, Floats, depths, profile
from orchestrator.atlas.profiles import Profile
from orchestrator.prediction.predictor import Prediction, PromptGroup
from orchestrator.prediction.transfer import TransferSettings, group_weights, transferred

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class DeltaTransfer:
    """Similarity-weighted delta transfer.

    Two shifts are measured on the prompts, both in log1p(counts per 10,000). The background is control − reference: the donor effect. The
    response is perturbed − control, or perturbed − reference without matched controls. Both are averaged with `group_weights`, and the
    response is shrunk gene by gene according to the noise of its cells. The perturbed prediction shifts the query cells by background and
    response, the control prediction by the background alone, so the donor effect cancels between the two.
    """

    settings: TransferSettings = field(default_factory=TransferSettings)
    name: str = "delta transfer"
    transfers: bool = True

    def tuned(self, settings: TransferSettings) -> "DeltaTransfer":
        """See `Predictor.tuned`."""
        return DeltaTransfer(settings)

    def predict(
        self,
        query: sparse.csr_matrix,
        prompts: Sequence[PromptGroup],
        *,
        genes: Sequence[str] = (),  # noqa: ARG002  # shifts go by column, without names
        seed: int,
    ) -> Prediction:
        """See `Predictor.predict`."""
        weights = np.array(self.weights(Profile.of(query), prompts))
        rng_perturbed, rng_control = np.random.default_rng(seed).spawn(2)
        effects = np.stack([group.effect for group in prompts])
        # Not `group.variance`: without matched controls that of the shift is unknown, and everything would shrink to nothing.
        noise = np.stack([group.noise for group in prompts])
        response = transferred(effects, noise, weights, self.settings)
        controls = [group.control for group in prompts if group.control is not None]
        if len(controls) < len(prompts):
            return Prediction(shifted(query, response, rng_perturbed), None)
        donor_effects = [
            control.expression - group.reference.expression for group, control in zip(prompts, controls, strict=True)
        ]
        background = weights @ np.stack(donor_effects)
        return Prediction(shifted(query, background + response, rng_perturbed), shifted(query, background, rng_control))

    def weights(self, query: Profile, prompts: Sequence[PromptGroup]) -> tuple[float, ...]:
        """See `Predictor.weights`."""
        references = [group.reference.expression for group in prompts]
        found = group_weights(query.expression, references, [group.size for group in prompts], self.settings)
        return tuple(found.tolist())


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
