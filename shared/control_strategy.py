"""Which control a question can have: whether an ingested dataset holds matched control cells, and what to do where none does.

Matched controls are cells of the same dataset, donor and cell type in a control condition. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.catalog import CellTypeEntry, DatasetEntry
from shared.catalog_view import CatalogView, control_labels, perturbation_labels
from shared.models import ControlStrategy, ControlStrategyValidation, ControlStrategyValidationRequest, MatchedTerm
from shared.ontology import cell_ontology
from shared.resolve import Resolution, resolve

_QUERY_AS_CONTROL = "query_as_control compares the prediction with the query cells as they are."


@dataclass(frozen=True, slots=True)
class NearCellType:
    """A cell type of a dataset that can stand in for the asked one.

    Attributes:
        entry: its label in the dataset.
        distance: is-a edges of the Cell Ontology between the two; 0 where it is the asked one.
        is_kind: whether it is the asked one or a kind of it.
    """

    entry: CellTypeEntry
    distance: int
    is_kind: bool


@dataclass(frozen=True, slots=True)
class MatchedControls:
    """Perturbed cells of a dataset and the control cells that match them.

    Attributes:
        dataset: name of the dataset.
        cell_type: the asked cell type or the nearest the dataset has with this perturbation.
        conditions: labels of the perturbation's conditions.
        control_conditions: labels of the control conditions that hold matched cells.
        donors: donors with both perturbed and control cells of this type.
        perturbed_cells: perturbed cells of these donors.
        control_cells: control cells of these donors; 0 where nothing matches.
    """

    dataset: str
    cell_type: NearCellType
    conditions: tuple[str, ...]
    control_conditions: tuple[str, ...]
    donors: tuple[str, ...]
    perturbed_cells: int
    control_cells: int


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


def nearest_cell_type(view: CatalogView, dataset: str, cell_type: str) -> tuple[CellTypeEntry, int] | None:
    """The cell type of a dataset that best stands in for one, with its distance, or None where it has none of that lineage.

    Args:
        view: the catalog.
        dataset: name of the dataset.
        cell_type: Cell Ontology id, or a label of the dataset that has none.

    Raises:
        DatasetNotFound: there is no such dataset.
    """
    near = near_cell_types(view.dataset(dataset), cell_type)
    return (near[0].entry, near[0].distance) if near else None


def matched_controls(view: CatalogView, perturbation: str, cell_type: str) -> list[MatchedControls]:
    """For each ingested dataset that has a perturbation, the nearest cells perturbed with it and their matched controls.

    Datasets with matched controls come first, the nearer cell type before the farther, then by name. A dataset without any cells of
    that lineage in the perturbation is left out.

    Args:
        view: the catalog.
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label that has none.
    """
    found = []
    for entry in view.with_perturbation(perturbation):
        if entry.ingested:
            in_order = [_match(entry, near, perturbation) for near in near_cell_types(entry, cell_type)]
            paired = [match for match in in_order if match.control_cells]
            alone = [match for match in in_order if any(_by_donor(entry, match.cell_type, match.conditions))]
            found += paired[:1] or alone[:1]
    return sorted(found, key=lambda match: (not match.control_cells, match.cell_type.distance, match.dataset))


def validate(request: ControlStrategyValidationRequest, view: CatalogView) -> ControlStrategyValidation:
    """Whether a question can have a synthetic control, and which strategy to take.

    Args:
        request: the question and the strategy its author has in mind.
        view: the catalog.
    """
    resolution = resolve(request.query, view)
    matches = _matches(resolution, view)
    usable = [match for match in matches if match.control_cells]
    available = bool(usable)
    reason = None if available else _why_not(resolution, matches, view)
    remarks = [*_remarks(resolution, usable), *([f"{reason} {_QUERY_AS_CONTROL}"] if reason else [])]
    return ControlStrategyValidation(
        synthetic_control_available=available,
        control_cells_found=sum(match.control_cells for match in usable),
        control_donors=_distinct(donor for match in usable for donor in match.donors),
        control_conditions=_distinct(label for match in usable for label in match.control_conditions),
        recommendation=ControlStrategy.SYNTHETIC_CONTROL if available else ControlStrategy.QUERY_AS_CONTROL,
        warning=" ".join(remarks) or None,
        cell_type=resolution.cell_type,
        perturbation=resolution.perturbation,
        datasets=_datasets(resolution, view),
    )


def _datasets(resolution: Resolution, view: CatalogView) -> list[str]:
    """The ingested datasets that have the perturbation."""
    if resolution.perturbation is None:
        return []
    return [entry.name for entry in view.with_perturbation(resolution.perturbation.name) if entry.ingested]


def _matches(resolution: Resolution, view: CatalogView) -> list[MatchedControls]:
    if resolution.perturbation is None or resolution.cell_type is None:
        return []
    return matched_controls(view, resolution.perturbation.name, cell_type_key(resolution.cell_type))


def cell_type_key(term: MatchedTerm) -> str:
    """What a matched cell type is looked up by: its Cell Ontology id, or its label where it has none."""
    return term.cell_ontology_id or term.name


def _why_not(resolution: Resolution, matches: Sequence[MatchedControls], view: CatalogView) -> str:
    """Why there is no synthetic control, as a sentence."""
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    if resolution.observational:
        return "The question names no perturbation: it asks of cells as they are, so there is nothing to predict a control for."
    if perturbation is None or cell_type is None:
        return resolution.explanation
    having = view.with_perturbation(perturbation.name)
    ingested = [entry.name for entry in having if entry.ingested]
    if not ingested:
        where = f" (it is in {', '.join(entry.name for entry in having)})" if having else ""
        return f"{perturbation.name} is known{where} but in no ingested dataset, so there are no matched control cells."
    if not matches:
        return f"No cells related to {cell_type.name} were given {perturbation.name} in {', '.join(ingested)}."
    return f"No donor of {', '.join(ingested)} has both control cells and {perturbation.name} cells of {_called(matches[0])}."


def _remarks(resolution: Resolution, usable: Sequence[MatchedControls]) -> list[str]:
    """What a person should know though nothing is wrong."""
    told = []
    for term, kind in ((resolution.cell_type, "cell types"), (resolution.perturbation, "perturbations")):
        if term and term.candidates:
            told.append(f"The question fits several {kind} ({', '.join(term.candidates)}); {term.name} is taken.")
        if term and term.match == "fuzzy":
            told.append(f'"{term.matched_text}" is taken for {term.name}.')
    if usable and resolution.cell_type and usable[0].cell_type.distance:
        near = usable[0]
        told.append(
            f"{near.dataset} has no cells labelled {resolution.cell_type.name}; the nearest by Cell Ontology, {_called(near)}, "
            f"{_steps(near.cell_type.distance)} away, stand in."
        )
    return told


def _match(entry: DatasetEntry, near: NearCellType, perturbation: str) -> MatchedControls:
    """The cells of one type that were given the perturbation, and their controls by donor."""
    conditions = perturbation_labels(entry, perturbation)
    perturbed = _by_donor(entry, near, conditions)
    controls = {label: _by_donor(entry, near, [label]) for label in control_labels(entry)}
    paired = [d for d, cells in enumerate(perturbed) if cells and any(counts[d] for counts in controls.values())]
    return MatchedControls(
        dataset=entry.name,
        cell_type=near,
        conditions=tuple(conditions),
        control_conditions=tuple(label for label, counts in controls.items() if any(counts[d] for d in paired)),
        donors=tuple(entry.donors[d] for d in paired),
        perturbed_cells=sum(perturbed[d] for d in paired),
        control_cells=sum(counts[d] for counts in controls.values() for d in paired),
    )


def _by_donor(entry: DatasetEntry, near: NearCellType, conditions: Sequence[str]) -> list[int]:
    """Cells of a type in these conditions, one number a donor."""
    totals = [0] * len(entry.donors)
    for group in entry.groups:
        if group.cell_type == near.entry.label and group.condition in conditions:
            for donor, cells in enumerate(group.donors):
                totals[donor] += cells
    return totals


def _cells_by_type(entry: DatasetEntry) -> dict[str, int]:
    totals: dict[str, int] = {}
    for group in entry.groups:
        totals[group.cell_type] = totals.get(group.cell_type, 0) + group.cells
    return totals


def _ids(entry: DatasetEntry) -> list[str]:
    return [cell_type.cell_ontology_id for cell_type in entry.cell_types if cell_type.cell_ontology_id]


def _called(match: MatchedControls) -> str:
    entry = match.cell_type.entry
    return f"{entry.label} ({entry.cell_ontology_label})" if entry.cell_ontology_label else entry.label


def _steps(distance: int) -> str:
    return "1 step" if distance == 1 else f"{distance} steps"


def _distinct(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
