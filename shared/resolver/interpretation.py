"""Interpret a question: what it asks about, which cells answer it, and what stands in the way or is not taken into account.

`read` is used by validation and create, before anything is stored, and by the job. Pure: the same question and catalog give the same answer.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import (
    Caveat,
    CaveatCode,
    Evidence,
    Interpretation,
    InterpretedCellType,
    InterpretedPerturbation,
    Relation,
    UsedCells,
)
from shared.catalog.plans import MIXTURES, QueryPlan, atlases_with, control_cells, query_plans, related_plan
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView, cells_in, perturbation_labels
from shared.resolver.question import Resolution
from shared.resolver.resolve import resolve

# Fewer control or perturbed cells than this in the cell type make a note: estimates from them vary a lot.
FEW_CELLS = 50
MAX_SUGGESTIONS = 3


class Reading(NamedTuple):
    """An interpretation and what it rests on."""

    interpretation: Interpretation
    resolution: Resolution
    plan: QueryPlan | None  # None if the question cannot be answered


def read(query: str, view: CatalogView, resolution: Resolution | None = None) -> Reading:
    """Interpret a question by the names of a catalog and the cells of its ingested atlases.

    Args:
        resolution: the terms chosen by something other than the resolver. The caveats still come from the text.
    """
    resolution = resolution or resolve(query, view)
    cell_type, perturbation = resolution.cell_type, resolution.perturbation
    caveats: list[Caveat] = []
    plan = None
    if cell_type is None:
        caveats.append(_caveat(CaveatCode.NO_CELL_TYPE, "", "The question names no cell type that is known here."))
    if perturbation is None:
        caveats.append(_caveat(CaveatCode.NO_PERTURBATION, "", "The question names no perturbation."))
    if cell_type and perturbation:
        key = cell_type_key(cell_type)
        plans = query_plans(view, perturbation.name, key)
        plan = plans[0] if plans else None
        if plan is None and not atlases_with(view, perturbation.name):
            plan = related_plan(view, perturbation.name, key)
        if plan is None:
            caveats.append(
                _caveat(
                    CaveatCode.UNAVAILABLE_CELL_TYPE, cell_type.matched_text, f"No atlas has {cell_type.name} cells."
                )
            )
        else:
            caveats += _notes(cell_type, perturbation, plan)
    answerable = not any(caveat.blocking for caveat in caveats)
    used = plan if answerable else None
    interpretation = Interpretation(
        answerable=answerable,
        dataset=used.dataset.name if used else None,
        cell_type=_cell_type(cell_type, used) if cell_type else None,
        perturbation=_perturbation(perturbation, used) if perturbation else None,
        caveats=caveats,
    )
    return Reading(interpretation, resolution, used)


def interpret(query: str, view: CatalogView) -> Interpretation:
    """Return how a question is read."""
    return read(query, view).interpretation


def suggest(reading: Reading, view: CatalogView) -> list[str]:
    """Return at most `MAX_SUGGESTIONS` answerable questions that are near to one that cannot be answered."""
    return []


def cell_type_key(term: MatchedTerm) -> str:
    """Return the lookup key of a matched cell type: its Cell Ontology id, or its label without one."""
    return term.cell_ontology_id or term.name


def _caveat(code: CaveatCode, text: str, detail: str) -> Caveat:
    return Caveat(code=code, text=text, detail=detail, blocking=code.blocking)


def _cell_type(term: MatchedTerm, plan: QueryPlan | None) -> InterpretedCellType:
    return InterpretedCellType(
        name=term.name,
        cell_ontology_id=term.cell_ontology_id,
        matched_text=term.matched_text,
        match=term.match,
        used=_used(plan) if plan else None,
    )


def _used(plan: QueryPlan) -> UsedCells:
    near = plan.query
    return UsedCells(
        label=near.entry.label,
        name=near.entry.cell_ontology_label or near.entry.label,
        cell_ontology_id=near.entry.cell_ontology_id,
        relation=near.relation,
        distance=near.distance,
        cells=control_cells(plan.dataset, near.entry.label),
    )


def _perturbation(term: MatchedTerm, plan: QueryPlan | None) -> InterpretedPerturbation:
    return InterpretedPerturbation(
        name=term.name,
        kind=term.kind or "other",
        matched_text=term.matched_text,
        match=term.match,
        evidence=_evidence(term, plan) if plan else None,
        used=None if plan is None else plan.related.name if plan.related else term.name,
    )


def _evidence(term: MatchedTerm, plan: QueryPlan) -> Evidence:
    if plan.related:
        return Evidence.RELATED_PERTURBATION
    measured = _perturbed_cells(plan.dataset, term.name, plan.query.entry.label)
    return Evidence.MEASURED_IN_CELL_TYPE if measured else Evidence.MEASURED_IN_OTHER_CELL_TYPES


def _perturbed_cells(entry: DatasetEntry, perturbation: str, label: str) -> int:
    return cells_in(entry, conditions=perturbation_labels(entry, perturbation), cell_type=label)


def _notes(cell_type: MatchedTerm, perturbation: MatchedTerm, plan: QueryPlan) -> Iterator[Caveat]:
    """Yield what narrows the answer by the cells that are there."""
    used, asked = _used(plan), cell_type.matched_text
    if cell_type.cell_ontology_id in MIXTURES:
        yield _caveat(
            CaveatCode.MIXTURE_OF_CELL_TYPES,
            asked,
            f"{_capitalized(asked)} are a mixture of cell types; the answer is for {used.label} ({used.name}), the largest of them in the atlas.",
        )
    elif used.relation is not Relation.EXACT:
        yield _caveat(
            CaveatCode.STAND_IN_CELL_TYPE,
            asked,
            f"The atlas has too few cells labeled {cell_type.name}; the answer is for {used.label} ({used.name}), a {used.relation.value} of it.",
        )
    if plan.related:
        yield _caveat(
            CaveatCode.RELATED_PERTURBATION,
            perturbation.matched_text,
            f"No atlas has {perturbation.name}; the answer is inferred from {plan.related.name}, which shares {plan.related.shared}. "
            "Treat it as a hypothesis.",
        )
    perturbed = _perturbed_cells(plan.dataset, plan.related.name if plan.related else perturbation.name, used.label)
    if min(used.cells, perturbed or used.cells) < FEW_CELLS:
        yield _caveat(
            CaveatCode.FEW_CELLS,
            "",
            f"The atlas has only {used.cells} control cells of {used.label} and {perturbed} perturbed ones; estimates from so few vary a lot.",
        )
    if plan.dataset.semi_synthetic:
        yield _caveat(
            CaveatCode.SEMI_SYNTHETIC,
            "",
            f"The perturbed cells of {plan.dataset.name} are simulated, so the answer is no evidence about biology.",
        )


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first(sentences: Sequence[str]) -> str:
    return sentences[0] if sentences else ""
