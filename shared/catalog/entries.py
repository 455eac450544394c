"""Catalog entries: what a dataset contains, enough to resolve and validate a question without opening the atlas."""

from typing import Annotated, Final

from pydantic import Field

from shared.fields import Model

# The catalog entry beside an atlas: the last file that the ingest writes, and the source for restoring a lost catalog.
ENTRY_FILE: Final = "dataset.json"
# Of an ingested atlas; atlases of before there were profiles lack it and must be ingested again.
PROFILES_FILE: Final = "profiles.h5"
# The name of a dataset and of its folder; the pattern keeps paths inside the atlas folder.
FolderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class CellTypeEntry(Model):
    """A cell-type label of a dataset and its Cell Ontology term (None if no term fits)."""

    label: str
    cell_ontology_id: str | None
    cell_ontology_label: str | None


class ConditionEntry(Model):
    """A condition label of a dataset.

    `perturbation` is the canonical name from the reference data if the label is known there, else the label itself; None for a control.
    `kind` is cytokine, compound, gene or other, and `control` for a control condition.
    """

    label: str
    perturbation: str | None
    kind: str
    is_control: bool


class GroupCount(Model):
    """The number of cells of a cell type in a condition: in total, and per donor in the order of `donors`."""

    cell_type: str
    condition: str
    cells: int
    donors: list[int]


class DatasetEntry(Model):
    """A dataset in the catalog.

    `atlas` is the dataset's folder below the atlas folder (`Settings.atlas_dir`), None until it is ingested. `groups` holds the non-empty
    (cell type, condition) pairs by label.
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
