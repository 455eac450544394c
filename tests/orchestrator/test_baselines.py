"""The baseline that a run computes for itself."""

import numpy as np
from scipy import sparse

from orchestrator.baselines import shuffled_score
from orchestrator.config import JobConfig
from orchestrator.evaluation import Origin
from orchestrator.expectations import expectations, hallmark
from orchestrator.judgement import Judge


def test_a_right_answer_scores_low_when_its_genes_swap_names() -> None:
    expected = expectations()["IFN-gamma"]
    genes = sorted({gene for members in hallmark().values() for gene in members} | set(expected.responders))
    raised = hallmark()[expected.primary_sets[0]] | set(expected.responders)
    rng = np.random.default_rng(3)
    usual = np.full(len(genes), 0.8)
    control = sparse.csr_matrix(rng.poisson(usual, (60, len(genes))))
    perturbed = sparse.csr_matrix(
        rng.poisson(usual * np.where(np.isin(genes, sorted(raised)), 4.0, 1.0), (60, len(genes)))
    )
    judge = Judge("IFN-gamma", genes, control, JobConfig())
    right = judge.judge(perturbed, control, seed=5).grounding.score
    chance = shuffled_score(judge, perturbed, control, origin=Origin.ASKED, seed=5)
    assert right >= 7
    assert chance <= 3
    assert chance == shuffled_score(judge, perturbed, control, origin=Origin.ASKED, seed=5)
