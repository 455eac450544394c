"""The commands on ingested atlases: `python -m orchestrator.ingest list`, `show NAME` and `remove NAME`."""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest import replacement
from orchestrator.ingest.refusals import told
from shared.catalog import folders
from shared.catalog.cache import Catalog
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.errors import HaystackError

# The names of these commands, which are therefore not names of datasets.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "list": "list the atlases in the catalog",
        "show": "describe an atlas",
        "remove": "remove an atlas from the catalog and delete its files",
        "cancel": "stop the ingest of an atlas on Batch",
    }
)
_UNKNOWN: Final = "-"


class InCloud(Protocol):
    """What these commands do with atlases in Cloud Storage. Every method may raise any `HaystackError`."""

    def state(self, dataset: str) -> str | None:
        """Return a sentence on the newest ingest of a dataset on Batch, or None if there was none."""

    def cancel(self, dataset: str) -> str:
        """Stop the ingest of a dataset, and return a sentence about it."""

    def remove(self, dataset: str) -> None:
        """Remove a dataset from the catalog, then delete its objects."""


def main(arguments: Sequence[str], catalog: Catalog, atlas_root: Path, in_cloud: InCloud | None = None) -> int:
    """Run a command line that begins with one of `COMMANDS`: return 0 if done, 1 if not; exit with 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.ingest")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name != "list":
            command.add_argument("name", help="name of the dataset")
    commands.choices["remove"].add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    try:
        entries = {entry.name: entry for entry in asyncio.run(catalog.load())}
        if given.command == "list":
            print("\n".join(table(entries.values(), atlas_root)))
            return 0
        entry = entries.get(given.name)
        if given.command == "cancel":
            print(in_cloud.cancel(given.name) if in_cloud else "There are no ingests on Batch without ATLAS_BUCKET.")
            return 0
        if given.command == "remove":
            return _remove(given.name, entry, catalog, atlas_root, in_cloud, is_agreed=given.yes)
        on_batch = in_cloud.state(given.name) if in_cloud else None
        if entry is None and on_batch is None:
            return _unknown(given.name, entries)
        parts = [] if entry is None else ["\n".join(description(entry, atlas_root))]
        print("\n\n".join([*parts, f"newest ingest on Batch: {on_batch}"] if on_batch else parts))
    except (AtlasUnusable, HaystackError) as error:
        print(told(error), file=sys.stderr)
        return 1
    return 0


def table(entries: Iterable[DatasetEntry], atlas_root: Path) -> list[str]:
    """Return the lines of a table of atlases."""
    head = ("name", "cells", "donors", "types", "conditions", "ingested", "size", "title")
    rows = [
        (
            entry.name,
            _number(entry.n_cells),
            str(len(entry.donors)),
            str(len(entry.cell_types)),
            str(len(entry.conditions)),
            _day(folders.ingested_at(atlas_root, entry.folder)),
            _size(folders.size_on_disk(atlas_root, entry.folder)),
            entry.title,
        )
        for entry in entries
    ]
    return _columns([head, *rows], right=range(1, 7)) if rows else ["There are no atlases."]


def description(entry: DatasetEntry, atlas_root: Path) -> list[str]:
    """Return the lines that describe an atlas."""
    size = folders.size_on_disk(atlas_root, entry.folder)
    facts = {
        "title": entry.title,
        "description": entry.description,
        "source": entry.source,
        "license": entry.licence,
        "notes": "the perturbed cells are simulated" if entry.semi_synthetic else "",
        "cells": _number(entry.n_cells),
        "genes": _number(entry.n_genes),
        "ingested": _time(folders.ingested_at(atlas_root, entry.folder)),
        "files": f"{atlas_root / entry.folder} ({_size(size) if size else 'not on this machine'})",
    }
    return [
        entry.name,
        *_columns([(f"  {name}", text) for name, text in facts.items() if text]),
        "",
        *_section(
            "donors", [(donor, _number(cells)) for donor, cells in zip(entry.donors, _donors(entry), strict=True)]
        ),
        "",
        *_section("cell types", [_cell_type(entry, each) for each in entry.cell_types]),
        "",
        *_section("controls", [_condition(entry, each) for each in entry.conditions if each.is_control]),
        "",
        *_section("conditions", [_condition(entry, each) for each in entry.conditions if not each.is_control]),
    ]


def _remove(
    name: str,
    entry: DatasetEntry | None,
    catalog: Catalog,
    atlas_root: Path,
    in_cloud: InCloud | None,
    *,
    is_agreed: bool,
) -> int:
    versions = folders.versions(atlas_root, name) if (atlas_root / name).parent == atlas_root else []
    if entry is None and not versions:
        return _unknown(name, {each.name: each for each in asyncio.run(catalog.load())})
    if not is_agreed:
        if not sys.stdin.isatty():
            print(f"This deletes {name} and cannot be undone. Repeat the command with --yes.", file=sys.stderr)
            return 2
        size = sum(folders.size_on_disk(atlas_root, version) or 0 for version in versions)
        cells = f"{entry.n_cells:,} cells, " if entry and entry.n_cells else ""
        if input(f"Delete {name} ({cells}{_size(size)}) for good? [y/N] ").strip().casefold() not in {"y", "yes"}:
            print("Nothing was deleted.")
            return 1
    if in_cloud is not None:
        in_cloud.remove(name)
    else:
        replacement.remove(name, atlas_root, catalog)
    print(f"{name} is removed.")
    return 0


def _unknown(name: str, known: Iterable[str]) -> int:
    print(f"There is no atlas {name}. Atlases: {', '.join(sorted(known)) or 'none'}.", file=sys.stderr)
    return 1


def _donors(entry: DatasetEntry) -> list[int]:
    totals = [0] * len(entry.donors)
    for group in entry.groups:
        for donor, cells in enumerate(group.donors):
            totals[donor] += cells
    return totals


def _cell_type(entry: DatasetEntry, cell_type: CellTypeEntry) -> tuple[str, str, str]:
    term = cell_type.cell_ontology_id
    known = f"{term} {cell_type.cell_ontology_label or ''}".strip() if term else "no Cell Ontology term"
    return cell_type.label, _number(entry.counts.cell_types[cell_type.label]), known


def _condition(entry: DatasetEntry, condition: ConditionEntry) -> tuple[str, str, str]:
    named = condition.perturbation if condition.perturbation not in {None, condition.label} else ""
    meaning = "" if condition.is_control else f"{condition.kind} {named}".strip()
    return condition.label, _number(entry.counts.cells([condition.label])), meaning


def _section(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"{title} ({len(rows)})", *(f"  {line}" for line in _columns(rows, right=(1,)))]


def _columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return rows of texts as lines in which the columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    to_right = frozenset(right)
    return [
        "  ".join(
            text.rjust(width) if place in to_right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else _UNKNOWN


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else _UNKNOWN


def _size(size: int | None) -> str:
    if size is None:
        return _UNKNOWN
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
