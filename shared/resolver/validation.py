"""Which control a question can have: whether the job would find matched control cells, and what to do where it would not.

Matched controls are cells of the same dataset, donor and cell type in a control condition. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.catalog.plans import (
    MIN_GROUP_CELLS,
    MIN_QUERY_CELLS,
    NearCellType,
    QueryPlan,
    atlases_with,
    cells_by_donor,
    control_cells,
    near_cell_types,
    query_plans,
    relative_plan,
    relatives,
)
from shared.catalog.schemas import ControlStrategyValidation, ControlStrategyValidationRequest, MatchedTerm
from shared.catalog.view import CatalogView, control_labels, perturbation_labels
from shared.fields import ControlStrategy
from shared.resolver import Resolution, resolve
from shared.runs.schemas import CreateRunRequest, RunPreview

_QUERY_AS_CONTROL = "query_as_control compares the prediction with the query cells as they are."


class MatchedControls(NamedTuple):
    """Perturbed cells of a dataset and the control cells that match them.

    Attributes:
        plan: how the dataset answers the question.
        cell_type: the query cell type, or the nearest to it that has matched controls.
        conditions: labels of the perturbation's conditions.
        control_conditions: labels of the control conditions that hold matched cells.
        donors: donors with enough perturbed and enough control cells of this type.
        perturbed_cells: perturbed cells of these donors.
        control_cells: control cells of these donors; 0 where nothing matches.
    """

    plan: QueryPlan
    cell_type: NearCellType
    conditions: tuple[str, ...]
    control_conditions: tuple[str, ...]
    donors: tuple[str, ...]
    perturbed_cells: int
    control_cells: int


class _Inferred(NamedTuple):
    """A dataset that answers by a relative of the asked perturbation, and that as a sentence."""

    dataset: str
    told: str


def matched_controls(view: CatalogView, perturbation: str, cell_type: str) -> list[MatchedControls]:
    """For each atlas that can answer, the cells perturbed with it nearest to the query and their matched controls.

    Datasets with matched controls come first, else they keep the order of `query_plans`.

    Args:
        view: the catalog.
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label that has none.
    """
    found = []
    for plan in query_plans(view, perturbation, cell_type):
        in_order = [_match(plan, near, perturbation) for near in (plan.query, *plan.others)]
        found.append(next((match for match in in_order if match.control_cells), in_order[0]))
    return sorted(found, key=lambda match: not match.control_cells)


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
    inferred = _inferred_from(resolution, view)
    reason = None if available else _why_not(resolution, matches, view)
    told = [inferred.told] if inferred else []
    remarks = [*_remarks(resolution, matches), *([reason, *told, _QUERY_AS_CONTROL] if reason else [])]
    return ControlStrategyValidation(
        synthetic_control_available=available,
        control_cells_found=sum(match.control_cells for match in usable),
        control_donors=_distinct(donor for match in usable for donor in match.donors),
        control_conditions=_distinct(label for match in usable for label in match.control_conditions),
        recommendation=ControlStrategy.SYNTHETIC_CONTROL if available else ControlStrategy.QUERY_AS_CONTROL,
        warning=" ".join(remarks) or None,
        cell_type=resolution.cell_type,
        perturbation=resolution.perturbation,
        datasets=[inferred.dataset] if inferred else _distinct(match.plan.dataset.name for match in matches),
    )


def cell_type_key(term: MatchedTerm) -> str:
    """What a matched cell type is looked up by: its Cell Ontology id, or its label where it has none."""
    return term.cell_ontology_id or term.name


def _matches(resolution: Resolution, view: CatalogView) -> list[MatchedControls]:
    if resolution.perturbation is None or resolution.cell_type is None:
        return []
    return matched_controls(view, resolution.perturbation.name, cell_type_key(resolution.cell_type))


def _inferred_from(resolution: Resolution, view: CatalogView) -> _Inferred | None:
    """The atlas that a run answers from where none has the perturbation itself, by a relative of it."""
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    if cell_type is None or perturbation is None or atlases_with(view, perturbation.name):
        return None
    plan = relative_plan(view, perturbation.name, cell_type_key(cell_type))
    if plan is None:
        return None
    nearest = relatives(perturbation.name, plan.dataset)[0]
    return _Inferred(
        plan.dataset.name,
        f"A run would infer an answer from {nearest.name} in {plan.dataset.name}, which shares {nearest.shared}: a hypothesis, no more.",
    )


def _why_not(resolution: Resolution, matches: Sequence[MatchedControls], view: CatalogView) -> str:
    """Why there is no synthetic control, as a sentence."""
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    if resolution.observational:
        return "The question names no perturbation: it asks of cells as they are, so there is nothing to predict a control for."
    if perturbation is None or cell_type is None:
        return resolution.explanation
    atlases = atlases_with(view, perturbation.name)
    named = ", ".join(entry.name for entry in atlases)
    if not atlases:
        having = [entry.name for entry in view.with_perturbation(perturbation.name)]
        where = f" (it is in {', '.join(having)})" if having else ""
        return f"{perturbation.name} is known{where} but in no ingested dataset, so there are no matched control cells."
    if not any(near_cell_types(entry, cell_type_key(cell_type)) for entry in atlases):
        return f"No cells related to {cell_type.name} were given {perturbation.name} in {named}."
    if not matches:
        return (
            f"{named} has too few cells: the run needs {MIN_QUERY_CELLS} control cells of {cell_type.name} or a related type, "
            f"and {MIN_GROUP_CELLS} cells of a donor under {perturbation.name}."
        )
    return (
        f"No donor of {named} has both control cells and {perturbation.name} cells of {_called(matches[0].cell_type)}."
    )


def _remarks(resolution: Resolution, matches: Sequence[MatchedControls]) -> list[str]:
    """What a person should know though nothing is wrong."""
    told = []
    for term, kind in ((resolution.cell_type, "cell types"), (resolution.perturbation, "perturbations")):
        if term and term.candidates:
            told.append(f"The question fits several {kind} ({', '.join(term.candidates)}); {term.name} is taken.")
        if term and term.match == "fuzzy":
            told.append(f'"{term.matched_text}" is taken for {term.name}.')
    if matches and matches[0].control_cells and resolution.cell_type:
        told += _stand_ins(matches[0], resolution.cell_type)
    return told


def _stand_ins(match: MatchedControls, asked: MatchedTerm) -> list[str]:
    """Which cells stand in for the asked ones, as sentences."""
    told = []
    query, dataset = match.plan.query, match.plan.dataset
    if query.distance:
        own = [each.label for each in dataset.cell_types if cell_type_key(asked) in {each.cell_ontology_id, each.label}]
        few = sum(control_cells(dataset, label) for label in own)
        lack = f"only {few} control cells" if own else "no cells"
        told.append(
            f"{dataset.name} has {lack} labelled {asked.name}; the nearest by Cell Ontology, {_called(query)}, "
            f"{_steps(query.distance)} away, stand in."
        )
    if match.cell_type is not query:
        told.append(
            f"No donor of {dataset.name} has enough control cells and perturbed cells of {_called(query)}; "
            f"the matched control cells are {_called(match.cell_type)}."
        )
    return told


def _match(plan: QueryPlan, near: NearCellType, perturbation: str) -> MatchedControls:
    """The cells of one type that were given the perturbation, and their controls by donor; small groups count for nothing."""
    entry, label = plan.dataset, near.entry.label
    conditions = perturbation_labels(entry, perturbation)
    by_condition = [_groups(plan, label, condition) for condition in conditions]
    perturbed = [sum(counts) for counts in zip(*by_condition, strict=True)]
    controls = {condition: _groups(plan, label, condition) for condition in control_labels(entry)}
    paired = [d for d, cells in enumerate(perturbed) if cells and any(counts[d] for counts in controls.values())]
    return MatchedControls(
        plan=plan,
        cell_type=near,
        conditions=tuple(conditions),
        control_conditions=tuple(name for name, counts in controls.items() if any(counts[d] for d in paired)),
        donors=tuple(entry.donors[d] for d in paired),
        perturbed_cells=sum(perturbed[d] for d in paired),
        control_cells=sum(counts[d] for counts in controls.values() for d in paired),
    )


def _groups(plan: QueryPlan, cell_type: str, condition: str) -> list[int]:
    """Cells of a type in a condition, one number a donor; 0 where they are too few to be used."""
    counts = cells_by_donor(plan.dataset, cell_type, [condition])
    return [cells if cells >= MIN_GROUP_CELLS else 0 for cells in counts]


def _called(near: NearCellType) -> str:
    entry = near.entry
    return f"{entry.label} ({entry.cell_ontology_label})" if entry.cell_ontology_label else entry.label


def _steps(distance: int) -> str:
    return "1 step" if distance == 1 else f"{distance} steps"


def _distinct(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


# FOLDED from preview.py: """What a request to create a run would lead to, without keeping or submitting anything."""
def preview(request: CreateRunRequest, view: CatalogView) -> RunPreview:
    """What would run if a question were submitted, and whether it would get anywhere.

    Args:
        request: the request to create a run.
        view: the catalog.
    """
    asked = ControlStrategyValidationRequest(query=request.query, control_strategy=request.control_strategy)
    validation = validate(asked, view)
    would_run = bool(validation.datasets)
    return RunPreview(
        would_run=would_run,
        reason=None if would_run else validation.warning,
        request=request,
        validation=validation,
    )
