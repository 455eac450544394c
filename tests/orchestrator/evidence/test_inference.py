"""The uncertainty of a response: calibrated without a response, and independent of how many cells are predicted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse, stats

from orchestrator.atlas.profiles import Profile
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare
from orchestrator.evidence.inference import measured, response_of
from orchestrator.evidence.significance import adjusted
from orchestrator.prediction.predictor import PromptCells, PromptGroup

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
) -> PromptGroup:
    control = cells(size, rng)
    return PromptGroup.of(donor, cell_type, PromptCells(cells(size, rng, factor), control, control))


def equal(groups: Sequence[PromptGroup]) -> list[float]:
    return [1 / len(groups)] * len(groups)


def called(group: PromptGroup) -> int:
    cells = group.cells(0)
    return int(compare(cells.perturbed, cells.baseline, GENES, CONFIG, response_of([group], [1.0])).is_de.sum())


def test_random_halves_of_untreated_cells_have_next_to_no_called_gene() -> None:
    """Regression: one shift applied to n query cells and tested as n samples called hundreds of genes in random halves."""
    rng = np.random.default_rng(0)
    found = [called(group(rng)) for _ in range(30)]
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
    response = response_of(prompts, [1.0])
    few, many = (compare(cells(n, rng), cells(n, rng), GENES, CONFIG, response) for n in (20, 400))
    assert np.array_equal(few.p_value, many.p_value)
    assert np.array_equal(few.standard_error, many.standard_error)


def test_more_prompt_cells_make_a_response_more_certain() -> None:
    rng = np.random.default_rng(4)
    errors = [np.median(response_of([group(rng, size=size)], [1.0]).standard_error) for size in (40, 640)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.25)


def test_a_planted_response_is_found_with_its_size() -> None:
    rng = np.random.default_rng(5)
    factor = np.ones(N_GENES)
    common = np.argsort(-np.random.default_rng(1).gamma(0.5, 1.0, N_GENES))[20:40]
    factor[common] = 3.0
    response = response_of([group(rng, factor=factor, size=200)], [1.0])
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
    z = [float(response_of(groups, equal(groups)).z[gene]) for groups in (alike, unlike)]
    assert z[0] > 5
    assert abs(z[1]) < 4


def test_a_response_is_less_certain_in_cells_unlike_those_it_was_measured_in() -> None:
    rng = np.random.default_rng(7)
    strong = np.ones(N_GENES)
    strong[:40] = 4.0
    groups = [group(rng, factor=strong, cell_type=f"T{i}") for i in range(4)]
    own, other = (response_of(groups, equal(groups), extrapolation=unlike) for unlike in (0.0, 1.0))
    assert np.all(other.standard_error >= own.standard_error)
    assert np.abs(other.z).max() < 2
    assert np.array_equal(own.effect, other.effect)


def test_donors_that_respond_differently_make_a_response_uncertain_even_with_many_cells() -> None:
    rng = np.random.default_rng(10)
    gene = int(np.argmax(np.random.default_rng(1).gamma(0.5, 1.0, N_GENES)))
    strong = np.ones(N_GENES)
    strong[gene] = 4.0
    donors = [group(rng, factor=strong if i == 0 else 1.0, donor=f"D{i}", size=400) for i in range(4)]
    response = response_of(donors, equal(donors))
    assert response.p_value[gene] > 0.05
    assert response.degrees[gene] < 10


def test_without_a_response_donors_that_differ_call_nothing() -> None:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(10):
        donors = []
        for i in range(4):
            own = rng.lognormal(0, 0.4, N_GENES)  # a donor differs in both conditions
            control = cells(60, rng, own)
            donors.append(PromptGroup.of(f"D{i}", "T", PromptCells(cells(60, rng, own), control, control)))
        found.append(int((stats.false_discovery_control(response_of(donors, equal(donors)).p_value) < 0.05).sum()))
    assert np.mean(found) <= 1


def test_genes_in_another_order_keep_what_is_known_of_them() -> None:
    rng = np.random.default_rng(14)
    response = response_of([group(rng, donor="A"), group(rng, donor="B")], [0.5, 0.5])
    order = rng.permutation(N_GENES)
    found = response.reordered(order)
    for name in ("effect", "standard_error", "degrees", "expressing", "z", "p_value", "donors_agreeing"):
        np.testing.assert_array_equal(getattr(found, name), getattr(response, name)[order])
    assert (found.donors, found.cells, found.cell_types) == (response.donors, response.cells, response.cell_types)


def test_where_donors_have_no_own_controls_the_degrees_of_freedom_are_those_of_donors() -> None:
    rng = np.random.default_rng(15)
    donors = [
        replace(
            PromptGroup.of(name, "T", PromptCells(cells(60, rng), None, cells(60, rng))),
            donor_variance=np.full(N_GENES, 0.01),
            control_donors=4,
        )
        for name in ("A", "B", "C")
    ]
    response = response_of(donors, equal(donors))
    assert response.judgeable
    assert set(response.degrees) == {3 + 4 - 2}


def test_a_donor_of_weight_0_still_has_its_own_response() -> None:
    rng = np.random.default_rng(16)
    groups = [group(rng, donor="A"), group(rng, donor="B"), group(rng, donor="B")]
    response = response_of(groups, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(response.effect, groups[0].effect)
    np.testing.assert_allclose(response.donor_effects[1], (groups[1].effect + groups[2].effect) / 2)
    assert np.isfinite(response.standard_error).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 1))
def test_every_gene_has_a_p_between_0_and_1_and_no_less_uncertainty_than_its_cells(
    seed: int, number: int, unlike: float
) -> None:
    rng = np.random.default_rng(seed)
    groups = [group(rng, donor=f"D{i % 2}", cell_type=f"T{i}", size=5) for i in range(number)]
    response = response_of(groups, equal(groups), extrapolation=unlike)
    assert np.all((response.p_value >= 0) & (response.p_value <= 1))
    sampling = np.sum([each.variance for each in groups], axis=0) / number**2
    assert np.all(response.standard_error**2 >= sampling * (1 - 1e-9))
    assert np.all((response.donors_agreeing >= 0) & (response.donors_agreeing <= len(response.donors)))


def test_donors_agree_by_the_sign_of_their_own_response() -> None:
    rng = np.random.default_rng(8)
    gene = int(np.argmax(np.random.default_rng(1).gamma(0.5, 1.0, N_GENES)))
    up, down = np.ones(N_GENES), np.ones(N_GENES)
    up[gene], down[gene] = 8.0, 0.5
    groups = [group(rng, factor=up, donor="A"), group(rng, factor=up, donor="B"), group(rng, factor=down, donor="C")]
    response = response_of(groups, equal(groups))
    assert (len(response.donors), response.cell_types, response.donors_agreeing[gene]) == (3, 1, 2)
    assert response.cells == 6 * 80


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_a_variance_is_at_least_that_of_counting_and_never_zero(seed: int, number: int) -> None:
    counts = cells(number, np.random.default_rng(seed))
    assert np.all(Profile.of(counts).variance > 0)


def test_groups_without_matched_controls_are_left_out_if_others_have_some() -> None:
    rng = np.random.default_rng(9)
    matched = group(rng)
    unmatched = PromptGroup.of("B", "T", PromptCells(cells(60, rng), None, cells(60, rng)))
    both, one = response_of([matched, unmatched], [0.5, 0.5]), response_of([matched], [1.0])
    assert np.array_equal(both.z, one.z)
    assert both.donors == ("D1",)


def test_cells_of_one_donor_against_controls_of_another_cannot_be_judged() -> None:
    """Regression: one donor's untreated cells labeled as treated gave 72 called genes."""
    rng = np.random.default_rng(12)
    own = rng.lognormal(0, 0.5, N_GENES)
    treated = PromptGroup.of("A", "T", PromptCells(cells(100, rng, own), None, cells(100, rng)))
    response = response_of([treated], [1.0])
    assert not response.judgeable
    assert np.all(response.p_value == 1)
    assert called(treated) == 0


def test_a_difference_as_between_control_donors_is_no_response() -> None:
    rng = np.random.default_rng(13)
    donors = [rng.lognormal(0, 0.5, N_GENES) for _ in range(4)]
    controls = [cells(100, rng, own) for own in donors[1:]]
    group = PromptGroup.of("A", "T", PromptCells(cells(100, rng, donors[0]), None, sparse.vstack(controls).tocsr()))
    between = np.var([Profile.of(each).expression for each in controls], axis=0, ddof=1)
    assert called(replace(group, donor_variance=between, control_donors=3)) <= 0.02 * N_GENES


def test_a_gene_that_hardly_any_prompt_cell_expresses_is_not_tested() -> None:
    perturbed, control = np.ones((50, 3)), np.ones((50, 3))
    perturbed[:, 1] = control[:, 1] = 0
    perturbed[: CONFIG.min_expressing_cells - 1, 1] = 500
    found = compare(sparse.csr_matrix(perturbed), sparse.csr_matrix(control), ["A", "B", "C"], CONFIG)
    assert found.p_value[1] == found.adjusted_p[1] == 1
    assert (found.statistic[1], found.standard_error[1]) == (0, 0)
    assert not found.is_de[1]


def test_a_response_that_all_donors_share_is_called_whatever_other_genes_do() -> None:
    """Regression: noise of samples in other genes made strong genes uncertain in proportion to their own effect."""
    rng = np.random.default_rng(0)
    n_genes, strong = 400, 10
    groups = []
    for donor in range(4):
        own = rng.gamma(2.0, 1.0, n_genes)
        own[:strong] = 0.3  # so that they do not lower the share of all others
        factors = np.exp(rng.normal(0, 0.1, n_genes))  # between two samples of a donor
        factors[:strong] *= 6.0
        perturbed, control = (
            sparse.csr_matrix(rng.poisson(rates, (150, n_genes)).astype(np.float32)) for rates in (own * factors, own)
        )
        groups.append(PromptGroup.of(f"D{donor}", "T", PromptCells(perturbed, control, control)))
    response = response_of(groups, [0.25] * 4)
    called = adjusted(response.p_value) < 0.05
    assert called[:strong].all()
    assert called[strong:].sum() <= 4


def test_a_gene_that_does_not_change_agrees_with_no_donor() -> None:
    """Regression: genes without counts were listed with three of three donors that agree."""
    nothing = sparse.csr_matrix(np.zeros((20, 3), dtype=np.float32))
    groups = [PromptGroup.of(donor, "T", PromptCells(nothing, nothing, nothing)) for donor in ("D1", "D2")]
    assert response_of(groups, [0.5, 0.5]).donors_agreeing.tolist() == [0, 0, 0]
