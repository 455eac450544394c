"""How an atlas was understood, as the lines that are printed before work starts: warnings first."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.ingest.conditions import listed
from orchestrator.ingest.meaning import Meaning
from orchestrator.ingest.obs_columns import Choice
from shared.catalog.entries import ConditionEntry

WIDTH: Final = 80
_NAME: Final = 14  # width of the first column
_MOST_TYPES, _MOST_CONDITIONS, _MOST_LISTED = 15, 4, 12
_YELLOW, _BOLD, _END = "\x1b[33m", "\x1b[1m", "\x1b[0m"


class _Lines:
    """Lines of at most `WIDTH` columns, with colors for a terminal."""

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self.found: list[str] = []

    def row(self, name: str, text: str, style: str = "") -> None:
        """Add a name and a text beside it."""
        wrapped = textwrap.wrap(_plain(text), WIDTH - _NAME, break_on_hyphens=False) or [""]
        for place, line in enumerate(wrapped):
            self.found.append(self._styled(f"{name if not place else '':<{_NAME}}{line}", style))

    def line(self, text: str, style: str = "") -> None:
        """Add a line as it is."""
        self.found.append(self._styled(_plain(text)[:WIDTH], style))

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_END}" if self._color and style else text


def summary(dataset: str, meaning: Meaning, facts: Sequence[tuple[str, str]] = (), *, color: bool = False) -> list[str]:
    """Return the lines that say how an atlas was understood.

    Args:
        facts: further names and texts, such as the share of known genes.
    """
    lines = _Lines(color=color)
    lines.line(f"{dataset}: {meaning.n_cells:,} of {meaning.n_file:,} cells", _BOLD)
    for warning in meaning.warnings:
        lines.row("WARNING", warning, _YELLOW)
    if meaning.left_out:
        parts = [f"{reason}: {cells:,}" for reason, cells in meaning.left_out.items()]
        lines.row("left out", f"cells by label: {listed(parts)}", _YELLOW)
    for note in meaning.notes:
        lines.row("note", note)
    for name, text in facts:
        lines.row(name, text)
    columns = meaning.columns
    for name, choice in (
        ("cell type", columns.cell_type),
        ("condition", columns.condition),
        ("donor", columns.donor),
        ("dose", columns.dose),
        ("time", columns.time),
    ):
        lines.row(name, _choice(choice))
    if columns.replicate:
        lines.row("replicate", f"column {columns.replicate}: cells of all replicates of a donor are one group")
    if columns.described:
        lines.row("also there", f"{', '.join(columns.described)}: not used to tell cells apart")
    lines.row("controls", listed(each.label for each in meaning.conditions if each.is_control))
    lines.row("donors", _donors(meaning))
    for text in _conditions(meaning.conditions):
        lines.row("conditions" if text.startswith("1") else "", text)
    lines.found.append("")
    for text in _table(meaning):
        lines.line(text)
    return lines.found


def announce(dataset: str, meaning: Meaning, facts: Sequence[tuple[str, str]]) -> None:
    """Print the summary of an atlas on standard output."""
    sys.stdout.write("\n".join(summary(dataset, meaning, facts, color=sys.stdout.isatty())) + "\n")
    sys.stdout.flush()


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _choice(choice: Choice | None) -> str:
    return "none" if choice is None else f"column {choice.column} ({choice.why})"


def _donors(meaning: Meaning) -> str:
    found = meaning.arms
    parts = [f"{len(found.both)} with control and perturbed cells"]
    if found.only_control:
        parts.append(f"{len(found.only_control)} only control")
    if found.only_perturbed:
        parts.append(f"{len(found.only_perturbed)} only perturbed")
    names = listed(found.both or [*found.only_control, *found.only_perturbed])
    return f"{', '.join(parts)}: {names}"


def _conditions(conditions: Sequence[ConditionEntry]) -> Iterator[str]:
    """Yield what each condition label is taken for, and its own controls."""
    perturbed = [each for each in conditions if not each.is_control]
    for place, each in enumerate(perturbed[:_MOST_LISTED], 1):
        name = each.perturbation or each.label
        exposure = [part for part in (each.dose, each.time) if part and part not in name]
        called = f"{each.label} = {name}" if name != each.label else name
        own = f"; control: {', '.join(each.controls)}" if each.controls else ""
        yield f"{place}. {called} ({', '.join([each.kind, *exposure])}{own})"
    if len(perturbed) > _MOST_LISTED:
        yield f"and {len(perturbed) - _MOST_LISTED:,} more"


def _table(meaning: Meaning) -> Iterator[str]:
    """Yield the cells of each type by condition, largest types first; of many conditions, their total and range."""
    cells: dict[str, dict[str, int]] = {}
    for group, rows in meaning.rows.items():
        own = cells.setdefault(group.cell_type, {})
        own[group.condition] = own.get(group.condition, 0) + len(rows)
    controls = {each.label for each in meaning.conditions if each.is_control}
    perturbed = [each.label for each in meaning.conditions if not each.is_control]
    if len(perturbed) <= _MOST_CONDITIONS:
        width = 11
        head = ["control", *perturbed]
    else:
        width = 12
        head = ["control", "perturbed", "conditions", "fewest", "most"]
    first = WIDTH - width * len(head)
    yield f"{'cells of':<{first}}" + "".join(f"{_short(name, width - 1):>{width}}" for name in head)
    ranked = sorted(cells, key=lambda label: (-sum(cells[label].values()), label))
    for label in ranked[:_MOST_TYPES]:
        own = cells[label]
        numbers = [own.get(name, 0) for name in perturbed]
        control = sum(own.get(name, 0) for name in controls)
        if len(perturbed) > _MOST_CONDITIONS:
            some = [number for number in numbers if number]
            numbers = [sum(some), len(some), min(some, default=0), max(some, default=0)]
        yield f"{_short(label, first - 1):<{first}}" + "".join(f"{number:>{width},}" for number in [control, *numbers])
    if len(ranked) > _MOST_TYPES:
        yield f"and {len(ranked) - _MOST_TYPES} more cell types"


def _short(text: str, width: int) -> str:
    """Return a text in at most this many characters: its start and its end, which tells doses apart."""
    start = width // 3
    return text if len(text) <= width else f"{text[:start]}…{text[-(width - start - 1) :]}"
