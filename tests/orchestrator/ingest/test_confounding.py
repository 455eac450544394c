"""Batches, tissues and assays that differ between controls and perturbed cells, told before anything is asked."""

from collections.abc import Sequence
from itertools import cycle, islice

import pandas as pd
import pytest

from orchestrator.ingest.labels import understand
from orchestrator.ingest.options import Options


def warnings(**columns: Sequence[object]) -> list[str]:
    """Return what is said of 240 cells of two donors, ctrl and IFN-beta, with these columns too."""
    labels: dict[str, Sequence[object]] = {
        "cell_type": ["CD14 Mono", "B"],
        "condition": ["ctrl", "ctrl", "IFN-beta", "IFN-beta"],
        "donor": ["P1"] * 4 + ["P2"] * 4,
        **columns,
    }
    cells = pd.DataFrame({name: list(islice(cycle(each), 240)) for name, each in labels.items()})
    return [each for each in understand(cells, Options()).warnings if each.startswith("CONFOUNDED")]


@pytest.mark.parametrize("column", ["batch", "Plate ID", "assay", "tissue", "site"])
def test_regression_a_batch_that_is_the_same_as_the_treatment_is_told(column: str) -> None:
    (told,) = warnings(**{column: ["x1", "x1", "x2", "x2"]})
    assert told.startswith(f"CONFOUNDED WITH {column}: controls are of x1, cells under IFN-beta of x2.")


@pytest.mark.parametrize(
    "columns",
    [
        {"batch": ["b1", "b2", "b2", "b1"]},  # crossed
        {"batch": ["b1"]},
        {"batch": ["b1", "b1", "unknown", "unknown"]},
        {"batch": ["b1"] * 4 + ["b2"] * 4},  # of a donor
        {"batch": ["b1", "b1", "b2", "b2", "b3", "b3", "b4", "b4"]},  # names samples
        {"shelf": ["x1", "x1", "x2", "x2"]},
        {"tissue": ["blood", "blood", "Blood", "Blood"]},
    ],
)
def test_a_batch_that_does_not_follow_the_treatment_is_not_told(columns: dict[str, list[str]]) -> None:
    assert warnings(**columns) == []


def test_regression_a_few_exceptions_leave_a_batch_confounded() -> None:
    batches = ["b1", "b1", "b2", "b2"] * 60
    batches[2] = "b1"
    (told,) = warnings(batch=batches)
    assert told.startswith("CONFOUNDED WITH batch: controls are of b1, cells under IFN-beta of b1, b2.")


def test_regression_controls_of_another_time_are_told() -> None:
    (told,) = warnings(time=["0h", "0h", "24h", "24h"])
    assert told.startswith("CONFOUNDED WITH time: controls are of 0h, cells under IFN-beta, 24 h of 24h.")
    assert warnings(time=["24h"]) == warnings(time=[None, None, "24h", "24h"]) == []
    assert warnings(time=["0h", "6h", "0h", "6h", "6h", "0h", "6h", "0h"]) == []


def test_the_catalog_keeps_which_conditions_are_confounded() -> None:
    cells = pd.DataFrame(
        {
            "cell_type": ["CD14 Mono"] * 240,
            "condition": (["ctrl"] * 2 + ["IFN-beta"] * 2 + ["IL-6"] * 2) * 40,
            "donor": ["P1"] * 120 + ["P2"] * 120,
            "seq_batch": (["b1", "b1", "b2", "b2", "b1", "b2"]) * 40,
        }
    )
    found = {each.label: each.confounded_with for each in understand(cells, Options()).conditions}
    assert found == {"ctrl": [], "IFN-beta": ["seq_batch"], "IL-6": []}


def test_a_condition_is_compared_with_its_own_controls() -> None:
    cells = pd.DataFrame(
        {
            "cell_type": ["CD14 Mono"] * 240,
            "condition": ["PBS", "DMSO", "IFN-beta", "dexamethasone"] * 60,
            "donor": ["P1"] * 120 + ["P2"] * 120,
            "plate": ["p1", "p2", "p1", "p1"] * 60,
        }
    )
    options = Options(controls=("PBS", "DMSO"), controls_for={"IFN-beta": "PBS", "dexamethasone": "DMSO"})
    found = {each.label: each.confounded_with for each in understand(cells, options).conditions}
    assert found == {"DMSO": [], "PBS": [], "IFN-beta": [], "dexamethasone": ["plate"]}
