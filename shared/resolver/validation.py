"""Validate a question before it is run: whether the job would find matched control cells, and what to do if not.

Matched controls are cells of the same dataset, donor and cell type in a control condition. Pure.
"""

from typing import NamedTuple

from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import ReadQuestion
from shared.catalog.plans import MIN_GROUP_CELLS, NearCellType, QueryPlan, query_plans
from shared.catalog.schemas import ControlStrategyValidation, ControlStrategyValidationRequest
from shared.catalog.view import CatalogView, control_labels, perturbation_labels
from shared.fields import ControlStrategy
from shared.resolver.interpretation import Reading, cell_type_key, read
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


def read_question(query: str, view: CatalogView) -> ReadQuestion:
    """Return how a question is read, with suggestions if it cannot be answered."""
    return _with_suggestions(read(query, view), view)


def validate(request: ControlStrategyValidationRequest, view: CatalogView) -> ControlStrategyValidation:
    """Return how a question is read, whether it can have a synthetic control, and which strategy to use."""
    reading = read(request.query, view)
    interpretation, suggestions = _with_suggestions(reading, view)
    resolution = reading.resolution
    matches: list[MatchedControls] = []
    used = interpretation.perturbation.used if interpretation.perturbation else None
    if used and resolution.cell_type:  # as the run does, with the perturbation that answers the question
        matches = matched_controls(view, used, cell_type_key(resolution.cell_type))
    # A run uses the cells of one atlas, so the controls of the others say nothing about it.
    match = next((match for match in matches if match.plan.dataset.name == interpretation.dataset), None)
    usable = match if match and match.cells else None
    warnings = _corrections(resolution)
    warnings += _substitutions(usable) if usable else [_why_not(match, used)]
    return ControlStrategyValidation(
        synthetic_control_available=usable is not None,
        control_cells_found=usable.cells if usable else 0,
        control_donors=sorted(usable.donors) if usable else [],
        control_conditions=sorted(usable.conditions) if usable else [],
        recommendation=ControlStrategy.SYNTHETIC_CONTROL if usable else ControlStrategy.QUERY_AS_CONTROL,
        warning=" ".join(warnings) or None,
        cell_type=resolution.cell_type,
        perturbation=resolution.perturbation,
        datasets=sorted({match.plan.dataset.name for match in matches}),
        interpretation=interpretation,
        suggestions=list(suggestions),
    )


def preview(request: CreateRunRequest, view: CatalogView) -> RunPreview:
    """Return what would run for a request, and why not, without storing or submitting anything."""
    question = ControlStrategyValidationRequest(query=request.query, control_strategy=request.control_strategy)
    validation = validate(question, view)
    # With a language model the job decides.
    would_run = validation.interpretation.answerable or request.llm_provider is not None
    return RunPreview(
        kind="preview",
        would_run=would_run,
        reason=None if would_run else " ".join(validation.interpretation.reasons),
        request=request,
        validation=validation,
    )


def matched_controls(view: CatalogView, perturbation: str, cell_type: str) -> list[MatchedControls]:
    """Return, for each atlas that can answer, the matched controls of the nearest cell type that has any, in the order of `query_plans`.

    Args:
        perturbation: canonical name.
        cell_type: Cell Ontology id, or a label without one.
    """
    found = []
    for plan in query_plans(view, perturbation, cell_type):
        in_order = [_match(plan, near, perturbation) for near in (plan.query, *plan.others)]
        found.append(next((match for match in in_order if match.cells), in_order[0]))
    return found


def _with_suggestions(reading: Reading, view: CatalogView) -> ReadQuestion:
    return ReadQuestion(reading.interpretation, suggest(reading, view))


def _why_not(match: MatchedControls | None, perturbation: str | None) -> str:
    """Explain why there is no synthetic control, and what query_as_control does instead."""
    if match is None:
        return "This question cannot be answered, so no control strategy applies."
    cells = f"{perturbation} cells of {_in_words(match.cell_type)}"
    return f"No donor in {match.plan.dataset.name} has both control cells and {cells}. {_QUERY_AS_CONTROL}"


def _corrections(resolution: Resolution) -> list[str]:
    """Return, in sentences, which misspelled names were read as others."""
    terms = (resolution.cell_type, resolution.perturbation)
    return [
        f'"{term.matched_text}" was interpreted as {term.name}.' for term in terms if term and term.match == "fuzzy"
    ]


def _substitutions(match: MatchedControls) -> list[str]:
    """Return, in a sentence, which matched control cells are used if not those of the query cell type."""
    query = match.plan.query
    if match.cell_type is query:
        return []
    return [
        f"No donor in {match.plan.dataset.name} has enough control and perturbed cells of {_in_words(query)}; "
        f"the matched control cells are {_in_words(match.cell_type)}."
    ]


def _match(plan: QueryPlan, near: NearCellType, perturbation: str) -> MatchedControls:
    """Match the perturbed cells of one type with their controls by donor; groups that are too small do not count."""
    entry, label = plan.dataset, near.entry.label
    by_condition = [_usable_cells(entry, label, condition) for condition in perturbation_labels(entry, perturbation)]
    perturbed = [any(counts) for counts in zip(*by_condition, strict=True)]
    controls = {condition: _usable_cells(entry, label, condition) for condition in control_labels(entry, perturbation)}
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
    for group in entry.counts.groups([condition], cell_type):
        for donor, cells in enumerate(group.donors):
            totals[donor] += cells
    return [cells if cells >= MIN_GROUP_CELLS else 0 for cells in totals]


def _in_words(near: NearCellType) -> str:
    entry = near.entry
    return f"{entry.label} ({entry.cell_ontology_label})" if entry.cell_ontology_label else entry.label
