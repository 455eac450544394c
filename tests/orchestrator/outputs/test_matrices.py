"""The matrices of the delivered cells."""

# mypy: disable-error-code=import-untyped
import numpy as np
import pytest
from scipy import sparse

from orchestrator.outputs.matrices import COMPONENTS, VARIABLE_GENES, conditions, principal_components
from tests.support.orchestrator.search_results import synthetic_result


def expression(n_cells: int, n_genes: int, seed: int = 0) -> sparse.csr_matrix:
    """Return log-normalized-like values of two kinds of cells."""
    rng = np.random.default_rng(seed)
    values = rng.poisson(1.0, (n_cells, n_genes)).astype(np.float32)
    values[: n_cells // 2, : n_genes // 4] += 3.0
    return sparse.csr_matrix(np.log1p(values))


def test_there_is_a_control_only_if_one_was_predicted() -> None:
    assert list(conditions(synthetic_result())) == ["query", "control", "predicted"]
    assert list(conditions(synthetic_result(controls=False))) == ["query", "predicted"]


@pytest.mark.parametrize("n_cells", [30, 80])
def test_they_are_those_of_a_singular_value_decomposition_up_to_their_sign(n_cells: int) -> None:
    cells = expression(n_cells, 300)
    found = principal_components(cells)
    values = cells.toarray().astype(np.float64)
    vectors, lengths, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    wanted = (vectors * lengths)[:, :COMPONENTS]
    assert found.shape == (n_cells, COMPONENTS)
    assert np.allclose(np.abs(found), np.abs(wanted), atol=0.02)


def test_they_are_centered_ordered_and_the_same_each_time() -> None:
    found = principal_components(expression(60, VARIABLE_GENES + 500))
    assert np.abs(found.mean(axis=0)).max() < 1e-4
    spread = found.std(axis=0)
    assert np.all(np.diff(spread) <= 1e-3)
    assert np.array_equal(found, principal_components(expression(60, VARIABLE_GENES + 500)))
    assert np.all(found[np.abs(found).argmax(axis=0), np.arange(COMPONENTS)] > 0)


def test_the_first_one_separates_cells_that_differ() -> None:
    first = principal_components(expression(40, 200))[:, 0]
    assert first[:20].min() > first[20:].max() or first[:20].max() < first[20:].min()


@pytest.mark.parametrize(("n_cells", "n_genes", "width"), [(1, 50, 1), (6, 400, 6), (50, 3, 3), (2, 1, 1)])
def test_few_cells_or_genes_give_fewer_components(n_cells: int, n_genes: int, width: int) -> None:
    found = principal_components(expression(n_cells, n_genes))
    assert found.shape == (n_cells, width)
    assert np.isfinite(found).all()


def test_cells_of_few_kinds_have_as_many_components_with_variance() -> None:
    kinds = expression(3, 200).toarray()
    found = principal_components(sparse.csr_matrix(np.tile(kinds, (40, 1))))
    assert np.isfinite(found).all()
    assert np.abs(found[:, 2:]).max() < 1e-3 < np.abs(found[:, 1]).max()


def test_cells_that_do_not_differ_lie_at_the_origin() -> None:
    same = sparse.csr_matrix(np.ones((30, 100), dtype=np.float32))
    assert np.abs(principal_components(same)).max() < 1e-3
    assert not principal_components(sparse.csr_matrix((30, 100), dtype=np.float32)).any()
