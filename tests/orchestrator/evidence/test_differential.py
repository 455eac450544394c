"""Differential expression on simulated cells with a known difference."""

import numpy as np
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare

CONFIG = JobConfig()


def test_differential_expression_agrees_with_a_planted_truth() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 2.0, 300)
    rates[:10] = 0.5  # few counts, so that raising them hardly changes the others' share
    raised = rates.copy()
    raised[:10] *= 4
    control, perturbed = (sparse.csr_matrix(rng.poisson(r, (120, 300)).astype(np.float32)) for r in (rates, raised))
    found = compare(perturbed, control, [f"G{i}" for i in range(300)], CONFIG)
    assert {gene.gene for gene in found.top(10, up=True)} == {f"G{i}" for i in range(10)}
    assert found.is_de[10:].mean() < 0.05
    order = np.argsort(found.p_value)
    assert np.all(np.diff(found.adjusted_p[order]) >= 0)
    assert np.all(found.adjusted_p >= found.p_value)


def test_cells_that_do_not_differ_have_no_differentially_expressed_gene() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 2.0, 300)
    one, other = (sparse.csr_matrix(rng.poisson(rates, (120, 300)).astype(np.float32)) for _ in range(2))
    found = compare(one, other, [f"G{i}" for i in range(300)], CONFIG)
    assert found.is_de.mean() < 0.01
    assert not compare(one, one, [f"G{i}" for i in range(300)], CONFIG).is_de.any()


def test_a_gene_that_hardly_any_cell_expresses_is_not_tested() -> None:
    perturbed, control = np.ones((50, 3)), np.ones((50, 3))
    perturbed[:, 1] = control[:, 1] = 0
    perturbed[: CONFIG.min_expressing_cells - 1, 1] = 500
    found = compare(sparse.csr_matrix(perturbed), sparse.csr_matrix(control), ["A", "B", "C"], CONFIG)
    assert found.p_value[1] == found.adjusted_p[1] == 1
    assert not found.is_de[1]
