"""Catalog entries: what a dataset contains, enough to resolve and validate a question without opening the atlas."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field

from shared.fields import Model

# The name of a dataset and of its folder; the pattern keeps paths inside the atlas folder.
FolderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
# The folder of a version of an atlas, or of an atlas from before there were versions.
VersionFolder = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}(/v[0-9]{8}t[0-9]{12})?$")]


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
    confounded_with: list[
        str
    ] = []  # columns of which its cells and its controls have no label in common, such as a batch


class GroupCount(Model):
    """The number of cells of a cell type in a condition: in total, and per donor in the order of `donors`."""

    cell_type: str
    condition: str
    cells: int
    donors: list[int]


class CellCounts:
    """The groups of a dataset by their labels, so that an atlas of 10,000 conditions is looked up and not searched."""

    def __init__(self, conditions: Iterable[ConditionEntry], groups: Iterable[GroupCount]) -> None:
        self.controls: list[str] = []  # labels of the control conditions
        self.labels: dict[str, list[str]] = {}  # condition labels of each perturbation, by its canonical name
        self.conditions: dict[str, list[ConditionEntry]] = {}  # likewise
        # Names of the perturbations that are one agent in several doses or at several times, by the name of the agent.
        self.names_by_agent: dict[str, list[str]] = {}
        self.has_own_controls = False  # whether some conditions do not share the controls of the dataset
        self.cell_types: Counter[str] = Counter()  # number of cells of each type, by label
        self._by_condition: dict[str, list[GroupCount]] = {}
        self._cells: Counter[str] = Counter()
        for condition in conditions:
            if condition.is_control:
                self.controls.append(condition.label)
            elif condition.perturbation is not None:
                if condition.agent is not None and condition.perturbation not in self.labels:
                    self.names_by_agent.setdefault(condition.agent, []).append(condition.perturbation)
                self.labels.setdefault(condition.perturbation, []).append(condition.label)
                self.conditions.setdefault(condition.perturbation, []).append(condition)
                self.has_own_controls = self.has_own_controls or bool(condition.controls)
        for group in groups:
            self._by_condition.setdefault(group.condition, []).append(group)
            self._cells[group.condition] += group.cells
            self.cell_types[group.cell_type] += group.cells

    def groups(self, conditions: Iterable[str], cell_type: str | None = None) -> list[GroupCount]:
        """Return the groups in these conditions, each named once, and of this cell type; None means any."""
        found = (group for condition in conditions for group in self._by_condition.get(condition, ()))
        return [group for group in found if cell_type is None or group.cell_type == cell_type]

    def cells(self, conditions: Iterable[str]) -> int:
        """Count the cells of all types in these conditions, each named once."""
        return sum(self._cells[condition] for condition in conditions)


class DatasetEntry(Model):
    """A dataset in the catalog.

    `atlas` is the folder of the dataset's version below the atlas folder (`Settings.atlas_dir`), None until it is ingested. `groups` holds
    the non-empty (cell type, condition) pairs by label.
    """

    name: FolderName
    title: str
    description: str
    licence: str
    source: str
    ingested: bool
    semi_synthetic: bool = False
    atlas: VersionFolder | None = None
    n_cells: int | None = None
    n_genes: int | None = None
    donors: list[str] = []
    cell_types: list[CellTypeEntry] = []
    conditions: list[ConditionEntry] = []
    groups: list[GroupCount] = []

    @property
    def folder(self) -> str:
        """The folder of its cells, relative to the atlas folder."""
        return self.atlas or self.name

    @cached_property
    def counts(self) -> CellCounts:
        """The groups by their labels, indexed at the first use."""
        return CellCounts(self.conditions, self.groups)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with an index of its own: pydantic would copy the index of these groups."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("counts", None)
        return copied
