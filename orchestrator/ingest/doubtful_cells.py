"""Cells that a column of the file marks as doublets, as of bad quality, or as simulated, and that are ingested all the same."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import Group
from orchestrator.ingest.coded import Coded
from orchestrator.ingest.obs_columns import plain

# Names of columns, without case and separators, and what their cells are if their label is one of `_MARKS`.
_COLUMNS: Final = {
    "doublet": "doublets", "isdoublet": "doublets", "predicteddoublet": "doublets", "predicteddoublets": "doublets",
    "doubletclass": "doublets", "scdblfinderclass": "doublets", "doubletfinder": "doublets", "multiplets": "doublets",
    "outlier": "outliers", "isoutlier": "outliers", "simulated": "simulated", "issimulated": "simulated", "synthetic": "simulated",
    "issynthetic": "simulated",
}  # fmt: skip
_MARKS: Final = frozenset({"true", "1", "yes", "doublet", "doublets", "multiplet", "outlier", "simulated", "synthetic"})


def about_doubtful_cells(obs: pd.DataFrame, rows: Mapping[Group, NDArray[np.int64]]) -> Iterator[str]:
    """Yield how many cells of which column are kept although it marks them.

    Args:
        rows: rows of the file by group.
    """
    kept = np.concatenate(list(rows.values()))
    for name in map(str, obs):
        what = _COLUMNS.get(plain(name))
        if what is None:
            continue
        numbers = Coded.of(obs[name].iloc[kept]).counts
        if marked := sum(number for label, number in numbers.items() if label.casefold() in _MARKS):
            yield f"{marked:,} of {len(kept):,} cells are {what}, as {name} says, and are kept. Remove them from the file first."
