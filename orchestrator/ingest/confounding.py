"""Whether controls and perturbed cells differ in something else than the perturbation: each in another batch, tissue or assay."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import Group
from orchestrator.ingest.coded import Coded
from orchestrator.ingest.columns import Columns
from orchestrator.ingest.conditions import listed
from orchestrator.ingest.obs_columns import plain
from shared.resolver.placeholders import is_unassigned

# Columns that may have one label for many samples.
_COLUMNS: Final = frozenset(
    {
        "batch", "batchid", "plate", "plateid", "pool", "run", "sequencingrun", "assay", "chemistry", "technology", "tissue", "site",
        "center", "centre", "lab", "study", "dataset", "date", "suspensiontype",
    }
)  # fmt: skip


def about_confounding(
    obs: pd.DataFrame, columns: Columns, rows: Mapping[Group, NDArray[np.int64]], controls: Sequence[str]
) -> Iterator[str]:
    """Yield what tells the controls from the cells of other conditions besides the condition.

    Args:
        rows: rows of the file by group.
        controls: the conditions that are controls.
    """
    chosen = (columns.cell_type, columns.condition, columns.donor, columns.dose, columns.time)
    used = {*columns.more_conditions, *(each.column for each in chosen if each)}
    n_samples = len({(group.donor, group.condition) for group in rows})
    for name in obs:
        if name in used or plain(str(name)) not in _COLUMNS:
            continue
        cells = Coded.of(obs[name])
        named = {label for label in cells.counts if not is_unassigned(label)}
        if 1 < len(named) < n_samples:  # a column with as many labels names samples
            labels = _labels(cells, rows)
            of_controls = set().union(*(labels.get(control, ()) for control in controls)) & named
            apart = {
                each: found & named
                for each, found in labels.items()
                if each not in controls and not found & of_controls
            }
            of_others = set().union(*apart.values())
            if of_controls and of_others:
                yield (
                    f"CONFOUNDED WITH {name}: every control is of {listed(sorted(of_controls))}, every cell under "
                    f"{listed(sorted(apart))} of {listed(sorted(of_others))}. A response cannot be told from a difference between these: "
                    "answers may report it as an effect."
                )


def _labels(cells: Coded, rows: Mapping[Group, NDArray[np.int64]]) -> dict[str, set[str]]:
    """Return the labels of the cells of each condition."""
    found: dict[str, set[str]] = {}
    for group, members in rows.items():
        codes = np.unique(cells.codes[members])
        found.setdefault(group.condition, set()).update(cells.labels[code] for code in codes if code >= 0)
    return found
