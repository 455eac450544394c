"""Options of an ingest: what a person says about an atlas instead of letting the ingest guess."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How to read and present an atlas; None: use the value in the file (`uns["haystack"]`), or guess."""

    layer: str | None = None
    symbol_column: str | None = None
    organism: str | None = None
    cells: Path | None = None
    cell_type_column: str | None = None
    condition_column: str | None = None
    donor_column: str | None = None
    controls: tuple[str, ...] = ()
    title: str | None = None
    description: str | None = None
    licence: str | None = None
    source: str | None = None
    semi_synthetic: bool | None = None
