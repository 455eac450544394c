"""Validate a question before it is run: whether the job would find matched control cells, and what to do if not.

Matched controls are cells of the same dataset, donor and cell type in a control condition. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.catalog.entries import DatasetEntry
from shared.catalog.plans import (
    MIN_GROUP_CELLS,
    MIN_QUERY_CELLS,
    NearCellType,
    QueryPlan,
    atlases_with,
    control_cells,
    near_cell_types,
    query_plans,
    related_plan,
)
from shared.catalog.schemas import ControlStrategyValidation, ControlStrategyValidationRequest, MatchedTerm
from shared.catalog.view import CatalogView, control_labels, perturbation_labels
from shared.fields import ControlStrategy
from shared.resolver.interpretation import cell_type_key, read
from shared.resolver.question import Resolution
from shared.resolver.suggestions import suggest
from shared.runs.schemas import CreateRunRequest, RunPreview

_QUERY_AS_CONTROL = "query_as_control compares the prediction with the query cells themselves."


class MatchedControls(NamedTuple):
    """The control cells of a dataset that match its perturbed cells."""

    plan: QueryPlan  # how the dataset answers the question
    cell_type: NearCellType  # the query cell type, or the nearest to it with matched controls
    conditions: tuple[str, ...]  # labels of the control conditions with matched cells
    donors: tuple[str, ...]  # donors with enough perturbed and enough control cells of this type
    cells: int  # the number of control cells of these donors; 0 if nothing matches


def validate(request: ControlStrategyValidationRequest, view: CatalogView) -> ControlStrategyValidation:
    """Return how a question is understood, whether it can have a synthetic control, and which strategy to use."""
    reading = read(request.query, view)
    resolution = reading.resolution
    matches: list[MatchedControls] = []
    plan = None
    if resolution.cell_type and resolution.perturbation:
        key, name = cell_type_key(resolution.cell_type), resolution.perturbation.name
        matches = matched_controls(view, name, key)
        plan = None if atlases_with(view, name) else related_plan(view, name, key)
    usable = [match for match in matches if match.cells]
    warnings = _remarks(resolution, matches)
    if not usable:
        warnings.append(_why_not(resolution, matches, view))
        if plan and plan.related:
            warnings.append(
                f"A run would infer the answer from {plan.related.name} in {plan.dataset.name}, which shares {plan.related.shared}. "
                "Treat that answer as a hypothesis."
            )
        warnings.append(_QUERY_AS_CONTROL)
    return ControlStrategyValidation(
        synthetic_control_available=bool(usable),
        control_cells_found=sum(match.cells for match in usable),
        control_donors=sorted({donor for match in usable for donor in match.donors}),
        control_conditions=sorted({label for match in usable for label in match.conditions}),
        recommendation=ControlStrategy.SYNTHETIC_CONTROL if usable else ControlStrategy.QUERY_AS_CONTROL,
        warning=" ".join(warnings) or None,
        cell_type=resolution.cell_type,
        perturbation=resolution.perturbation,
        datasets=[plan.dataset.name] if plan else sorted({match.plan.dataset.name for match in matches}),
        interpretation=reading.interpretation,
        suggestions=suggest(reading, view),
    )


def preview(request: CreateRunRequest, view: CatalogView) -> RunPreview:
    """Return what would run for a request, and whether it would find cells, without storing or submitting anything."""
    question = ControlStrategyValidationRequest(query=request.query, control_strategy=request.control_strategy)
    validation = validate(question, view)
    would_run = bool(validation.datasets)
    return RunPreview(
        would_run=would_run, reason=None if would_run else validation.warning, request=request, validation=validation
    )


def matched_controls(view: CatalogView, perturbation: str, cell_type: str) -> list[MatchedControls]:
    """Return, for each atlas that can answer, the matched controls of the nearest cell type that has any.

    Datasets with matched controls come first, otherwise in the order of `query_plans`.

    Args:
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label without one.
    """
    found = []
    for plan in query_plans(view, perturbation, cell_type):
        in_order = [_match(plan, near, perturbation) for near in (plan.query, *plan.others)]
        found.append(next((match for match in in_order if match.cells), in_order[0]))
    return sorted(found, key=lambda match: not match.cells)


def _why_not(resolution: Resolution, matches: Sequence[MatchedControls], view: CatalogView) -> str:
    """Explain in a sentence why there is no synthetic control."""
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    if resolution.observational:
        return "The question names no perturbation. It asks about unperturbed cells, so there is no control to predict."
    if perturbation is None or cell_type is None:
        return resolution.explanation
    atlases = atlases_with(view, perturbation.name)
    names = ", ".join(entry.name for entry in atlases)
    if not atlases:
        known = ", ".join(entry.name for entry in view.with_perturbation(perturbation.name))
        where = f" (it is known from {known})" if known else ""
        return f"No ingested dataset has {perturbation.name}{where}, so there are no matched control cells."
    if not any(near_cell_types(entry, cell_type_key(cell_type)) for entry in atlases):
        return f"{names} has no cells related to {cell_type.name} under {perturbation.name}."
    if not matches:
        return (
            f"{names} has too few cells: a run needs at least {MIN_QUERY_CELLS} control cells of {cell_type.name} or a related type, "
            f"and at least {MIN_GROUP_CELLS} cells of one donor under {perturbation.name}."
        )
    cells = _in_words(matches[0].cell_type)
    return f"No donor in {names} has both control cells and {perturbation.name} cells of {cells}."


def _remarks(resolution: Resolution, matches: Sequence[MatchedControls]) -> list[str]:
    """Return, as sentences, what the user should know even if nothing is wrong."""
    remarks = []
    for term, kind in ((resolution.cell_type, "cell types"), (resolution.perturbation, "perturbations")):
        if term and term.candidates:
            remarks.append(f"The question matches several {kind} ({', '.join(term.candidates)}); using {term.name}.")
        if term and term.match == "fuzzy":
            remarks.append(f'"{term.matched_text}" was interpreted as {term.name}.')
    if matches and matches[0].cells and resolution.cell_type:
        remarks += _substitutions(matches[0], resolution.cell_type)
    return remarks


def _substitutions(match: MatchedControls, target: MatchedTerm) -> list[str]:
    """Return, as sentences, which cells are used instead of those of the target cell type."""
    sentences = []
    query, dataset = match.plan.query, match.plan.dataset
    if query.distance:
        own = [
            each.label for each in dataset.cell_types if cell_type_key(target) in {each.cell_ontology_id, each.label}
        ]
        few = sum(control_cells(dataset, label) for label in own)
        lack = f"only {few} control cells" if own else "no cells"
        steps = "1 step" if query.distance == 1 else f"{query.distance} steps"
        sentences.append(
            f"{dataset.name} has {lack} labeled {target.name}; the nearest cell type by the Cell Ontology, {_in_words(query)}, "
            f"{steps} away, is used instead."
        )
    if match.cell_type is not query:
        sentences.append(
            f"No donor in {dataset.name} has enough control and perturbed cells of {_in_words(query)}; "
            f"the matched control cells are {_in_words(match.cell_type)}."
        )
    return sentences


def _match(plan: QueryPlan, near: NearCellType, perturbation: str) -> MatchedControls:
    """Match the perturbed cells of one type with their controls by donor; groups that are too small do not count."""
    entry, label = plan.dataset, near.entry.label
    by_condition = [_usable_cells(entry, label, condition) for condition in perturbation_labels(entry, perturbation)]
    perturbed = [any(counts) for counts in zip(*by_condition, strict=True)]
    controls = {condition: _usable_cells(entry, label, condition) for condition in control_labels(entry)}
    paired = [d for d, is_perturbed in enumerate(perturbed) if is_perturbed and any(c[d] for c in controls.values())]
    return MatchedControls(
        plan=plan,
        cell_type=near,
        conditions=tuple(name for name, counts in controls.items() if any(counts[d] for d in paired)),
        donors=tuple(entry.donors[d] for d in paired),
        cells=sum(counts[d] for counts in controls.values() for d in paired),
    )


def _usable_cells(entry: DatasetEntry, cell_type: str, condition: str) -> list[int]:
    """Count the cells of a type in a condition per donor, by label; 0 for a donor with too few to be used."""
    totals = [0] * len(entry.donors)
    for group in entry.groups:
        if (group.cell_type, group.condition) == (cell_type, condition):
            for donor, cells in enumerate(group.donors):
                totals[donor] += cells
    return [cells if cells >= MIN_GROUP_CELLS else 0 for cells in totals]


def _in_words(near: NearCellType) -> str:
    entry = near.entry
    return f"{entry.label} ({entry.cell_ontology_label})" if entry.cell_ontology_label else entry.label
