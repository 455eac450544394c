"""The uncertainty of a response: calibrated without a response, and independent of how many cells are predicted."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse, stats

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare
from orchestrator.evidence.inference import measured, pooled_variance, response_of
from orchestrator.prediction.delta_transfer import PromptCells

CONFIG = JobConfig()
N_GENES = 400
GENES = [f"G{number}" for number in range(N_GENES)]


def cells(
    number: int, rng: np.random.Generator, factor: NDArray[np.float64] | float = 1.0, dispersion: float = 0.4
) -> sparse.csr_matrix:
    """Return overdispersed counts of cells that differ in depth, as real cells do: cells × genes."""
    rates = np.random.default_rng(1).gamma(0.5, 1.0, N_GENES) * factor
    depth = rng.lognormal(0.0, 0.4, (number, 1))
    noise = rng.gamma(1 / dispersion, dispersion, (number, N_GENES))
    return sparse.csr_matrix(rng.poisson(rates * depth * noise).astype(np.float32))


def group(
    rng: np.random.Generator,
    *,
    factor: NDArray[np.float64] | float = 1.0,
    donor: str = "D1",
    cell_type: str = "T",
    size: int = 80,
) -> PromptCells:
    control = cells(size, rng)
    return PromptCells(donor, cell_type, cells(size, rng, factor), control, control)


def equal(groups: Sequence[PromptCells]) -> list[float]:
    return [1 / len(groups)] * len(groups)


def called(groups: Sequence[PromptCells], *, transferred: bool = False) -> int:
    response = response_of(groups, equal(groups), transferred=transferred)
    found = compare(groups[0].perturbed, groups[0].reference, GENES, CONFIG, response)
    return int(found.is_de.sum())


def test_random_halves_of_untreated_cells_have_next_to_no_called_gene() -> None:
    """Regression: one shift applied to n query cells and tested as n samples called hundreds of genes in random halves."""
    rng = np.random.default_rng(0)
    found = [called([group(rng)]) for _ in range(30)]
    assert np.mean(found) <= 1
    assert max(found) <= 4


def test_p_values_are_uniform_without_a_response() -> None:
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(10):
        one, other = cells(150, rng), cells(150, rng)
        response = measured(one, other)
        p_values.append(response.p_value[response.expressing >= 60])
    values = np.concatenate(p_values)
    assert 0.03 <= np.mean(values < 0.05) <= 0.07
    assert stats.kstest(values, "uniform").statistic < 0.05


def test_more_query_cells_do_not_make_a_response_more_certain() -> None:
    rng = np.random.default_rng(3)
    prompts = [group(rng)]
    response = response_of(prompts, [1.0], transferred=False)
    few, many = (compare(cells(n, rng), cells(n, rng), GENES, CONFIG, response) for n in (20, 400))
    assert np.array_equal(few.p_value, many.p_value)
    assert np.array_equal(few.standard_error, many.standard_error)


def test_more_prompt_cells_make_a_response_more_certain() -> None:
    rng = np.random.default_rng(4)
    errors = [
        np.median(response_of([group(rng, size=size)], [1.0], transferred=False).standard_error) for size in (40, 640)
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.25)


def test_a_planted_response_is_found_with_its_size() -> None:
    rng = np.random.default_rng(5)
    factor = np.ones(N_GENES)
    common = np.argsort(-np.random.default_rng(1).gamma(0.5, 1.0, N_GENES))[20:40]
    factor[common] = 3.0
    response = response_of([group(rng, factor=factor, size=200)], [1.0], transferred=False)
    assert np.all(response.z[common] > 5)
    found = compare(cells(50, rng, factor), cells(50, rng), GENES, CONFIG, response)
    assert set(np.flatnonzero(found.is_de)) >= set(common)


def test_cell_types_that_respond_differently_make_a_transferred_response_uncertain() -> None:
    rng = np.random.default_rng(6)
    gene = int(np.argmax(np.random.default_rng(1).gamma(0.5, 1.0, N_GENES)))
    strong = np.ones(N_GENES)
    strong[gene] = 4.0
    alike = [group(rng, factor=strong, cell_type=f"T{i}") for i in range(4)]
    unlike = [group(rng, factor=strong if i % 2 else 1.0, cell_type=f"T{i}") for i in range(4)]
    z = [float(response_of(groups, equal(groups), transferred=True).z[gene]) for groups in (alike, unlike)]
    assert z[0] > 5
    assert abs(z[1]) < 2


def test_a_response_is_less_certain_in_another_cell_type() -> None:
    rng = np.random.default_rng(7)
    groups = [group(rng, cell_type=f"T{i}") for i in range(4)]
    own, other = (response_of(groups, equal(groups), transferred=transferred) for transferred in (False, True))
    assert np.all(other.standard_error >= own.standard_error)
    assert np.array_equal(own.effect, other.effect)


def test_donors_agree_by_the_sign_of_their_own_response() -> None:
    rng = np.random.default_rng(8)
    gene = int(np.argmax(np.random.default_rng(1).gamma(0.5, 1.0, N_GENES)))
    up, down = np.ones(N_GENES), np.ones(N_GENES)
    up[gene], down[gene] = 8.0, 0.5
    groups = [group(rng, factor=up, donor="A"), group(rng, factor=up, donor="B"), group(rng, factor=down, donor="C")]
    response = response_of(groups, equal(groups), transferred=False)
    assert (len(response.donors), response.cell_types, response.donors_agreeing[gene]) == (3, 1, 2)
    assert response.cells == 6 * 80


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_a_variance_is_at_least_that_of_counting_and_never_zero(seed: int, number: int) -> None:
    counts = cells(number, np.random.default_rng(seed))
    assert np.all(pooled_variance(counts) > 0)


def test_without_matched_controls_the_reference_is_the_baseline() -> None:
    rng = np.random.default_rng(9)
    perturbed, reference = cells(60, rng), cells(60, rng)
    matched = PromptCells("A", "T", perturbed, reference, reference)
    unmatched = PromptCells("A", "T", perturbed, None, reference)
    one, other = (response_of([each], [1.0], transferred=False) for each in (matched, unmatched))
    assert np.array_equal(one.z, other.z)


def test_a_gene_that_hardly_any_prompt_cell_expresses_is_not_tested() -> None:
    perturbed, control = np.ones((50, 3)), np.ones((50, 3))
    perturbed[:, 1] = control[:, 1] = 0
    perturbed[: CONFIG.min_expressing_cells - 1, 1] = 500
    found = compare(sparse.csr_matrix(perturbed), sparse.csr_matrix(control), ["A", "B", "C"], CONFIG)
    assert found.p_value[1] == found.adjusted_p[1] == 1
    assert (found.statistic[1], found.standard_error[1]) == (0, 0)
    assert not found.is_de[1]
