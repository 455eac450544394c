"""An empirical p value of the expected program: its rise against the same prompt cells with shuffled treatment labels.

The labels are shuffled within each group (donor and cell type), so that only the treatment is lost. The statistic is the mean response of
the genes of the program, in standard errors. Only these genes and the depth of the cells are needed, so all permutations are three matrix
products.

Permuted cells tell nothing about samples, which differ even if nothing was done to them. With three or more donors, their own responses do:
the larger of the two p values counts.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.expression import SCALE, Floats, depths
from orchestrator.evidence.inference import MIN_DONORS, Response
from orchestrator.evidence.significance import rises
from orchestrator.prediction.predictor import PromptCells

PERMUTATIONS: Final = 199
# The level that a run's score must be significant at to count as a success.
MAX_P: Final = 0.05


def program_p_value(
    prompts: Sequence[PromptCells],
    weights: Sequence[float],
    response: Response,
    columns: Collection[int],
    *,
    seed: int,
    on_group: Callable[[], None] = lambda: None,
) -> float | None:
    """Return the share of label permutations in which a program rises at least as much, the observed labels included.

    Args:
        prompts: sampled cells of each group.
        weights: of each group; they sum to 1.
        response: of the same groups.
        columns: of the genes of the program; those without a standard error are left out.
        on_group: called after the permutations of each group.

    Returns:
        None if no gene of the program can be judged, or if perturbed and control cells come from different donors.
    """
    if not response.matched:
        return None
    known = (response.standard_error > 0) & np.isfinite(response.standard_error)
    genes = np.array([each for each in columns if known[each]], dtype=np.int64)
    if not len(genes):
        return None
    rng = np.random.default_rng(seed)
    change = np.zeros((PERMUTATIONS + 1, len(genes)))
    for prompt, weight in zip(prompts, weights, strict=True):
        change += weight * _changes(prompt.perturbed, prompt.baseline, genes, rng)
        on_group()
    rise = (change / response.standard_error[genes]).mean(axis=1)
    of_donors = (response.donor_effects[:, genes] / response.standard_error[genes]).mean(axis=1)
    return max(float(np.mean(rise >= rise[0])), rises(of_donors) if len(of_donors) >= MIN_DONORS else 0.0)


def _changes(
    perturbed: sparse.csr_matrix, baseline: sparse.csr_matrix, genes: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Return the response of a group, permutations × genes; the first row has the observed labels."""
    counts = sparse.vstack([perturbed[:, genes], baseline[:, genes]]).toarray().astype(np.float64)
    depth = np.concatenate([depths(perturbed), depths(baseline)])
    n_perturbed, n_cells = perturbed.shape[0], len(depth)
    labels = np.zeros((PERMUTATIONS + 1, n_cells))
    labels[0, :n_perturbed] = 1.0
    for row in labels[1:]:
        row[rng.permutation(n_cells)[:n_perturbed]] = 1.0
    return _profiles(labels @ counts, labels @ depth) - _profiles((1.0 - labels) @ counts, (1.0 - labels) @ depth)


def _profiles(counts: Floats, depth: Floats) -> Floats:
    rates: Floats = np.log1p(counts / np.maximum(depth, 1.0)[:, np.newaxis] * SCALE)
    return rates
