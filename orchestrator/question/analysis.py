"""Interpret the text of a question with the shared resolver, and choose the atlas that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.catalog.entries import CellTypeEntry, DatasetEntry
from shared.catalog.plans import (
    NearCellType,
    QueryPlan,
    RelatedPerturbation,
    atlases_with,
    control_cells,
    query_plans,
    related_perturbations,
    related_plan,
)
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView, control_labels, perturbation_labels
from shared.resolver import Resolution, resolve
from shared.resolver.interpretation import cell_type_key


class NotUnderstood(Exception):
    """A question that the ingested atlases cannot answer; the message is a sentence for the user."""


@dataclass(frozen=True)
class Neighbor:
    """A cell type of the atlas and its distance from the target in Cell Ontology edges; None if they share no lineage."""

    cell_type: str
    distance: int | None


@dataclass(frozen=True)
class Target:
    """The combination of cell type and perturbation that prompts are sought for, by the atlas's labels."""

    query_type: str
    neighbors: tuple[Neighbor, ...]  # all other cell types of the atlas, nearest first
    conditions: tuple[str, ...]  # of the perturbation; empty if the atlas has only related perturbations
    controls: tuple[str, ...]
    related: tuple[RelatedPerturbation, ...] = ()  # perturbations with a similar mechanism, nearest first


@dataclass(frozen=True)
class Question:
    """An interpreted question."""

    text: str
    cell_type: MatchedTerm
    perturbation: MatchedTerm
    dataset: DatasetEntry  # the atlas that answers the question
    query_type: CellTypeEntry  # the atlas's cell type that represents the requested one
    distance: int  # Cell Ontology edges between the two; 0 if they are the same
    target: Target
    notes: tuple[str, ...]  # caveats, as sentences
    understood_by: str = "deterministic resolver"


def analyze(text: str, view: CatalogView, resolution: Resolution | None = None) -> Question:
    """Interpret a question.

    Args:
        resolution: an interpretation by something other than the resolver.

    Raises:
        NotUnderstood: the question names nothing known, or nothing that an ingested atlas has; the message says what was recognized.
    """
    resolution = resolution or resolve(text, view)
    if resolution.cell_type is None or resolution.perturbation is None:
        raise NotUnderstood(_not_recognized(resolution, view))
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    plan = _plan(cell_type, perturbation, view)
    dataset, query = plan.dataset, plan.query
    same_lineage = {query.entry.label, *(each.entry.label for each in plan.others)}
    neighbors = [Neighbor(each.entry.label, each.distance) for each in plan.others]
    neighbors += [Neighbor(each.label, None) for each in dataset.cell_types if each.label not in same_lineage]
    return Question(
        text=text,
        cell_type=cell_type,
        perturbation=perturbation,
        dataset=dataset,
        query_type=query.entry,
        distance=query.distance,
        target=Target(
            query_type=query.entry.label,
            neighbors=tuple(neighbors),
            conditions=tuple(perturbation_labels(dataset, perturbation.name)),
            controls=tuple(control_labels(dataset)),
            related=related_perturbations(perturbation.name, dataset),
        ),
        notes=tuple(_notes(cell_type, query, dataset)),
    )


def _plan(cell_type: MatchedTerm, perturbation: MatchedTerm, view: CatalogView) -> QueryPlan:
    """Choose an atlas that has the perturbation, or else one that has a related perturbation."""
    key = cell_type_key(cell_type)
    with_perturbation = atlases_with(view, perturbation.name)
    if not with_perturbation:
        if plan := related_plan(view, perturbation.name, key):
            return plan
        raise NotUnderstood(
            f"{perturbation.name} is a known perturbation, but no ingested atlas has cells of the requested type under it or under a "
            f"perturbation that shares receptors, targets or family with it. Available: {_listed(_available(view.ingested))}."
        )
    plans = query_plans(view, perturbation.name, key)
    if not plans:
        types = sorted({each.label for entry in with_perturbation for each in entry.cell_types})
        raise NotUnderstood(
            f"{cell_type.name} is a known cell type, but no atlas with {perturbation.name} has enough cells of it. "
            f"Available cell types: {_listed(types)}."
        )
    return plans[0]


def _available(entries: Sequence[DatasetEntry]) -> list[str]:
    return sorted({each.perturbation for entry in entries for each in entry.conditions if each.perturbation})


def _listed(names: list[str], limit: int = 30) -> str:
    if not names:
        return "nothing yet"
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _not_recognized(resolution: Resolution, view: CatalogView) -> str:
    observational = (
        "The question asks about unperturbed cells; name a perturbation too. " if resolution.observational else ""
    )
    return f"{resolution.explanation} {observational}Available perturbations: {_listed(_available(view.ingested))}."


def _notes(cell_type: MatchedTerm, query: NearCellType, dataset: DatasetEntry) -> list[str]:
    notes = []
    if dataset.semi_synthetic:
        notes.append(
            f"The atlas {dataset.name} is SEMI-SYNTHETIC: its perturbed cells are simulated. Do not draw biological conclusions from it."
        )
    if query.distance:
        own = [each.label for each in dataset.cell_types if each.cell_ontology_id == cell_type.cell_ontology_id]
        few = sum(control_cells(dataset, label) for label in own)
        missing = f"only {few} control cell{'s' * (few != 1)}" if own else "no cells"
        term = query.entry.cell_ontology_label or query.entry.label
        relation = "a subtype" if query.is_kind else "the nearest type in the Cell Ontology"
        notes.append(
            f"The atlas has {missing} labeled {cell_type.name}. Used instead: {query.entry.label} ({term}, "
            f"{query.entry.cell_ontology_id}), {relation}, {query.distance} step{'s' * (query.distance != 1)} away."
        )
    return notes
