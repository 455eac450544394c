"""What was done to each cell, from one column of conditions or from several that act together: a drug and a cytokine."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.coded import MISSING, Coded
from orchestrator.ingest.options import Options
from shared.catalog.entries import ConditionEntry
from shared.resolver.controls import control_kind
from shared.resolver.guides import Modality, is_screen
from shared.resolver.labels import COMBINATION, condition_entry
from shared.resolver.placeholders import is_absent, is_false, is_unassigned, is_unnamed

JOIN: Final = " + "
_MOST_PAIRS: Final = 5_000


@dataclass(frozen=True)
class Treatments:
    """The label of what was done to each cell.

    Attributes:
        columns: those that act together; the first is the column of conditions.
        entries: what the labels mean that were made of several columns.
        left_out: cells by reason.
    """

    cells: Coded
    columns: tuple[str, ...]
    options: Options
    entries: Mapping[str, ConditionEntry] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the labels were made."""
        if len(self.columns) < 2:
            return []
        first, *more = self.columns
        return [
            f"The columns {', '.join(self.columns)} act together: cells that differ in one of them have different conditions "
            f"(--condition-column {first} takes this one alone, and pools cells that differ in {' and '.join(more)})."
        ]


@dataclass(frozen=True)
class _Column:
    """A column of treatments.

    Attributes:
        silent: labels that say that nothing was added.
    """

    name: str
    cells: Coded
    guides: Modality | None
    silent: frozenset[str]
    left_out: frozenset[str]


def read_treatments(
    obs: pd.DataFrame, first: str, more: Sequence[str], options: Options, guides: Modality | None
) -> Treatments:
    """Return what was done to each cell.

    Args:
        first: the column of conditions.
        more: further columns that may say what was done as well; those that tell no conditions apart are not used.
        guides: what the guides of a screen do, if the first column is one of guides.

    Raises:
        AtlasUnusable: a further column tells conditions apart, but its labels do not say what was done.
    """
    columns = [_column(first, Coded.of(obs[first]), options, guides)]
    for name in more:
        cells = Coded.of(obs[name])
        column = _column(name, cells, options, (guides or Modality.KNOCKOUT) if is_screen(cells.labels) else None)
        if not (column.guides and guides) and _tells_apart(columns, column):
            _check_names(column, first)
            columns.append(column)
    if len(columns) == 1:
        return Treatments(Coded.of(obs[first]), (first,), options)
    return _combined(columns, options)


def _column(name: str, cells: Coded, options: Options, guides: Modality | None) -> _Column:
    """Return a column with the names that a person gives to its labels, and what says that nothing was added."""
    noes = {label for label in cells.labels if _is_no(label, cells.labels)}
    cells = cells.relabeled({label: options.renamed.get(label, label) for label in cells.labels})
    named = {options.renamed.get(label, label) for label in options.controls} & set(cells.labels)
    controls = {label for label in cells.labels if control_kind(label) or label in noes}
    # Cells without a guide were not assigned to any; a drug that is not named was not given.
    absent = set() if guides else {label for label in cells.labels if is_absent(label)}
    excluded = {options.renamed.get(label, label) for label in options.excluded} & set(cells.labels)
    failed = {label for label in cells.labels if is_unassigned(label)} - absent - named
    left_out = excluded | failed | (controls - named if named else set())
    return _Column(name, cells, guides, frozenset((named or controls) | absent) - left_out, frozenset(left_out))


def _is_no(label: str, labels: Iterable[str]) -> bool:
    return is_false(label) and all(is_false(each) or is_unnamed(each) for each in labels)


def _tells_apart(columns: Sequence[_Column], other: _Column) -> bool:
    """Return whether a further column splits cells of one condition by what was done to them."""
    first = columns[0]
    if len(first.cells.labels) * len(other.cells.labels) > _MOST_PAIRS:
        return False
    pairs = _filled(first).crossed(_filled(other))
    if len(pairs) <= len({label for label, _ in pairs}):
        return False
    meanings = {pair: _meaning([(first, pair[0]), (other, pair[1])]) for pair in pairs}
    alone = {pair: _meaning([(first, pair[0])]) for pair in pairs}
    return len(set(meanings.values())) > len(set(alone.values()))


def _meaning(parts: Iterable[tuple[_Column, str]]) -> tuple[object, ...]:
    entry = _entry("", list(parts))
    return (entry.perturbation, entry.dose, entry.time) if entry else ()


def _filled(column: _Column) -> Coded:
    """Return the cells of a column with a label for those that have none, which is that nothing was added."""
    labels = [*column.cells.labels, ""]
    return Coded(np.where(column.cells.present, column.cells.codes, len(labels) - 1).astype(np.int32), labels).merged()


def _check_names(column: _Column, first: str) -> None:
    unnamed = [
        label
        for label in column.cells.counts
        if label not in column.silent | column.left_out and is_unnamed(label) and not column.guides
    ]
    if unnamed:
        raise AtlasUnusable(
            f"The column {column.name} tells cells of one {first} apart, but its label {unnamed[0]} does not say what was done to them. "
            f"Repeat the command with its name, such as --rename {unnamed[0]}=IFN-beta (with the name of your perturbation); or with "
            f"--condition-column {first}, which pools cells that differ in {column.name}."
        )


def _combined(columns: Sequence[_Column], options: Options) -> Treatments:
    """Return one label for each combination of the labels of several columns."""
    keys = np.zeros(len(columns[0].cells.codes), dtype=np.int64)
    filled = [_filled(column) for column in columns]
    for each in filled:
        keys = keys * len(each.labels) + each.codes
    found, codes = np.unique(keys, return_inverse=True)
    sizes = np.bincount(codes.reshape(-1))
    labels: list[str] = []
    entries: dict[str, ConditionEntry] = {}
    controls: list[str] = []
    left_out: dict[str, int] = {}
    named = {options.renamed.get(label, label) for label in options.controls}
    for key, size in zip(found.tolist(), sizes.tolist(), strict=True):
        parts: list[tuple[_Column, str]] = []
        rest = key
        for column, each in zip(reversed(columns), reversed(filled), strict=True):
            rest, place = divmod(rest, len(each.labels))
            parts.insert(0, (column, each.labels[place]))
        lost = next(((column, label) for column, label in parts if _is_lost(column, label)), None)
        if lost is not None:
            reason = f"{lost[0].name} {lost[1]!r}" if lost[1] else "a missing label"
            left_out[reason] = left_out.get(reason, 0) + size
            labels.append("")
            continue
        label, names = _label(parts, named)
        entry = _entry(label, parts)
        label = entry.label if entry else label
        labels.append(label)
        if entry:
            entries[label] = entry
        elif named.intersection(names):
            controls.append(label)
    lost_codes = [place for place, label in enumerate(labels) if not label]
    cells = Coded(np.where(np.isin(codes, lost_codes), MISSING, codes).reshape(-1).astype(np.int32), labels).merged()
    kept = tuple(label for label in options.controls if label in labels)
    changed = replace(options, controls=tuple(dict.fromkeys((*kept, *controls)))) if controls else options
    return Treatments(cells, tuple(each.name for each in columns), changed, entries, left_out)


def _is_lost(column: _Column, label: str) -> bool:
    return label in column.left_out or (not label and column.guides is not None)


def _label(parts: Sequence[tuple[_Column, str]], controls: Collection[str]) -> tuple[str, list[str]]:
    """Return the label of a combination, and its parts: what was added, or the controls if nothing was."""
    added = [label for column, label in parts if label and label not in column.silent]
    if not added:
        added = [label for _, label in parts if control_kind(label) or label in controls]
    if not added:
        added = ["untreated" if any(is_false(label) for _, label in parts) else "none"]
    names = list(dict.fromkeys(added))
    return JOIN.join(names), names


def _entry(label: str, parts: Sequence[tuple[_Column, str]]) -> ConditionEntry | None:
    """Return what a combination means, or None if nothing was added."""
    found: dict[str, ConditionEntry] = {}
    for column, part in parts:
        if part and part not in column.silent:
            entry = condition_entry(part, column.guides)
            name = entry.agent or entry.perturbation or part
            known = found.get(name)
            # Two columns often name one thing, and one of them its dose.
            found[name] = entry if known is None or not (known.dose or known.time) else known
    entries = list(found.values())
    if not entries:
        return None
    if len(entries) == 1:
        return entries[0]
    names = sorted(
        set(chain.from_iterable(each.members if each.kind == COMBINATION else [name] for name, each in found.items())),
        key=lambda name: (name.casefold(), name),
    )
    times = {each.time for each in entries} - {None}
    return ConditionEntry(
        label=label,
        perturbation=JOIN.join(names),
        kind=COMBINATION,
        is_control=False,
        members=names,
        dose=JOIN.join(each.dose for each in entries if each.dose) or None,
        time=next(iter(times)) if len(times) == 1 else None,
    )
