"""The empirical p value of the expected program: uniform without a response, small with one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.evidence.inference import Response, response_of
from orchestrator.evidence.permutation import MAX_P, PERMUTATIONS, program_p_value
from orchestrator.prediction.predictor import PromptCells, PromptGroup

N_GENES = 60
PROGRAM = range(10)


def prompts(seed: int, factor: float = 1.0, *, size: int = 40) -> list[PromptGroup]:
    """Return the groups of two donors; the genes of the program are raised by a factor in perturbed cells."""
    rng = np.random.default_rng(seed)
    raised = np.ones(N_GENES)
    raised[list(PROGRAM)] = factor

    def cells(rates: NDArray[np.float64]) -> sparse.csr_matrix:
        return sparse.csr_matrix(rng.poisson(2.0 * rates * rng.lognormal(0, 0.3, (size, 1))).astype(np.float32))

    groups = []
    for donor in ("A", "B"):
        control = cells(np.ones(N_GENES))
        groups.append(PromptGroup.of(donor, "T", PromptCells(cells(raised), control, control)))
    return groups


def p_value(groups: list[PromptGroup], columns: range = PROGRAM, seed: int = 0) -> float | None:
    weights = [1 / len(groups)] * len(groups)
    response = response_of(groups, weights)
    return program_p_value([group.cells(1000) for group in groups], weights, response, columns, seed=seed)


def test_a_program_that_rises_has_the_smallest_p_there_is() -> None:
    assert p_value(prompts(0, 1.6)) == 1 / (PERMUTATIONS + 1)


def test_a_program_that_falls_has_a_large_p() -> None:
    found = p_value(prompts(0, 0.6))
    assert found is not None
    assert found > 0.9


def test_without_a_response_p_is_uniform() -> None:
    """Regression: label-shuffled prompts of untreated cells ended as successes."""
    found = np.array([p_value(prompts(seed), seed=seed) for seed in range(60)])
    assert np.mean(found < MAX_P) <= 0.12
    assert 0.35 <= found.mean() <= 0.65


def test_the_same_seed_gives_the_same_p() -> None:
    assert p_value(prompts(3), seed=4) == p_value(prompts(3), seed=4)


def test_the_labels_are_shuffled_within_groups_so_donors_that_differ_are_no_response() -> None:
    rng = np.random.default_rng(0)
    deep, shallow = (sparse.csr_matrix(rng.poisson(rate, (40, N_GENES)).astype(np.float32)) for rate in (8.0, 1.0))
    groups = [
        PromptGroup.of("A", "T", PromptCells(deep[:20], deep[20:], deep[20:])),
        PromptGroup.of("B", "T", PromptCells(shallow[:20], shallow[20:], shallow[20:])),
    ]
    found = p_value(groups)
    assert found is not None
    assert found > MAX_P


def test_a_program_without_a_measured_gene_cannot_be_judged() -> None:
    assert p_value(prompts(0), range(0)) is None


@pytest.mark.parametrize("size", [5, 200])
def test_groups_of_any_size_are_judged(size: int) -> None:
    assert p_value(prompts(0, 2.5, size=size)) is not None


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 4))
def test_p_is_a_share_of_the_permutations_and_never_0(seed: int, factor: float) -> None:
    found = p_value(prompts(seed, factor, size=8), seed=seed)
    assert found is not None
    assert 1 / (PERMUTATIONS + 1) <= found <= 1
    assert found * (PERMUTATIONS + 1) == pytest.approx(round(found * (PERMUTATIONS + 1)))


def test_genes_without_a_known_standard_error_are_left_out() -> None:
    groups = prompts(0, 1.6)
    response = response_of(groups, [0.5, 0.5])
    few = response.standard_error.copy()
    few[1:] = np.inf
    few[1] = 0.0
    cells = [group.cells(1000) for group in groups]

    def found(standard_error: NDArray[np.float64], columns: range) -> float | None:
        changed = replace(response, standard_error=standard_error)
        return program_p_value(cells, [0.5, 0.5], changed, columns, seed=0)

    assert found(few, PROGRAM) == found(response.standard_error, range(1))
    assert found(np.full(N_GENES, np.inf), PROGRAM) is None


def test_samples_that_differ_are_not_a_response() -> None:
    """Regression: permuted cells gave p = 0.005 where the program rose in two of four donors and fell in the others."""
    prompts, response, columns = _four_donors([1.0, -0.9, 1.1, -0.8])
    found = program_p_value(prompts, [0.25] * 4, response, columns, seed=1)
    assert found is not None
    assert found > 0.2
    prompts, response, columns = _four_donors([1.0, 0.9, 1.1, 0.8])
    assert program_p_value(prompts, [0.25] * 4, response, columns, seed=1) == pytest.approx(1 / (PERMUTATIONS + 1))


def test_each_group_is_reported_once_its_permutations_are_done() -> None:
    prompts, response, columns = _four_donors([1.0, 0.9, 1.1, 0.8])
    done: list[None] = []
    program_p_value(prompts, [0.25] * 4, response, columns, seed=1, on_group=lambda: done.append(None))
    assert len(done) == 4


def test_controls_of_other_donors_give_no_p() -> None:
    prompts, response, columns = _four_donors([1.0, 0.9, 1.1, 0.8])
    assert program_p_value(prompts, [0.25] * 4, replace(response, matched=False), columns, seed=1) is None


def _four_donors(rises: list[float]) -> tuple[list[PromptCells], Response, list[int]]:
    """Return four donors whose first ten genes rise by these factors (log), and the columns of these genes."""
    rng = np.random.default_rng(0)
    prompts = []
    for rise in rises:
        rates = np.full(100, 2.0)
        raised = np.where(np.arange(100) < 10, 2.0 * np.exp(rise), 2.0)
        perturbed, control = (
            sparse.csr_matrix(rng.poisson(each, (60, 100)).astype(np.float32)) for each in (raised, rates)
        )
        prompts.append(PromptCells(perturbed, control, control))
    groups = [PromptGroup.of(f"D{number}", "T", cells) for number, cells in enumerate(prompts)]
    return prompts, response_of(groups, [0.25] * 4), list(range(10))
