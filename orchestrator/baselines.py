"""What a score is worth beside chance: the same evaluation of the same changes, on other genes."""

import numpy as np
from scipy import sparse

from orchestrator.evaluation import Origin
from orchestrator.judgement import Judge


def shuffled_score(
    judge: Judge, perturbed: sparse.csr_matrix, control: sparse.csr_matrix, *, origin: Origin, seed: int
) -> int:
    """The score that a prediction gets when its genes swap names at random: as many genes move, as far, but they are others.

    Args:
        judge: who judged the prediction.
        perturbed: its predicted cells, raw counts, cells × genes.
        control: what they were compared with.
        origin: what they were predicted from.
        seed: for the shuffle and for what the judge draws.
    """
    order = np.random.default_rng(seed).permutation(perturbed.shape[1])
    return judge.judge(perturbed[:, order], control[:, order], origin=origin, seed=seed).grounding.score
