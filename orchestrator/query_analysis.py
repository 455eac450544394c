"""From the question's text to what is asked of which atlas, by the shared resolver."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.expectations import expectations
from orchestrator.prompts import Asked, Neighbour
from shared.catalog import reference
from shared.catalog.entries import CellTypeEntry, DatasetEntry
from shared.catalog.plans import (
    NearCellType,
    QueryPlan,
    atlases_with,
    control_cells,
    query_plans,
    relative_plan,
    relatives,
)
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView, control_labels, perturbation_labels
from shared.resolver import Resolution, resolve
from shared.resolver.validation import cell_type_key


class NotUnderstood(Exception):
    """A question that cannot be answered from what is ingested; the message is a sentence for its owner."""


@dataclass(frozen=True)
class Question:
    """A question that is understood.

    Attributes:
        text: as asked.
        cell_type: what the cell type was taken for.
        perturbation: what the perturbation was taken for.
        dataset: the atlas that it is answered from.
        query_type: the atlas's cell type that stands for the asked one.
        distance: Cell Ontology edges between the two; 0 where they are the same.
        receptors: receptor genes of the perturbation, where known.
        targets: genes that it acts through or is made of, where known.
        expected_pathways: gene sets that should rise under it, where known.
        asked: what prompts are sought for.
        notes: caveats in plain words.
        understood_by: who read the question.
        task_type: what kind of question it is; there is one kind that can be answered.
    """

    text: str
    cell_type: MatchedTerm
    perturbation: MatchedTerm
    dataset: DatasetEntry
    query_type: CellTypeEntry
    distance: int
    receptors: tuple[str, ...]
    asked: Asked
    notes: tuple[str, ...]
    understood_by: str = "deterministic resolver"
    targets: tuple[str, ...] = ()
    expected_pathways: tuple[str, ...] = ()
    task_type: Literal["perturbation_response"] = "perturbation_response"


def analyse(text: str, view: CatalogView, found: Resolution | None = None) -> Question:
    """Understand a question.

    Args:
        text: the question.
        view: the catalog.
        found: what it was taken for, where another than the resolver has read it.

    Raises:
        NotUnderstood: it names nothing known, or nothing that an ingested atlas has; the message says what was and was not recognised.
    """
    found = found or resolve(text, view)
    if found.cell_type is None or found.perturbation is None:
        raise NotUnderstood(_not_recognised(found, view))
    cell_type, perturbation = found.cell_type, found.perturbation
    plan = _plan(cell_type, perturbation, view)
    dataset, query = plan.dataset, plan.query
    related = {query.entry.label, *(each.entry.label for each in plan.others)}
    others = [Neighbour(each.entry.label, each.distance) for each in plan.others]
    others += [Neighbour(each.label, None) for each in dataset.cell_types if each.label not in related]
    known = reference.perturbations().get(perturbation.name)
    return Question(
        text=text,
        cell_type=cell_type,
        perturbation=perturbation,
        dataset=dataset,
        query_type=query.entry,
        distance=query.distance,
        receptors=known.receptors if known else (),
        asked=Asked(
            query_type=query.entry.label,
            neighbours=tuple(others),
            conditions=tuple(perturbation_labels(dataset, perturbation.name)),
            controls=tuple(control_labels(dataset)),
            relatives=relatives(perturbation.name, dataset),
        ),
        notes=tuple(_notes(cell_type, query, dataset)),
        targets=known.targets if known else (),
        expected_pathways=expected.gene_sets if (expected := expectations().get(perturbation.name)) else (),
    )


def _plan(cell_type: MatchedTerm, perturbation: MatchedTerm, view: CatalogView) -> QueryPlan:
    """The atlas to answer from: one that has the perturbation, or else one that has a relative of it.

    Raises:
        NotUnderstood: there is neither, or it has too few cells of the asked kind.
    """
    key = cell_type_key(cell_type)
    with_it = atlases_with(view, perturbation.name)
    if not with_it:
        if plan := relative_plan(view, perturbation.name, key):
            return plan
        raise NotUnderstood(
            f"{perturbation.name} is known, but no ingested atlas has cells of that kind under it, or under a perturbation that shares "
            f"receptors, targets or family with it. Available: {_listed(_available(view.ingested))}."
        )
    plans = query_plans(view, perturbation.name, key)
    if not plans:
        types = sorted({each.label for entry in with_it for each in entry.cell_types})
        raise NotUnderstood(
            f"{cell_type.name} is known, but no atlas with {perturbation.name} has enough cells of that kind. "
            f"Its cell types: {_listed(types)}."
        )
    return plans[0]


def _available(entries: Sequence[DatasetEntry]) -> list[str]:
    return sorted({each.perturbation for entry in entries for each in entry.conditions if each.perturbation})


def _listed(names: list[str], most: int = 30) -> str:
    if not names:
        return "nothing yet"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _not_recognised(found: Resolution, view: CatalogView) -> str:
    asked = "It asks of cells as they are; name a perturbation too. " if found.observational else ""
    return f"{found.explanation} {asked}Perturbations with cells: {_listed(_available(view.ingested))}."


def _notes(cell_type: MatchedTerm, query: NearCellType, dataset: DatasetEntry) -> list[str]:
    notes = []
    if dataset.semi_synthetic:
        notes.append(
            f"The atlas {dataset.name} is SEMI-SYNTHETIC: its perturbed cells are simulated. Do not draw biological conclusions from this."
        )
    if query.distance:
        own = [each.label for each in dataset.cell_types if each.cell_ontology_id == cell_type.cell_ontology_id]
        few = sum(control_cells(dataset, label) for label in own)
        lack = f"only {few} control cell(s)" if own else "no cells"
        term = query.entry.cell_ontology_label or query.entry.label
        kind = "a kind of it" if query.is_kind else "the nearest type by the Cell Ontology"
        notes.append(
            f"The atlas has {lack} labelled {cell_type.name}. Used instead: {query.entry.label} ({term}, {query.entry.cell_ontology_id}), "
            f"{kind}, {query.distance} step(s) away."
        )
    return notes
