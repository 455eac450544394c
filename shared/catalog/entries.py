"""What an ingested dataset holds, as the catalog keeps it: enough to resolve and validate a question without opening the atlas."""

from typing import Annotated, Final

from pydantic import Field

from shared.fields import Model

ENTRY_FILE: Final = "dataset.json"
"""Beside an atlas, its catalog entry: the last file that the ingest writes, and what a lost catalog is made from again."""
FolderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Names a dataset and its folder: it cannot lead out of the atlas folder."""


class CellTypeEntry(Model):
    """A cell-type label of a dataset and the Cell Ontology term it stands for (None where none fits)."""

    label: str
    cell_ontology_id: str | None
    cell_ontology_label: str | None


class ConditionEntry(Model):
    """A condition label of a dataset.

    `perturbation` is the canonical name in the reference facts where the label is known there, else the label itself; None for a
    control. `kind` is cytokine, compound, gene or other, and `control` for a control condition.
    """

    label: str
    perturbation: str | None
    kind: str
    is_control: bool


class GroupCount(Model):
    """How many cells a dataset has of a cell type in a condition, and how many of each donor (by position in `donors`)."""

    cell_type: str
    condition: str
    cells: int
    donors: list[int]


class DatasetEntry(Model):
    """A dataset in the catalog.

    `atlas` is the folder of the dataset below the atlas folder (`Settings.atlas_dir`), None while it is not ingested. `groups` holds the
    non-empty (cell type, condition) pairs by label.
    """

    name: FolderName
    title: str
    description: str
    licence: str
    source: str
    ingested: bool
    semi_synthetic: bool = False
    atlas: FolderName | None = None
    n_cells: int | None = None
    n_genes: int | None = None
    donors: list[str] = []
    cell_types: list[CellTypeEntry] = []
    conditions: list[ConditionEntry] = []
    groups: list[GroupCount] = []
