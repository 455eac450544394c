"""Query plans: the atlas and the cells that a question is answered from. Pure.

Validation and the job use the same rules. A missing cell type may be replaced only by its subtypes or by a near supertype, and a missing
perturbation only by one that shares receptors or targets with it in the reference data. Members of its family may serve as prompts.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.catalog.entries import CellTypeEntry, DatasetEntry
from shared.catalog.exposure import split_name
from shared.catalog.interpretation import Relation
from shared.catalog.ontology import cell_ontology
from shared.catalog.reference import ReferencePerturbation, known_perturbation
from shared.catalog.schemas import CellTypeInfo, PerturbationInfo
from shared.catalog.view import CatalogView, cells_in, control_labels, default_name, perturbation_labels

# The minimum number of control cells of a query cell type: fewer allow no test.
MIN_QUERY_CELLS: Final = 10
# The minimum size of a group (donor, cell type, condition) that serves as a prompt or as a matched control.
MIN_GROUP_CELLS: Final = 5
# The nearness of a perturbation with exactly the same receptors (or targets); one that shares only some of them is less near. It is low on
# purpose: cells under the queried perturbation, even of another type, are better evidence and must come first.
SAME_RECEPTORS: Final = 0.15
# The nearness of a perturbation of the same family and functional class.
SAME_CLASS: Final = 0.1
SAME_FAMILY: Final = 0.05
# The most is-a edges up to a supertype whose cells may stand for a cell type: a monocyte is a mononuclear phagocyte, but "leukocyte" says
# too little about it.
MAX_STEPS_UP: Final = 2
# Names of many kinds of cells at once, and the term that all their members are: the ontology has no edge from PBMC to its members.
MIXTURES: Final = MappingProxyType(
    {
        "CL:0000000": "CL:0000000",  # cell
        "CL:0000255": "CL:0000000",  # eukaryotic cell
        "CL:0000548": "CL:0000000",  # animal cell
        "CL:0000988": "CL:0000988",  # hematopoietic cell
        "CL:0000738": "CL:0000738",  # leukocyte
        "CL:0000842": "CL:0000738",  # mononuclear leukocyte
        "CL:2000001": "CL:0000738",  # peripheral blood mononuclear cell
    }
)
# Cytokines that occupy a receptor without activating it: sharing a receptor with them means the opposite.
RECEPTOR_ANTAGONISTS: Final = frozenset({"IL-1Ra", "IL-36Ra"})
# Families that collect leftovers: their members need not act alike.
NO_FAMILY: Final = frozenset({"other", "growth factor", "complement"})


class NearCellType(NamedTuple):
    """A cell type of a dataset that can be used for the queried one."""

    entry: CellTypeEntry  # its label in the dataset
    distance: int  # is-a edges of the Cell Ontology between the two; 0 for the queried type itself
    relation: Relation  # how it relates to the queried type

    @property
    def is_kind(self) -> bool:
        """Whether it is the queried type or a subtype of it."""
        return self.relation in {Relation.EXACT, Relation.SUBTYPE}

    @property
    def may_stand_in(self) -> bool:
        """Whether its cells may answer a question about the queried type."""
        return self.is_kind or (self.relation is Relation.SUPERTYPE and self.distance <= MAX_STEPS_UP)


class RelatedPerturbation(NamedTuple):
    """A perturbation of a dataset that acts like the queried one."""

    name: str  # its canonical name
    conditions: tuple[str, ...]  # its labels in the dataset
    nearness: float  # how alike the two are, above 0 and below 1
    shared: str  # what they share, in words
    may_stand_in: bool  # whether they share receptors or targets, so that one may answer for the other


class QueryPlan(NamedTuple):
    """An atlas that can answer a question."""

    dataset: DatasetEntry
    query: NearCellType  # the cell type whose control cells are the query cells
    others: tuple[NearCellType, ...]  # its other cell types of that lineage, best first
    related: RelatedPerturbation | None = None  # used in place of the queried perturbation, if the atlas lacks that


def query_plans(view: CatalogView, perturbation: str, cell_type: str) -> list[QueryPlan]:
    """Return the ways to answer a question, best first; the job takes the first.

    An atlas qualifies with at least `MIN_QUERY_CELLS` control cells of the queried type or of one that may stand in, and a group of at
    least `MIN_GROUP_CELLS` perturbed cells. Measured atlases come before semi-synthetic ones, whatever their cell types: a simulated
    response is no evidence. Then the nearer cell type comes first, then the larger atlas.

    Args:
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label without one.
    """
    plans = [
        plan
        for entry in atlases_with(view, perturbation)
        if (plan := _plan(entry, perturbation, cell_type)) is not None
    ]
    return sorted(
        plans,
        key=lambda plan: (
            plan.dataset.semi_synthetic,
            not plan.query.is_kind,
            plan.query.distance,
            -(plan.dataset.n_cells or 0),
        ),
    )


def related_plan(view: CatalogView, perturbation: str, cell_type: str) -> QueryPlan | None:
    """Return the plan by the nearest related perturbation that an atlas has enough cells for, or None; semi-synthetic atlases come last.

    Args:
        perturbation: canonical name of the queried perturbation.
        cell_type: Cell Ontology id, or a label without one.
    """
    plans = [
        ((not entry.semi_synthetic, related.nearness), plan._replace(related=related))
        for entry in view.ingested
        for related in related_perturbations(perturbation, entry)
        if related.may_stand_in and (plan := _plan(entry, related.name, cell_type)) is not None
    ]
    return max(plans, key=lambda ranked: ranked[0])[1] if plans else None


def atlases_with(view: CatalogView, perturbation: str) -> list[DatasetEntry]:
    """Return the ingested datasets that have a perturbation and control conditions, ordered by name."""
    return [entry for entry in view.ingested if perturbation_labels(entry, perturbation) and control_labels(entry)]


def control_cells(entry: DatasetEntry, cell_type: str, perturbation: str | None = None) -> int:
    """Count the control cells of a cell type in a dataset, by label.

    Args:
        perturbation: only those that belong to the perturbation of this canonical name; None: all.
    """
    return cells_in(entry, conditions=control_labels(entry, perturbation), cell_type=cell_type)


def askable_perturbations(view: CatalogView, dataset: str | None = None) -> list[PerturbationInfo]:
    """List the perturbations of one dataset or of all that have perturbed and control cells, ordered by name.

    Raises:
        DatasetNotFound: the dataset is unknown.
    """
    return [info for info in view.perturbations(dataset) if info.cell_count and info.control_count]


def askable_cell_types(view: CatalogView, dataset: str | None = None) -> list[CellTypeInfo]:
    """List the cell types of one dataset or of all that have enough control cells of their own, ordered by name.

    Raises:
        DatasetNotFound: the dataset is unknown.
    """
    selected = view.datasets if dataset is None else (view.dataset(dataset),)
    enough = {
        cell_type.cell_ontology_id or cell_type.label
        for entry in selected
        if entry.ingested
        for cell_type in entry.cell_types
        if control_cells(entry, cell_type.label) >= MIN_QUERY_CELLS
    }
    return [info for info in view.cell_types(dataset) if (info.cell_ontology_id or info.name) in enough]


def near_cell_types(entry: DatasetEntry, cell_type: str) -> list[NearCellType]:
    """Return the cell types of a dataset that can be used for one, best first.

    First comes the queried type itself; then its subtypes, largest first (for a query about T cells, a dataset of CD4, CD8 and gamma-delta
    T cells has T cells in each); then related types in the order of `Ontology.nearest`. Types of another lineage are left out.

    Args:
        entry: the dataset.
        cell_type: Cell Ontology id, or a label of the dataset without one.
    """
    ontology = cell_ontology()
    cells = entry.counts.cell_types
    members = MIXTURES.get(cell_type)
    if members:
        kinds = [each for each in entry.cell_types if ontology.is_a(each.cell_ontology_id or "", members)]
        return [_member(each, cell_type) for each in sorted(kinds, key=lambda each: (-cells[each.label], each.label))]
    ids = [candidate.cell_ontology_id for candidate in entry.cell_types if candidate.cell_ontology_id]
    nearest = {near: (place, distance) for place, (near, distance) in enumerate(ontology.nearest(cell_type, ids))}
    found = []
    for candidate in entry.cell_types:
        term, label = candidate.cell_ontology_id, candidate.label
        if cell_type in {term, label}:
            found.append(((0, 0, label), NearCellType(candidate, 0, Relation.EXACT)))
        elif term in nearest:
            place, distance = nearest[term]
            near = NearCellType(candidate, distance, _relation(term, cell_type))
            found.append(((1, -cells[label], label) if near.is_kind else (2, place, label), near))
    return [near for _, near in sorted(found, key=lambda pair: pair[0])]


def related_perturbations(name: str, dataset: DatasetEntry) -> tuple[RelatedPerturbation, ...]:
    """Return the perturbations of a dataset that share receptors, targets or family with this canonical name, nearest first."""
    own = name if known_perturbation(name) else split_name(name).agent
    target = known_perturbation(own)
    if target is None:
        return ()
    found = []
    for other in {*dataset.counts.labels, *dataset.counts.names_by_agent} - {own}:
        relative = known_perturbation(other)
        if relative is None:
            continue
        nearness, shared = _likeness(target, relative)
        if nearness:
            alike = _shares_mechanism(target, relative)
            common = set(target.receptors) & set(relative.receptors)
            shared = _in_words("receptor", common) if alike and common else shared
            found.append(
                RelatedPerturbation(
                    default_name(dataset, other), tuple(perturbation_labels(dataset, other)), nearness, shared, alike
                )
            )
    return tuple(sorted(found, key=lambda each: (-each.nearness, each.name)))


def _member(member: CellTypeEntry, mixture: str) -> NearCellType:
    relation = cell_ontology().relation(member.cell_ontology_id or "", mixture)
    distance = relation.distance if relation else 0
    return NearCellType(member, distance, Relation.EXACT if member.cell_ontology_id == mixture else Relation.SUBTYPE)


def _relation(term: str, target: str) -> Relation:
    """Return how a term relates to another: as its subtype, its supertype, or only as a relative."""
    ontology = cell_ontology()
    if ontology.is_a(term, target):
        return Relation.SUBTYPE
    return Relation.SUPERTYPE if ontology.is_a(target, term) else Relation.RELATED


def _plan(entry: DatasetEntry, perturbation: str, cell_type: str) -> QueryPlan | None:
    conditions = perturbation_labels(entry, perturbation)
    largest = (max(group.donors, default=0) for group in entry.counts.groups(conditions))
    if max(largest, default=0) < MIN_GROUP_CELLS:
        return None
    near = near_cell_types(entry, cell_type)
    usable = (each for each in near if each.may_stand_in)
    query = next(
        (each for each in usable if control_cells(entry, each.entry.label, perturbation) >= MIN_QUERY_CELLS), None
    )
    return QueryPlan(entry, query, tuple(each for each in near if each is not query)) if query else None


def _likeness(one: ReferencePerturbation, other: ReferencePerturbation) -> tuple[float, str]:
    """Return how near two perturbations are (0 if they share nothing), and what they share, in words."""
    ways = [(0.0, "")]
    for kind, mine, theirs in (("receptor", one.receptors, other.receptors), ("target", one.targets, other.targets)):
        if common := set(mine) & set(theirs):
            ways.append((SAME_RECEPTORS * len(common) / len({*mine, *theirs}), _in_words(kind, common)))
    if one.family and one.family == other.family and one.family not in NO_FAMILY:
        same_class = one.functional_class == other.functional_class
        ways.append((SAME_CLASS if same_class else SAME_FAMILY, f"the {one.family} family"))
    return max(ways)


def _shares_mechanism(one: ReferencePerturbation, other: ReferencePerturbation) -> bool:
    """Return whether two perturbations share receptors or targets and both activate them."""
    if RECEPTOR_ANTAGONISTS & {one.name, other.name}:
        return False
    return not set(one.receptors).isdisjoint(other.receptors) or not set(one.targets).isdisjoint(other.targets)


def _in_words(kind: str, genes: Iterable[str]) -> str:
    names = sorted(genes)
    return f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"
