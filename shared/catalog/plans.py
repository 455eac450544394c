"""From which atlas and which of its cells a question is answered. Pure.

One rule for both who ask: the validation of a question before it is run, and the job that runs it.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from shared.catalog.entries import CellTypeEntry, DatasetEntry
from shared.catalog.ontology import cell_ontology
from shared.catalog.reference import ReferencePerturbation, perturbations
from shared.catalog.view import CatalogView, cells_in, control_labels, perturbation_labels

MIN_QUERY_CELLS: Final = 10
"""A cell type with fewer control cells gives no query: nothing could be tested on so few."""
MIN_GROUP_CELLS: Final = 5
"""A group (donor, cell type, condition) with fewer cells is neither a prompt nor a matched control."""


class NearCellType(NamedTuple):
    """A cell type of a dataset that can stand in for the asked one.

    Attributes:
        entry: its label in the dataset.
        distance: is-a edges of the Cell Ontology between the two; 0 where it is the asked one.
        is_kind: whether it is the asked one or a kind of it.
    """

    entry: CellTypeEntry
    distance: int
    is_kind: bool


class QueryPlan(NamedTuple):
    """An atlas that a question can be answered from.

    Attributes:
        dataset: the atlas.
        query: the cell type whose control cells are the query cells.
        others: its other cell types of that lineage, the best first.
    """

    dataset: DatasetEntry
    query: NearCellType
    others: tuple[NearCellType, ...]


def query_plans(view: CatalogView, perturbation: str, cell_type: str) -> list[QueryPlan]:
    """How a question can be answered; the job takes the first.

    An atlas answers when it has at least `MIN_QUERY_CELLS` control cells of the asked type or of one that can stand in, and a group of
    at least `MIN_GROUP_CELLS` perturbed cells. The nearer cell type comes before the farther, then the larger atlas before the smaller.

    Args:
        view: the catalog.
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label that has none.
    """
    plans = []
    for entry in atlases_with(view, perturbation):
        near = near_cell_types(entry, cell_type)
        query = next((each for each in near if control_cells(entry, each.entry.label) >= MIN_QUERY_CELLS), None)
        if query and _has_prompt(entry, perturbation):
            plans.append(QueryPlan(entry, query, tuple(each for each in near if each is not query)))
    return sorted(plans, key=lambda plan: (not plan.query.is_kind, plan.query.distance, -(plan.dataset.n_cells or 0)))


def atlases_with(view: CatalogView, perturbation: str) -> list[DatasetEntry]:
    """The ingested datasets that have a perturbation and control conditions to compare it with, by name."""
    return [entry for entry in view.with_perturbation(perturbation) if entry.ingested and control_labels(entry)]


def control_cells(entry: DatasetEntry, cell_type: str) -> int:
    """How many control cells a dataset has of a cell type, by label."""
    return cells_in(entry, conditions=control_labels(entry), cell_type=cell_type)


def near_cell_types(entry: DatasetEntry, cell_type: str) -> list[NearCellType]:
    """The cell types of a dataset that can stand in for one, the best first.

    First the asked type itself; then its kinds, those with most cells first (asked for T cells, a dataset of CD4, CD8 and gamma-delta T
    cells has T cells whichever is taken); then relatives by the distance of `Ontology.nearest`. Types of another lineage are left out.

    Args:
        entry: the dataset.
        cell_type: Cell Ontology id, or a label of the dataset that has none.
    """
    ontology = cell_ontology()
    cells = _cells_by_type(entry)
    order = {near: place for place, (near, _) in enumerate(ontology.nearest(cell_type, _ids(entry)))}
    found = []
    for candidate in entry.cell_types:
        if cell_type in {candidate.cell_ontology_id, candidate.label}:
            found.append(((0, 0, candidate.label), NearCellType(candidate, 0, is_kind=True)))
        elif candidate.cell_ontology_id in order:
            distance = ontology.distance(cell_type, candidate.cell_ontology_id)
            is_kind = ontology.is_a(candidate.cell_ontology_id, cell_type)
            rank = (1, -cells.get(candidate.label, 0)) if is_kind else (2, order[candidate.cell_ontology_id])
            found.append(((*rank, candidate.label), NearCellType(candidate, distance or 0, is_kind)))
    return [near for _, near in sorted(found, key=lambda pair: pair[0])]


def cells_by_donor(entry: DatasetEntry, cell_type: str, conditions: Sequence[str]) -> list[int]:
    """Cells of a type in these conditions, by label, one number a donor."""
    totals = [0] * len(entry.donors)
    for group in entry.groups:
        if group.cell_type == cell_type and group.condition in conditions:
            for donor, cells in enumerate(group.donors):
                totals[donor] += cells
    return totals


def _has_prompt(entry: DatasetEntry, perturbation: str) -> bool:
    conditions = perturbation_labels(entry, perturbation)
    return any(
        group.condition in conditions and max(group.donors, default=0) >= MIN_GROUP_CELLS for group in entry.groups
    )


def _cells_by_type(entry: DatasetEntry) -> dict[str, int]:
    totals: dict[str, int] = {}
    for group in entry.groups:
        totals[group.cell_type] = totals.get(group.cell_type, 0) + group.cells
    return totals


def _ids(entry: DatasetEntry) -> list[str]:
    return [cell_type.cell_ontology_id for cell_type in entry.cell_types if cell_type.cell_ontology_id]


# FOLDED from relatives.py: """Perturbations that work like the asked one, by what the reference facts know of receptors, targets and families. Pure. They answer where no ingested atlas has the asked perturbation itself. """  # noqa: E501
SAME_RECEPTORS: Final = 0.15
"""How near a perturbation of the very same receptors (or targets) is; one that shares some of them is less near.

Low on purpose: cells under the asked perturbation, even of another type, are the better evidence, and should be asked first.
"""
SAME_CLASS: Final = 0.1
"""How near a perturbation of the same family and functional class is."""
SAME_FAMILY: Final = 0.05
NO_FAMILY: Final = frozenset({"other", "growth factor", "complement"})
"""Families of the facts that are drawers, not relations: their members need not work alike."""


class Relative(NamedTuple):
    """A perturbation of a dataset that works like the asked one.

    Attributes:
        name: its canonical name.
        conditions: its labels in the dataset.
        nearness: 0..1, how alike the two are; below 1.
        shared: what they have in common, in words.
    """

    name: str
    conditions: tuple[str, ...]
    nearness: float
    shared: str


def relatives(name: str, dataset: DatasetEntry) -> tuple[Relative, ...]:
    """The perturbations of a dataset that share receptors, targets or family with one, nearest first.

    Args:
        name: the asked perturbation's canonical name.
        dataset: where relatives are sought.
    """
    asked = perturbations().get(name)
    if asked is None:
        return ()
    names = {each.perturbation for each in dataset.conditions if each.perturbation and not each.is_control}
    found = []
    for other in names & perturbations().keys() - {name}:
        nearness, shared = _likeness(asked, perturbations()[other])
        if nearness:
            found.append(Relative(other, tuple(perturbation_labels(dataset, other)), nearness, shared))
    return tuple(sorted(found, key=lambda each: (-each.nearness, each.name)))


def relative_plan(view: CatalogView, perturbation: str, cell_type: str) -> QueryPlan | None:
    """The atlas that answers for a perturbation by the nearest relative it has cells under, or None.

    Args:
        view: the catalog.
        perturbation: canonical name of the asked one.
        cell_type: Cell Ontology id, or a label that has none.
    """
    best: tuple[float, QueryPlan] | None = None
    for entry in view.ingested:
        for relative in relatives(perturbation, entry):
            plans = [plan for plan in query_plans(view, relative.name, cell_type) if plan.dataset.name == entry.name]
            if plans and (best is None or relative.nearness > best[0]):
                best = (relative.nearness, plans[0])
    return best[1] if best else None


def _likeness(one: ReferencePerturbation, other: ReferencePerturbation) -> tuple[float, str]:
    """How near two perturbations are (0 where nothing is shared), and by what, in words."""
    ways = [(0.0, "")]
    for kind, mine, theirs in (("receptor", one.receptors, other.receptors), ("target", one.targets, other.targets)):
        if common := set(mine) & set(theirs):
            ways.append((SAME_RECEPTORS * len(common) / len({*mine, *theirs}), _counted(kind, common)))
    if one.family and one.family == other.family and one.family not in NO_FAMILY:
        alike = one.functional_class == other.functional_class
        ways.append((SAME_CLASS if alike else SAME_FAMILY, f"the {one.family} family"))
    return max(ways)


def _counted(kind: str, genes: Iterable[str]) -> str:
    names = sorted(genes)
    return f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"
