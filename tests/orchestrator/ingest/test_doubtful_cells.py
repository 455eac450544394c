"""Cells that the file itself marks as doublets or simulated are not kept without a word."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.atlas.atlas import Group
from orchestrator.ingest.doubtful_cells import about_doubtful_cells

ROWS = {Group("P1", "B", "ctrl"): np.array([0, 1]), Group("P1", "B", "IFN-beta"): np.array([3])}


@pytest.mark.parametrize(
    ("name", "labels", "told"),
    [
        ("predicted_doublet", [True, False, True, True], "2 of 3 cells are doublets, as predicted_doublet says"),
        ("scDblFinder.class", ["singlet", "doublet", "doublet", "singlet"], "1 of 3 cells are doublets"),
        ("is_simulated", [1, 1, 0, 1], "3 of 3 cells are simulated"),
        ("is_simulated", [0, 0, 1, 0], ""),
        ("doublet_score", [0.9, 0.1, 1.0, 0.2], ""),
        ("predicted_doublet", [None, False, True, None], ""),
    ],
)
def test_cells_that_a_column_marks_are_told(name: str, labels: list[object], told: str) -> None:
    found = list(about_doubtful_cells(pd.DataFrame({name: labels}), ROWS))
    assert len(found) == bool(told)
    assert all(each.startswith(told) and each.endswith("Remove them from the file first.") for each in found)
