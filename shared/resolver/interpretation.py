"""Interpret a question: what it asks about, which cells answer it, what stands in the way, and what is not taken into account.

Validation and create `read` a question before anything is stored; the job reads it again. Pure: the same question and catalog give the
same answer.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
from shared.catalog.normalize import compact
from shared.catalog.plans import (
    MIN_GROUP_CELLS,
    MIN_QUERY_CELLS,
    MIXTURES,
    QueryPlan,
    atlases_with,
    control_cells,
    near_cell_types,
    query_plans,
    related_plan,
)
from shared.catalog.reference import perturbations as reference_perturbations
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView, cells_in, confounded_with, perturbation_labels
from shared.resolver import caveats
from shared.resolver.asked_cells import asked_cell_type
from shared.resolver.asked_perturbation import about_perturbation, asked_perturbation
from shared.resolver.circumstances import find_circumstances
from shared.resolver.conditions import atlas_condition, measured_apart
from shared.resolver.exposures import asked_exposure, settle, with_exposure
from shared.resolver.genes import asked_genes
from shared.resolver.ignored import ignored
from shared.resolver.manipulations import written
from shared.resolver.parse import Parsed, parse
from shared.resolver.question import Resolution
from shared.resolver.resolve import choose
from shared.resolver.subsets import subset, subset_text

# Fewer control or perturbed cells than this in the cell type make a note: estimates from them vary a lot.
FEW_CELLS = 50
# A question of 2000 characters can name very many things; the record of a run stays small.
MAX_CAVEATS = 20
MAX_GENES = 10
# Caveats about names, which a language model may settle by choosing names itself.
_ABOUT_NAMES = frozenset(
    {
        CaveatCode.AMBIGUOUS_PERTURBATION, CaveatCode.UNKNOWN_PERTURBATION, CaveatCode.NO_PERTURBATION, CaveatCode.NO_CELL_TYPE,
        CaveatCode.UNKNOWN_WORDS,
    }
)  # fmt: skip


class Reading(NamedTuple):
    """An interpretation and what it rests on."""

    interpretation: Interpretation
    resolution: Resolution
    plan: QueryPlan | None  # None if the question cannot be answered
    named: tuple[str, ...] = ()  # canonical names of all perturbations that the question names, the asked ones first


def read(query: str, view: CatalogView, proposed: Resolution | None = None) -> Reading:
    """Interpret a question by the names of a catalog and the cells of its ingested atlases.

    Args:
        proposed: terms chosen by something other than the resolver. The other caveats still come from the text.
    """
    parsed = parse(query, view)
    resolution = proposed or choose(parsed.found, view)
    own = None if proposed else atlas_condition(parsed.found, parsed.causes, parsed.manipulations, view)
    cell_type, state = asked_cell_type(parsed, resolution.cell_type, view)
    perturbation = own or (resolution.perturbation if proposed else asked_perturbation(parsed, view))
    circumstances = find_circumstances(parsed.found.question, parsed.terms, parsed.found.covered)
    asked = asked_exposure(parsed.found.question, circumstances)
    perturbation = with_exposure(perturbation, asked, view) if perturbation else None
    plan = _plan(cell_type, perturbation, view)
    exposure = settle(perturbation, asked, plan) if perturbation else None
    perturbation = exposure.term if exposure else None
    notes = [] if own else _what_was_done(parsed, perturbation, view)
    if cell_type is None:
        notes.append(caveats.no_cell_type(resolution.unrecognized))
    if proposed:
        notes = [note for note in notes if note.code not in _ABOUT_NAMES]
    if cell_type and plan is None:
        notes += _unavailable(cell_type, perturbation, view, is_blocked=any(note.blocking for note in notes))
    notes += exposure.notes if exposure else []
    notes += ignored(parsed, cell_type, own, circumstances, answered=exposure.answered if exposure else ())
    if state and cell_type:
        notes.append(caveats.cell_state(state, cell_type.name))
    if plan and cell_type and perturbation:
        notes += _about_cells(cell_type, perturbation, plan)
    is_blocked = any(note.blocking for note in notes)
    is_unclear = any(note.code is CaveatCode.AMBIGUOUS_PERTURBATION for note in notes) and len(parsed.causes.asked) == 1
    used = None if is_blocked else plan
    markers = subset(parsed)
    if markers and cell_type:
        notes.append(caveats.subset(subset_text(parsed, markers), cell_type.name))
    mentions = [gene for gene in parsed.genes if set(markers).isdisjoint(gene.span)]
    readouts = tuple(agent for agent in parsed.causes.readouts if set(markers).isdisjoint(agent.span))
    causes = parsed.causes._replace(readouts=readouts)
    genes = [] if parsed.manipulations else asked_genes(parsed.found.question, mentions, causes)
    interpretation = Interpretation(
        answerable=used is not None,
        dataset=used.dataset.name if used else None,
        cell_type=_interpreted_cell_type(cell_type, used, perturbation.name if perturbation else None)
        if cell_type
        else None,
        perturbation=_interpreted_perturbation(perturbation, used) if perturbation and not is_unclear else None,
        genes=genes[:MAX_GENES],
        caveats=_sorted(notes)[:MAX_CAVEATS],
    )
    named = dict.fromkeys(name for agent in (*parsed.causes.asked, *parsed.agents) for name in agent.means)
    terms = resolution._replace(cell_type=cell_type, perturbation=perturbation)
    return Reading(interpretation, terms, used, tuple(named))


def cell_type_key(term: MatchedTerm) -> str:
    """Return the lookup key of a matched cell type: its Cell Ontology id, or its label without one."""
    return term.cell_ontology_id or term.name


def _what_was_done(parsed: Parsed, perturbation: MatchedTerm | None, view: CatalogView) -> list[Caveat]:
    """Return what stands in the way of an answer about the perturbations and the other manipulations of a question."""
    question = parsed.found.question
    if apart := measured_apart(parsed.found, parsed.causes, parsed.manipulations, view):
        unknown = [each for each in parsed.causes.asked if each.is_known and not _is_measured(each.means, view)]
        return [
            caveats.combination(*apart),
            *(caveats.unknown_perturbation(parsed.piece(each), known=True) for each in unknown),
        ]
    manipulations = (
        caveats.needed(written(question, each))
        if each.asks_need
        else caveats.about_text(each.code, written(question, each))
        for each in parsed.manipulations
    )
    return [*about_perturbation(parsed, perturbation, view), *manipulations]


def _is_measured(names: Sequence[str], view: CatalogView) -> bool:
    return any(atlases_with(view, name) for name in names)


def _plan(cell_type: MatchedTerm | None, perturbation: MatchedTerm | None, view: CatalogView) -> QueryPlan | None:
    """Return the plan by an atlas that has the perturbation, or else by one that has a related perturbation."""
    if cell_type is None or perturbation is None:
        return None
    key = cell_type_key(cell_type)
    if plans := query_plans(view, perturbation.name, key):
        return plans[0]
    return None if atlases_with(view, perturbation.name) else related_plan(view, perturbation.name, key)


def _unavailable(
    cell_type: MatchedTerm, perturbation: MatchedTerm | None, view: CatalogView, *, is_blocked: bool
) -> Iterator[Caveat]:
    """Yield why there is no plan: no cells of the type, or none under the perturbation."""
    key = cell_type_key(cell_type)
    atlases = atlases_with(view, perturbation.name) if perturbation else []
    usable = [
        entry
        for entry in atlases or view.ingested
        if any(
            near.may_stand_in
            and control_cells(entry, near.entry.label, perturbation.name if perturbation else None) >= MIN_QUERY_CELLS
            for near in near_cell_types(entry, key)
        )
    ]
    if not usable and view.ingested:
        under = perturbation.name if perturbation and atlases else None
        yield caveats.unavailable_cell_type(cell_type, under, _nearest_labels(view, key))
    if perturbation and not atlases and not (is_blocked and usable):
        written, name = perturbation.matched_text, perturbation.name
        alias = "" if compact(written) == compact(name) else name
        yield caveats.unknown_perturbation(written, known=name in reference_perturbations(), name=alias)
    elif perturbation and usable and atlases:
        yield caveats.too_few_perturbed(perturbation, atlases[0].name)


def _nearest_labels(view: CatalogView, key: str) -> list[str]:
    """Return the cell types of the ingested atlases nearest to one that they lack, at most three, with enough control cells."""
    found = [
        (near.distance, caveats.name_of(near.entry))
        for entry in view.ingested
        for near in near_cell_types(entry, key)
        if control_cells(entry, near.entry.label) >= MIN_QUERY_CELLS
    ]
    return list(dict.fromkeys(name for _, name in sorted(found)))[:3]


def _about_cells(cell_type: MatchedTerm, perturbation: MatchedTerm, plan: QueryPlan) -> Iterator[Caveat]:
    """Yield what narrows the answer by the cells that are there."""
    used = _used(plan, perturbation.name)
    if cell_type.cell_ontology_id in MIXTURES and used.relation is not Relation.EXACT:
        yield caveats.mixture(cell_type.matched_text, used)
    elif used.relation is not Relation.EXACT:
        yield caveats.stand_in(cell_type, used, [near.entry.label for near in plan.others if near.is_kind])
    if plan.related:
        yield caveats.related(perturbation, plan.related)
    elif perturbation.match == "related":
        yield caveats.variant(perturbation)
    name = plan.related.name if plan.related else perturbation.name
    if columns := confounded_with(plan.dataset, name):
        yield caveats.confounded(name, columns)
    perturbed = _perturbed_cells(plan, name)
    if used.cells < FEW_CELLS or 0 < perturbed < FEW_CELLS:
        yield caveats.few_cells(used, name, perturbed)
    if plan.dataset.semi_synthetic:
        yield caveats.semi_synthetic(plan.dataset.name)


def _interpreted_cell_type(term: MatchedTerm, plan: QueryPlan | None, perturbation: str | None) -> InterpretedCellType:
    return InterpretedCellType(
        name=term.name,
        cell_ontology_id=term.cell_ontology_id,
        matched_text=term.matched_text,
        match=term.match,
        used=_used(plan, perturbation) if plan else None,
    )


def _used(plan: QueryPlan, perturbation: str | None) -> UsedCells:
    near = plan.query
    return UsedCells(
        label=near.entry.label,
        name=near.entry.cell_ontology_label or near.entry.label,
        cell_ontology_id=near.entry.cell_ontology_id,
        relation=near.relation,
        distance=near.distance,
        cells=control_cells(plan.dataset, near.entry.label, plan.related.name if plan.related else perturbation),
    )


def _interpreted_perturbation(term: MatchedTerm, plan: QueryPlan | None) -> InterpretedPerturbation:
    return InterpretedPerturbation(
        name=term.name,
        kind=term.kind or "other",
        matched_text=term.matched_text,
        match=term.match,
        evidence=_evidence(term, plan) if plan else None,
        used=None if plan is None else plan.related.name if plan.related else term.name,
    )


def _evidence(term: MatchedTerm, plan: QueryPlan) -> Evidence:
    if plan.related or term.match == "related":
        return Evidence.RELATED_PERTURBATION
    labels = perturbation_labels(plan.dataset, term.name)
    groups = plan.dataset.counts.groups(labels, plan.query.entry.label)
    is_usable = any(max(group.donors, default=0) >= MIN_GROUP_CELLS for group in groups)
    return Evidence.MEASURED_IN_CELL_TYPE if is_usable else Evidence.MEASURED_IN_OTHER_CELL_TYPES


def _perturbed_cells(plan: QueryPlan, perturbation: str) -> int:
    labels = perturbation_labels(plan.dataset, perturbation)
    return cells_in(plan.dataset, conditions=labels, cell_type=plan.query.entry.label)


def _sorted(notes: Sequence[Caveat]) -> list[Caveat]:
    """Return distinct caveats: first what blocks, then what is ignored, then what narrows the answer."""
    distinct: dict[tuple[CaveatCode, str], Caveat] = {}
    for note in notes:
        distinct.setdefault((note.code, note.text.casefold()), note)
    return sorted(distinct.values(), key=lambda note: (not note.blocking, not note.code.ignored))
