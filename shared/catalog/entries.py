"""Catalog entries: what a dataset contains, enough to resolve and validate a question without opening the atlas."""

from functools import cached_property
from typing import Annotated, Final, Self

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
    If the dataset has one perturbation in several doses or at several times, each is a perturbation of its own and its name ends with
    them ("IFN-beta, 10 ng/mL, 6 h"); `agent` is then the name without them. `kind` is cytokine, compound, gene, combination or other,
    and `control` for a control condition.
    """

    label: str
    perturbation: str | None
    kind: str
    is_control: bool
    members: list[str] = []  # canonical names of what acts together; of genes that guides target, their symbols
    agent: str | None = None
    dose: str | None = None
    time: str | None = None
    controls: list[str] = []  # labels of its own control conditions; empty: all controls of the dataset


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

    def __copy__(self) -> Self:
        """Copy without the indexes below, because the copy may get other fields."""
        copied = super().__copy__()
        for name in ("conditions_by_name", "names_by_agent", "groups_by_condition"):
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def conditions_by_name(self) -> dict[str, list[ConditionEntry]]:
        """The conditions of each perturbation, by its canonical name."""
        found: dict[str, list[ConditionEntry]] = {}
        for each in self.conditions:
            if each.perturbation is not None and not each.is_control:
                found.setdefault(each.perturbation, []).append(each)
        return found

    @cached_property
    def names_by_agent(self) -> dict[str, list[str]]:
        """The perturbations that are one agent in several doses or at several times, by the name of the agent."""
        found: dict[str, dict[str, None]] = {}
        for name, conditions in self.conditions_by_name.items():
            if (agent := conditions[0].agent) is not None:
                found.setdefault(agent, {})[name] = None
        return {agent: list(names) for agent, names in found.items()}

    @cached_property
    def groups_by_condition(self) -> dict[str, list[GroupCount]]:
        """The groups of each condition, by its label."""
        found: dict[str, list[GroupCount]] = {}
        for each in self.groups:
            found.setdefault(each.condition, []).append(each)
        return found
