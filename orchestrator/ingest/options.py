"""Options of an ingest: what a person says about an atlas instead of letting the ingest guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# In place of a column: the atlas has none, whatever its columns are called.
NO_COLUMN: Final = "none"


@dataclass(frozen=True)
class Options:
    """How to read and present an atlas; None: use the value in the file (`uns["haystack"]`), or guess."""

    layer: str | None = None  # the matrix with the counts: "X", "raw", or the name of a layer
    symbol_column: str | None = None  # the var column with the gene symbols
    organism: str | None = None  # "human" for genes that do not look it
    cells: Path | None = None  # a table with further columns of obs
    cell_type_column: str | None = None
    condition_column: str | None = None
    donor_column: str | None = None  # "none": all cells are of one donor
    dose_column: str | None = None  # "none": the doses are told apart nowhere
    time_column: str | None = None  # "none": likewise
    guides: str | None = None  # what the guides of a screen do: knockout, knockdown or overexpression
    controls: tuple[str, ...] = ()
    controls_for: Mapping[str, str] = field(default_factory=dict)  # control label by condition label
    excluded: tuple[str, ...] = ()  # labels of conditions and cell types
    renamed: Mapping[str, str] = field(default_factory=dict)  # new label by label of a condition or cell type
    title: str | None = None
    description: str | None = None
    licence: str | None = None
    source: str | None = None
    semi_synthetic: bool | None = None
