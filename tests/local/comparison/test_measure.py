"""The figures come from the withheld cells: the truth gets full marks, and wrong predictions get low ones."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from local.comparison.measure import NEAREST_TYPE, Cells, Comparison, compare_with_withheld, measured_change
from local.demo_atlas import CONTROL, WITHHELD_CONDITION, WITHHELD_TYPE, KangFiles
from orchestrator.atlas.expression import profile
from orchestrator.config import JobConfig
from orchestrator.prediction.delta_transfer import shifted

Compared = Callable[..., Comparison]


def test_the_withheld_cells_themselves_get_full_marks(
    compared: Compared, withheld: Cells, really_changed: np.ndarray
) -> None:
    found = compared(withheld.counts, really_changed)
    assert found.pearson(found.predicted.change) == pytest.approx(1.0)
    assert found.error(found.predicted.change) == pytest.approx(0.0, abs=1e-9)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert (found.cells, found.controls, found.donors) == (200, 200, ("patient 101", "patient 107"))


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_prediction_gets_next_to_nothing(
    seed: int, compared: Compared, withheld: Cells, controls: sparse.csr_matrix, really_changed: np.ndarray
) -> None:
    order = np.random.default_rng(seed).permutation(len(withheld.genes))
    found = compared(withheld.counts[:, order], really_changed[order], controls[:, order])
    assert abs(found.pearson(found.predicted.change)) < 0.1
    assert found.error(found.predicted.change) > 1.0
    assert found.precision is not None
    assert found.by_chance is not None
    assert found.precision == pytest.approx(found.by_chance, abs=0.08)


def test_no_change_gets_nothing(compared: Compared, controls: sparse.csr_matrix, really_changed: np.ndarray) -> None:
    found = compared(controls, np.zeros(len(really_changed), dtype=bool), controls)
    assert found.pearson(found.predicted.change) == 0.0
    assert found.error(found.predicted.change) == 1.0
    assert (found.precision, found.recall, found.by_chance) == (None, 0.0, None)


def test_the_opposite_is_called_wrong(compared: Compared, withheld: Cells, controls: sparse.csr_matrix) -> None:
    change = profile(withheld.counts) - profile(controls)
    predicted = shifted(controls, -change, np.random.default_rng(0))
    found = compared(predicted, np.abs(change) > 0.7)
    assert found.pearson(found.predicted.change) < -0.3
    assert found.precision == pytest.approx(0.0, abs=0.02)


def test_a_transfer_from_the_nearest_type_is_good_and_not_perfect(
    compared: Compared, atlas: Cells, controls: sparse.csr_matrix, really_changed: np.ndarray
) -> None:
    near = profile(atlas.where(cell_type=NEAREST_TYPE, condition=WITHHELD_CONDITION)) - profile(
        atlas.where(cell_type=NEAREST_TYPE, condition=CONTROL)
    )
    found = compared(shifted(controls, near, np.random.default_rng(0)), really_changed)
    nearest, mean, nothing = found.baselines
    assert found.pearson(found.predicted.change) == pytest.approx(found.pearson(nearest.change), abs=0.03)
    assert 0.8 < found.pearson(nearest.change) < 0.99
    assert 0.6 < found.pearson(mean.change) < found.pearson(nearest.change)
    assert (found.pearson(nothing.change), found.error(nothing.change)) == (0.0, 1.0)


def test_predicted_controls_are_the_baseline_and_query_cells_only_without_them(
    compared: Compared, withheld: Cells, controls: sparse.csr_matrix, really_changed: np.ndarray
) -> None:
    assert compared(withheld.counts, really_changed, withheld.counts).predicted.change.max() == 0.0
    assert compared(withheld.counts, really_changed, controls).pearson(
        compared(withheld.counts, really_changed).predicted.change
    ) == pytest.approx(1.0)


def test_where_nothing_was_done_no_gene_really_changed(atlas: Cells) -> None:
    rng = np.random.default_rng(0)
    controls = np.flatnonzero((atlas.labels["cell_type"] == WITHHELD_TYPE) & (atlas.labels["condition"] == CONTROL))
    half = np.isin(controls, rng.choice(controls, len(controls) // 2, replace=False))
    one, other = (
        Cells(atlas.counts[rows], {name: labels[rows] for name, labels in atlas.labels.items()}, atlas.genes)
        for rows in (controls[half], controls[~half])
    )
    assert measured_change(one, other, JobConfig()).called.sum() <= 2


def test_genes_that_the_ingest_left_out_are_left_out_of_the_comparison(
    compared: Compared, parts: KangFiles, withheld: Cells, really_changed: np.ndarray, tmp_path: Path
) -> None:
    compared(withheld.counts, really_changed)
    run = ad.read_h5ad(tmp_path / "predictions.h5ad")[:, 100:][:, ::-1].copy()
    run.var_names = [*run.var_names[:-1], "RENAMED"]
    run.write_h5ad(tmp_path / "fewer.h5ad")
    found = compare_with_withheld(tmp_path / "fewer.h5ad", parts)
    assert found.genes == withheld.genes[:100:-1]
    assert found.pearson(found.predicted.change) == pytest.approx(1.0, abs=1e-3)
    assert np.array_equal(found.predicted.called, really_changed[:100:-1])
