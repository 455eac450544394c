"""Whether controls and perturbed cells differ in something else than the perturbation: each in another batch, tissue or assay."""

from collections import Counter, defaultdict
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

# Words in the names of columns that may have one label for many samples. Libraries, lanes and pools are not among them: where donors are
# pooled, each condition has its own.
_WORDS: Final = frozenset(
    {
        "batch", "batches", "seqbatch", "plate", "run", "chip", "flowcell", "assay", "chemistry", "kit", "technology", "platform",
        "protocol", "method", "instrument", "sequencer", "medium", "fixation", "passage", "tissue", "site", "center", "centre",
        "hospital", "lab", "laboratory", "operator", "study", "dataset", "cohort", "date", "suspension", "disease", "diagnosis",
        "severity", "sex", "gender",
    }
)  # fmt: skip
# What the controls and the cells of a condition have in common: less than this is no comparison within a batch.
_LEAST_SHARED: Final = 0.05


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
    chosen = (columns.cell_type, columns.condition, columns.donor, columns.dose)
    time = columns.time.column if columns.time else None
    used = {*columns.more_conditions, *(each.column for each in chosen if each)}
    n_samples = len({(group.donor, group.condition) for group in rows})
    controls = [each.label for each in conditions if each.is_control]
    for name in map(str, obs):
        if name in used or (name != time and not _WORDS & words_of(name)):
            continue
        cells = Coded.of(obs[name])
        named = {label.casefold() for label in cells.counts if not is_unassigned(label)}
        if not 1 < len(named) < n_samples:  # a column with as many labels names samples
            continue
        numbers = _numbers(cells, rows)
        for condition in conditions:
            of_controls = sum((numbers[each] for each in condition.controls or controls if each in numbers), Counter())
            of_condition = numbers[condition.label]
            if (
                not condition.is_control
                and of_controls
                and of_condition
                and _shared(of_controls, of_condition) < _LEAST_SHARED
            ):
                yield Confounding(name, condition.label, frozenset(of_controls), frozenset(of_condition))


def about_confounding(found: Sequence[Confounding]) -> Iterator[str]:
    """Yield a warning for each column and the controls that it tells apart."""
    together: dict[tuple[str, frozenset[str]], list[Confounding]] = {}
    for each in found:
        together.setdefault((each.column, each.of_controls), []).append(each)
    for (column, of_controls), conditions in together.items():
        of_others = frozenset().union(*(each.of_condition for each in conditions))
        yield (
            f"CONFOUNDED WITH {column}: controls are of {listed(sorted(of_controls))}, cells under "
            f"{listed([each.condition for each in conditions])} of {listed(sorted(of_others))}. A response cannot be told from a "
            "difference between these: answers say so, and their confidence is at most low."
        )


def confounded(conditions: Sequence[ConditionEntry], found: Sequence[Confounding]) -> list[ConditionEntry]:
    """Return conditions with the columns that tell their cells from their controls."""
    columns: dict[str, list[str]] = {}
    for each in found:
        columns.setdefault(each.condition, []).append(each.column)
    return [each.model_copy(update={"confounded_with": columns.get(each.label, [])}) for each in conditions]


def _numbers(cells: Coded, rows: Mapping[Group, NDArray[np.int64]]) -> dict[str, Counter[str]]:
    """Return the number of cells of each label in each condition, without those of no label."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for group, members in rows.items():
        codes, numbers = np.unique(cells.codes[members], return_counts=True)
        labels = found[group.condition]
        for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
            if code >= 0 and not is_unassigned(cells.labels[code]):
                labels[cells.labels[code].casefold()] += number
    return found


def _shared(one: Counter[str], other: Counter[str]) -> float:
    """Return how much of two sets of cells has the same labels, from 0 to 1."""
    return sum(min(one[label] / one.total(), other[label] / other.total()) for label in one)
