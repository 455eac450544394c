"""Whether controls and perturbed cells differ in something else than the perturbation: each in another batch, tissue or assay."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import Group
from orchestrator.ingest.coded import Coded
from orchestrator.ingest.columns import Columns
from orchestrator.ingest.conditions import listed
from orchestrator.ingest.obs_columns import words_of
from shared.catalog.entries import ConditionEntry
from shared.resolver.placeholders import is_unassigned

# Words in the names of columns that may have one label for many samples.
_WORDS: Final = frozenset(
    {
        "batch", "plate", "pool", "run", "lane", "flowcell", "library", "assay", "chemistry", "technology", "platform", "instrument",
        "sequencer", "tissue", "site", "center", "centre", "lab", "laboratory", "operator", "study", "dataset", "experiment", "date",
        "suspension",
    }
)  # fmt: skip


class Confounding(NamedTuple):
    """A column that tells the cells of a condition from their controls."""

    column: str
    condition: str
    of_controls: frozenset[str]  # labels of the column
    of_condition: frozenset[str]


def find_confounding(
    obs: pd.DataFrame, columns: Columns, rows: Mapping[Group, NDArray[np.int64]], conditions: Sequence[ConditionEntry]
) -> Iterator[Confounding]:
    """Yield what tells the cells of a condition from their controls besides the condition.

    Args:
        rows: rows of the file by group.
        conditions: of all groups.
    """
    chosen = (columns.cell_type, columns.condition, columns.donor, columns.dose, columns.time)
    used = {*columns.more_conditions, *(each.column for each in chosen if each)}
    n_samples = len({(group.donor, group.condition) for group in rows})
    controls = [each.label for each in conditions if each.is_control]
    for name in map(str, obs):
        if name in used or not _WORDS & words_of(name):
            continue
        cells = Coded.of(obs[name])
        named = {label for label in cells.counts if not is_unassigned(label)}
        if not 1 < len(named) < n_samples:  # a column with as many labels names samples
            continue
        labels = {label: found & named for label, found in _labels(cells, rows).items()}
        for condition in conditions:
            of_controls = frozenset().union(*(labels.get(each, ()) for each in condition.controls or controls))
            of_condition = frozenset(labels[condition.label])
            if not condition.is_control and of_controls and of_condition and not of_controls & of_condition:
                yield Confounding(name, condition.label, of_controls, of_condition)


def about_confounding(found: Sequence[Confounding]) -> Iterator[str]:
    """Yield a warning for each column and the controls that it tells apart."""
    together: dict[tuple[str, frozenset[str]], list[Confounding]] = {}
    for each in found:
        together.setdefault((each.column, each.of_controls), []).append(each)
    for (column, of_controls), conditions in together.items():
        of_others = frozenset().union(*(each.of_condition for each in conditions))
        yield (
            f"CONFOUNDED WITH {column}: every control is of {listed(sorted(of_controls))}, every cell under "
            f"{listed([each.condition for each in conditions])} of {listed(sorted(of_others))}. A response cannot be told from a "
            "difference between these: answers say so, and their confidence is at most low."
        )


def confounded(conditions: Sequence[ConditionEntry], found: Sequence[Confounding]) -> list[ConditionEntry]:
    """Return conditions with the columns that tell their cells from their controls."""
    columns: dict[str, list[str]] = {}
    for each in found:
        columns.setdefault(each.condition, []).append(each.column)
    return [each.model_copy(update={"confounded_with": columns.get(each.label, [])}) for each in conditions]


def _labels(cells: Coded, rows: Mapping[Group, NDArray[np.int64]]) -> dict[str, set[str]]:
    """Return the labels of the cells of each condition."""
    found: dict[str, set[str]] = {}
    for group, members in rows.items():
        codes = np.unique(cells.codes[members])
        found.setdefault(group.condition, set()).update(cells.labels[code] for code in codes if code >= 0)
    return found
