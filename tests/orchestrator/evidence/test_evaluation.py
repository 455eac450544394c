"""The evaluation of cells: a right answer scores higher than the same changes with shuffled gene names."""

import numpy as np
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.evaluation import Evaluator
from orchestrator.evidence.gene_sets import expectations, hallmark


def test_a_right_answer_scores_low_with_shuffled_gene_names() -> None:
    expected = expectations()["IFN-gamma"]
    genes = sorted({gene for members in hallmark().values() for gene in members} | set(expected.responders))
    raised = hallmark()[expected.primary_sets[0]] | set(expected.responders)
    rng = np.random.default_rng(3)
    usual = np.full(len(genes), 0.8)
    control = sparse.csr_matrix(rng.poisson(usual, (60, len(genes))))
    perturbed = sparse.csr_matrix(
        rng.poisson(usual * np.where(np.isin(genes, sorted(raised)), 4.0, 1.0), (60, len(genes)))
    )
    evaluator = Evaluator("IFN-gamma", genes, control, JobConfig())
    right = evaluator.evaluate(perturbed, control, seed=5).grounding.score
    order = np.random.default_rng(5).permutation(len(genes))
    chance = evaluator.evaluate(perturbed[:, order], control[:, order], seed=5).grounding.score
    assert right is not None
    assert chance is not None
    assert right >= 7
    assert chance <= 3
