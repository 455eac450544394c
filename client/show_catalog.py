"""What the catalog knows, laid out for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from client.show import table
from client.terminal import Terminal, plain


def names(terminal: Terminal, found: Sequence[str]) -> None:
    """The names of the datasets."""
    for name in found:
        terminal.line(name)


def dataset(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """What a dataset holds."""
    terminal.line(found["name"], "bold")
    terminal.prose(found["title"])
    terminal.prose(found["description"])
    ingested = "ingested" if found["ingested"] else "known by name, not ingested: no run can use its cells"
    terminal.line(f"state: {ingested}{'; semi-synthetic' if found['semi_synthetic'] else ''}")
    for name in ("cells", "genes", "cell_types", "perturbations"):
        terminal.line(f"{name.replace('_', ' ')}: {_count(found[name])}")
    for name in ("donors", "control_conditions"):
        terminal.prose(f"{name.replace('_', ' ')}: {', '.join(map(str, found[name])) or 'unknown'}")
    terminal.prose(f"licence: {found['licence']}")
    terminal.prose(f"source: {found['source']}")


def perturbations(terminal: Terminal, found: Sequence[Mapping[str, Any]]) -> None:
    """A table of perturbations."""
    made = table("perturbation", "type")
    made.add_column("cells", justify="right")
    made.add_column("controls", justify="right")
    made.add_column("datasets")
    for item in found:
        made.add_row(
            plain(item["name"]),
            plain(item["type"]),
            _count(item["cell_count"]),
            _count(item["control_count"]),
            plain(", ".join(item["datasets"])),
        )
    terminal.show(made)


def cell_types(terminal: Terminal, found: Sequence[Mapping[str, Any]]) -> None:
    """A table of cell types."""
    made = table("cell type", "Cell Ontology", "lineage")
    made.add_column("cells", justify="right")
    made.add_column("datasets")
    for item in found:
        made.add_row(
            plain(item["name"]),
            plain(item["cell_ontology_id"] or ""),
            plain(item["lineage"] or ""),
            _count(item["cell_count"]),
            plain(", ".join(item["datasets"])),
        )
    terminal.show(made)


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
