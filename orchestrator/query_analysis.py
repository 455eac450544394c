"""From the question's text to what is asked of which atlas, by the shared resolver."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.prompts import Asked, Neighbour
from shared import reference
from shared.catalog import CellTypeEntry, DatasetEntry
from shared.catalog_view import CatalogView, cells_in, control_labels, perturbation_labels
from shared.control_strategy import NearCellType, cell_type_key, near_cell_types
from shared.models import MatchedTerm
from shared.resolve import Resolution, resolve

MIN_QUERY_CELLS = 10
"""A cell type with fewer control cells gives no query: nothing could be tested on so few."""


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
        asked: what prompts are sought for.
        notes: caveats in plain words.
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


def analyse(text: str, view: CatalogView) -> Question:
    """Understand a question.

    Args:
        text: the question.
        view: the catalog.

    Raises:
        NotUnderstood: it names nothing known, or nothing that an ingested atlas has; the message says what was and was not recognised.
    """
    found = resolve(text, view)
    if found.cell_type is None or found.perturbation is None:
        raise NotUnderstood(_not_recognised(found, view))
    cell_type, perturbation = found.cell_type, found.perturbation
    with_it = [
        entry for entry in view.ingested if perturbation_labels(entry, perturbation.name) and control_labels(entry)
    ]
    if not with_it:
        raise NotUnderstood(
            f"{perturbation.name} is known, but no ingested atlas has cells under it. Available: {_listed(_available(view.ingested))}."
        )
    usable = [(entry, near) for entry in with_it if (near := _candidates(entry, cell_type))]
    if not usable:
        types = sorted({each.label for entry in with_it for each in entry.cell_types})
        raise NotUnderstood(
            f"{cell_type.name} is known, but no atlas with {perturbation.name} has enough cells of that kind. "
            f"Its cell types: {_listed(types)}."
        )
    dataset, near = min(usable, key=lambda pair: (not pair[1][0].is_kind, pair[1][0].distance, -(pair[0].n_cells or 0)))
    query, related = near[0], {each.entry.label for each in near}
    others = [Neighbour(each.entry.label, each.distance) for each in near[1:]]
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
            query.entry.label,
            tuple(others),
            tuple(perturbation_labels(dataset, perturbation.name)),
            tuple(control_labels(dataset)),
        ),
        notes=tuple(_notes(cell_type, query, dataset)),
    )


def _candidates(entry: DatasetEntry, cell_type: MatchedTerm) -> list[NearCellType]:
    """The dataset's cell types that can stand in for the asked one, the best first, behind the one that gives the query cells.

    Empty where none has enough control cells.
    """
    near = near_cell_types(entry, cell_type_key(cell_type))
    query = next((each for each in near if _control_cells(entry, each.entry.label) >= MIN_QUERY_CELLS), None)
    return [query, *(each for each in near if each is not query)] if query else []


def _control_cells(entry: DatasetEntry, cell_type: str) -> int:
    return cells_in(entry, conditions=control_labels(entry), cell_type=cell_type)


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
        few = sum(_control_cells(dataset, label) for label in own)
        lack = f"only {few} control cell(s)" if own else "no cells"
        term = query.entry.cell_ontology_label or query.entry.label
        kind = "a kind of it" if query.is_kind else "the nearest type by the Cell Ontology"
        notes.append(
            f"The atlas has {lack} labelled {cell_type.name}. Used instead: {query.entry.label} ({term}, {query.entry.cell_ontology_id}), "
            f"{kind}, {query.distance} step(s) away."
        )
    return notes
