"""What an atlas holds, as it was understood: the cells of each group, what is left out, and what limits the answers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.atlas.atlas import AtlasUnusable, Group
from orchestrator.ingest.columns import Columns
from orchestrator.ingest.conditions import listed
from orchestrator.ingest.donors import Arms, arms
from orchestrator.ingest.options import NO_COLUMN
from shared.catalog.entries import CellTypeEntry, ConditionEntry
from shared.catalog.plans import MIN_GROUP_CELLS, MIN_QUERY_CELLS
from shared.resolver.labels import OTHER, reference_name


@dataclass
class Meaning:
    """What the labels of an atlas mean, and the cells of each group."""

    columns: Columns
    rows: dict[Group, NDArray[np.int64]]  # sorted rows of the file
    conditions: list[ConditionEntry]
    cell_types: list[CellTypeEntry]
    n_file: int  # cells of the file
    left_out: dict[str, int] = field(default_factory=dict)  # cells by reason
    notes: list[str] = field(default_factory=list)
    about_columns: list[str] = field(default_factory=list)  # warnings that the columns give

    @property
    def n_cells(self) -> int:
        """The number of cells that are kept."""
        return sum(map(len, self.rows.values()))

    @property
    def controls(self) -> set[str]:
        """The labels of the control conditions."""
        return {each.label for each in self.conditions if each.is_control}

    @property
    def arms(self) -> Arms:
        """How donors are spread over control and perturbed cells."""
        return arms({(group.donor, group.condition): len(rows) for group, rows in self.rows.items()}, self.controls)

    @property
    def warnings(self) -> list[str]:
        """What limits the answers, as sentences."""
        return [*self.about_columns, *_about_donors(self), *_about_types(self), *_about_conditions(self)]

    def without(self, cells: NDArray[np.bool_], reason: str) -> "Meaning":
        """Return this without some cells.

        Args:
            cells: whether a row of the file is left out, for each row.
            reason: for the summary: "no counts".
        """
        kept = {group: members[~cells[members]] for group, members in self.rows.items()}
        rows = {group: members for group, members in kept.items() if len(members)}
        lost = self.n_cells - sum(map(len, rows.values()))
        if not lost:
            return self
        conditions, cell_types = {group.condition for group in rows}, {group.cell_type for group in rows}
        return replace(
            self,
            rows=rows,
            conditions=[each for each in self.conditions if each.label in conditions],
            cell_types=[each for each in self.cell_types if each.label in cell_types],
            left_out=self.left_out | {reason: lost},
        )

    def check_sizes(self) -> None:
        """Refuse an atlas whose groups are too small for any question.

        Raises:
            AtlasUnusable: no perturbed group has enough cells.
        """
        controls = self.controls
        largest = max((len(rows) for group, rows in self.rows.items() if group.condition not in controls), default=0)
        if largest < MIN_GROUP_CELLS:
            raise AtlasUnusable(
                f"No question could be answered: no perturbed group of one donor and cell type has {MIN_GROUP_CELLS} cells (the largest "
                f"has {largest}). If the rows are pseudobulk profiles, ingest the single cells instead; if the donors are not people, "
                "give another column with --donor-column."
            )


def _about_donors(found: Meaning) -> Iterator[str]:
    """Yield what the spread of donors over the arms limits."""
    column, spread = found.columns.donor, found.arms
    if not spread.both:
        yield (
            f"NO DONOR HAS BOTH ARMS: in {column.column if column else 'the file'}, each donor is only control or only perturbed. A "
            "response cannot be told from a difference between donors: a gene is called only where it differs more than it does between "
            "control donors. If the column does not name "
            f"people, give another one with --donor-column, or --donor-column {NO_COLUMN} if all cells are of one donor."
        )
        return
    if spread.only_perturbed:
        yield f"Donors without control cells: {listed(spread.only_perturbed)}."
    if spread.only_control:
        yield f"Donors without perturbed cells: {listed(spread.only_control)}."


def _about_types(found: Meaning) -> Iterator[str]:
    """Yield which cell types cannot be asked about, or not well."""
    controls = found.controls
    cells: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    for group, rows in found.rows.items():
        if group.condition in controls:
            cells[group.cell_type] += len(rows)
            largest[group.cell_type] = max(largest[group.cell_type], len(rows))
    labels = [each.label for each in found.cell_types]
    few = [label for label in labels if cells[label] < MIN_QUERY_CELLS]
    if few:
        yield f"Cell types with fewer than {MIN_QUERY_CELLS} control cells, which cannot be asked about: {listed(few)}."
    unmatched = [label for label in labels if label not in few and largest[label] < MIN_GROUP_CELLS]
    if unmatched:
        yield f"Cell types in which no donor has {MIN_GROUP_CELLS} control cells: {listed(unmatched)}."
    unknown = [each.label for each in found.cell_types if each.cell_ontology_id is None]
    if unknown:
        yield f"Cell types that the Cell Ontology does not know, found only under their label: {listed(unknown)}."


def _about_conditions(found: Meaning) -> Iterator[str]:
    """Yield which conditions are found only under their label, and which are taken as one although their numbers differ."""
    by_name: dict[str, list[str]] = {}
    for each in found.conditions:
        if reference_name(each.label):
            by_name.setdefault(each.perturbation or "", []).append(each.label)
    for name, labels in by_name.items():
        if len({"".join(filter(str.isdigit, label)) for label in labels} - {""}) > 1:
            yield (
                f"{listed(labels)} are taken as one perturbation, {name}, and answered together. If they differ, leave out all but one "
                "with --exclude, or give them other names with --rename."
            )
    others = [each.label for each in found.conditions if each.kind == OTHER]
    if others:
        yield f"Conditions that the reference data does not know, found only under their label: {listed(others)}."
