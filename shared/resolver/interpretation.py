"""Interpret a question: what it asks about, which cells answer it, what stands in the way, and what is not taken into account.

`read` is used by validation and create, before anything is stored, and by the job. Pure: the same question and catalog give the same answer.
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
from shared.catalog.normalize import compact, singular
from shared.catalog.ontology import cell_ontology
from shared.catalog.plans import (
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
from shared.catalog.view import CatalogView, cells_in, perturbation_labels
from shared.resolver import caveats
from shared.resolver.agents import GROUPS, Agent, find_agents
from shared.resolver.causes import Causes, find_causes
from shared.resolver.causes import Relation as CauseRelation
from shared.resolver.cell_names import lone_names
from shared.resolver.circumstances import find_circumstances
from shared.resolver.conditions import atlas_condition
from shared.resolver.context import ContextTerm, TermKind, find_terms
from shared.resolver.cues import is_cue
from shared.resolver.genes import GeneMention, asked_genes, find_genes
from shared.resolver.manipulations import Manipulation, find_manipulations
from shared.resolver.mentions import Mention
from shared.resolver.plain_words import PlainWords, plain_words, unknown_words
from shared.resolver.question import Resolution
from shared.resolver.resolve import Found, choose, find

# Fewer control or perturbed cells than this in the cell type make a note: estimates from them vary a lot.
FEW_CELLS = 50
# A question of 2000 characters can name very many things; the record of a run stays small.
MAX_CAVEATS = 20
MAX_GENES = 10
_BESIDE = frozenset({"like", "unlike", "coculture", "cocultured", "feeder"})
_HUMAN = ", human"
_LEUKOCYTE = "CL:0000738"
# States of cells that have terms of their own in the ontology, which atlases seldom label.
_STATES = ("exhausted", "anergic", "senescent")
_STATES_BEFORE = frozenset(
    {
        "activated", "stimulated", "exhausted", "senescent", "anergic", "dysfunctional", "proliferating", "dividing", "apoptotic", "dying",
        "differentiated", "infected", "transformed", "engineered", "transduced", "transfected", "necrotic", "stressed", "fixed", "frozen",
    }
)  # fmt: skip
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


class Parsed(NamedTuple):
    """The parts of a question."""

    found: Found
    terms: Sequence[ContextTerm]
    manipulations: Sequence[Manipulation]
    causes: Causes
    agents: Sequence[Agent]
    genes: Sequence[GeneMention]
    plain: PlainWords

    def piece(self, part: Agent | Manipulation | ContextTerm) -> str:
        """Return a part of the question as written."""
        return self.found.question.piece(part.start, part.end)


def read(query: str, view: CatalogView, proposed: Resolution | None = None) -> Reading:
    """Interpret a question by the names of a catalog and the cells of its ingested atlases.

    Args:
        proposed: terms chosen by something other than the resolver. The other caveats still come from the text.
    """
    parsed = parse(query, view)
    resolution = proposed or choose(parsed.found, view)
    own = None if proposed else atlas_condition(parsed.found, parsed.causes, parsed.manipulations, view)
    cell_type, state = _cell_type(parsed, resolution, view)
    perturbation = own or (resolution.perturbation if proposed else _perturbation(parsed, view))
    notes = [] if own else list(_about_perturbation(parsed, perturbation, view))
    notes += [] if own else [caveats.about_text(each.code, parsed.piece(each)) for each in parsed.manipulations]
    if cell_type is None:
        notes.append(caveats.no_cell_type(resolution.unrecognized))
    if proposed:
        notes = [note for note in notes if note.code not in _ABOUT_NAMES]
    plan = _plan(cell_type, perturbation, view)
    if cell_type and plan is None:
        notes += _unavailable(cell_type, perturbation, view, blocked=any(note.blocking for note in notes))
    notes += _ignored(parsed, cell_type, own)
    if cell_type and not state:
        state = _state_before(parsed)
    if state and cell_type:
        notes.append(caveats.cell_state(state, cell_type.name))
    if plan and cell_type and perturbation:
        notes += _about_cells(cell_type, perturbation, plan)
    answerable = plan is not None and not any(note.blocking for note in notes)
    used = plan if answerable else None
    interpretation = Interpretation(
        answerable=answerable,
        dataset=used.dataset.name if used else None,
        cell_type=_interpreted_cell_type(cell_type, used) if cell_type else None,
        perturbation=_interpreted_perturbation(perturbation, used) if perturbation else None,
        genes=[]
        if parsed.manipulations
        else asked_genes(parsed.found.question, parsed.genes, parsed.causes)[:MAX_GENES],
        caveats=_sorted(notes)[:MAX_CAVEATS],
    )
    named = dict.fromkeys(name for agent in (*parsed.causes.asked, *parsed.agents) for name in agent.means)
    return Reading(
        interpretation, resolution._replace(cell_type=cell_type, perturbation=perturbation), used, tuple(named)
    )


def parse(query: str, view: CatalogView) -> Parsed:
    """Find the parts of a question: names, other terms, what acts on the cells, and what was done to them."""
    found = find(query, view)
    terms = find_terms(found.question, found.covered)
    plain = plain_words(found.question)
    agents = find_agents(found, terms, plain)
    named = found.covered.difference(*(mention.span for mention, role in found.roles.items() if role < 0))
    genes = find_genes(found.question, found.covered)
    manipulations = find_manipulations(found.question, agents, genes, named)
    targets = frozenset[int]().union(*(each.targets for each in manipulations))
    products = frozenset[int]().union(*(gene.span for gene in genes))
    causes = find_causes(found.question, agents, targets, products)
    taken = targets.union(*(agent.span for agent in agents if agent.is_name and agent not in causes.readouts))
    genes = [gene for gene in genes if taken.isdisjoint(gene.span)]
    return Parsed(found, terms, manipulations, causes, agents, genes, plain)


def cell_type_key(term: MatchedTerm) -> str:
    """Return the lookup key of a matched cell type: its Cell Ontology id, or its label without one."""
    return term.cell_ontology_id or term.name


def _cell_type(parsed: Parsed, resolution: Resolution, view: CatalogView) -> tuple[MatchedTerm | None, str]:
    """Return the cell type of a question, and the state of the cells that its name adds but no atlas has."""
    term = resolution.cell_type or _named_otherwise(parsed)
    if term is None:
        return None, ""
    known = cell_ontology().term(term.cell_ontology_id or "")
    if known and known.label.endswith(_HUMAN):  # all atlases are human
        general = next(
            (
                each
                for each in map(cell_ontology().term, known.parents)
                if each and f"{each.label}{_HUMAN}" == known.label
            ),
            None,
        )
        term = term.model_copy(update={"name": general.label, "cell_ontology_id": general.id}) if general else term
    state = next((state for state in _STATES if state in term.name), "")
    in_atlas = any(
        term.cell_ontology_id == each.cell_ontology_id for entry in view.ingested for each in entry.cell_types
    )
    known = cell_ontology().term(term.cell_ontology_id or "")
    if state and known and not in_atlas:
        parents = [
            parent for each in known.parents if (parent := cell_ontology().term(each)) and state not in parent.label
        ]
        if parents:
            return term.model_copy(update={"name": parents[0].label, "cell_ontology_id": parents[0].id}), state
    return term, ""


def _named_otherwise(parsed: Parsed) -> MatchedTerm | None:
    """Return the cells that a question without the name of a cell type means: a mixture ("immune cells") or a marker ("IL2 CD8")."""
    question = parsed.found.question
    for term in parsed.terms:
        if term.kind is TermKind.MIXTURE:
            return _term(term.meaning or _LEUKOCYTE, parsed.piece(term))
    taken = parsed.found.covered.union(*(agent.span for agent in parsed.agents if agent.is_name))
    for index, word in enumerate(question.words):
        cell_type = lone_names().get(singular(word.key))
        if cell_type and index not in taken:
            return _term(cell_type, word.text)
    return None


def _term(cell_type: str, text: str) -> MatchedTerm:
    term = cell_ontology().term(cell_type)
    assert term is not None
    return MatchedTerm(name=term.label, matched_text=text, match="synonym", cell_ontology_id=term.id, kind="cell_type")


def _perturbation(parsed: Parsed, view: CatalogView) -> MatchedTerm | None:
    """Return the perturbation that the question asks about, else one that it names."""
    named = [agent for agent in (*parsed.causes.asked, *parsed.agents) if agent.is_known]
    if not named:
        return None
    agent = named[0]
    several = parsed.causes.asked if len(parsed.causes.asked) > 1 else (agent,)
    candidates = list(dict.fromkeys(name for each in several for name in each.means))
    means = sorted(agent.means, key=lambda name: not atlases_with(view, name))
    mention = next(mention for mention in parsed.found.roles if mention.start == agent.start)
    return MatchedTerm(
        name=means[0],
        matched_text=parsed.piece(agent),
        match=mention.match,
        kind=parsed.found.names.perturbations.kind(means[0]),
        candidates=candidates if len(candidates) > 1 else [],
    )


def _about_perturbation(parsed: Parsed, term: MatchedTerm | None, view: CatalogView) -> Iterator[Caveat]:
    """Yield what stands in the way of an answer about the perturbations that the question names."""
    causes, manipulated = parsed.causes, bool(parsed.manipulations)
    blockers = [agent for agent in causes.asked if agent.blocks is not None and not _is_in_atlas(agent, view)]
    if any(each.code is CaveatCode.INHIBITION for each in parsed.manipulations):
        # "Block IL-6 with tocilizumab" names one inhibition and its means.
        causes = causes._replace(asked=tuple(agent for agent in causes.asked if agent not in blockers))
        blockers = []
    names = [agent.means[0] if agent.is_known else parsed.piece(agent) for agent in causes.asked]
    yield from (caveats.about_text(CaveatCode.INHIBITION, parsed.piece(agent)) for agent in blockers)
    if len(causes.asked) > 1:
        text = parsed.found.question.piece(causes.asked[0].start, causes.asked[-1].end)
        alternatives = causes.relation is CauseRelation.ALTERNATIVE
        yield caveats.alternatives(text, names) if alternatives else caveats.combination(text, names)
    for agent in causes.asked:
        text = parsed.piece(agent)
        if singular(text.casefold()) in GROUPS:
            yield caveats.group(text)
        elif not agent.is_known or agent in blockers:
            yield caveats.unknown_perturbation(text, known=agent.is_known)
    if not causes.asked and not manipulated:
        unknown = _unknown_names(parsed)
        yield from (caveats.unknown_perturbation(text) for text in unknown)
        if not unknown:
            yield caveats.no_perturbation(())
    if not causes.asked:
        yield from (
            caveats.unknown_perturbation(parsed.piece(each)) for each in parsed.manipulations if each.is_treatment
        )
    if term and term.candidates and len(causes.asked) == 1:
        available = [name for name in term.candidates if atlases_with(view, name)]
        if len(available) == 1 and _is_one_class(term.candidates):
            yield caveats.one_of_family(term)
        elif len(available) > 1 or not _is_one_class(term.candidates):
            yield caveats.ambiguous_perturbation(term.matched_text, available or term.candidates)


def _unknown_names(parsed: Parsed) -> list[str]:
    """Return the unknown words of a question without a perturbation that look like the name of one: "compound XJ-4471"."""
    question, terms = parsed.found.question, parsed.terms
    known = parsed.found.covered.union(*(term.span for term in terms), *(gene.span for gene in parsed.genes))
    runs = unknown_words(question, parsed.plain, known)
    cells = [end < len(question.words) and question.words[end].key in {"cell", "cells", "line"} for _, end in runs]
    names = [
        question.text[question.words[start].start :].split()[0].strip(",.;:?!")
        for (start, _), is_cells in zip(runs, cells, strict=True)
        if not is_cells and any(c.isdigit() for c in question.text[question.words[start].start :].split()[0])
    ]
    return names if parsed.found.subjects else []


def _is_in_atlas(agent: Agent, view: CatalogView) -> bool:
    return any(atlases_with(view, name) for name in agent.means)


def _is_one_class(names: Sequence[str]) -> bool:
    """Return whether perturbations share their receptors."""
    known = reference_perturbations()
    return len({known[name].receptors for name in names if name in known}) == 1


def _plan(cell_type: MatchedTerm | None, perturbation: MatchedTerm | None, view: CatalogView) -> QueryPlan | None:
    """Return the plan by an atlas that has the perturbation, or else by one that has a related perturbation."""
    if cell_type is None or perturbation is None:
        return None
    key = cell_type_key(cell_type)
    if plans := query_plans(view, perturbation.name, key):
        return plans[0]
    return None if atlases_with(view, perturbation.name) else related_plan(view, perturbation.name, key)


def _unavailable(
    cell_type: MatchedTerm, perturbation: MatchedTerm | None, view: CatalogView, *, blocked: bool
) -> Iterator[Caveat]:
    """Yield why there is no plan: no cells of the type, or none under the perturbation."""
    key = cell_type_key(cell_type)
    atlases = atlases_with(view, perturbation.name) if perturbation else []
    usable = [
        entry
        for entry in atlases or view.ingested
        if any(
            near.may_stand_in and control_cells(entry, near.entry.label) >= MIN_QUERY_CELLS
            for near in near_cell_types(entry, key)
        )
    ]
    if not usable and view.ingested:
        under = perturbation.name if perturbation and atlases else None
        yield caveats.unavailable_cell_type(cell_type, under, nearest_labels(view, key))
    if perturbation and not atlases and not (blocked and usable):
        written, name = perturbation.matched_text, perturbation.name
        text = written if compact(written) == compact(name) else f"{written} ({name})"
        yield caveats.unknown_perturbation(text, known=perturbation.name in reference_perturbations())
    elif perturbation and usable and atlases:
        yield caveats.too_few_perturbed(perturbation, atlases[0].name)


def nearest_labels(view: CatalogView, key: str) -> list[str]:
    """Return the cell types of the ingested atlases nearest to one that they lack, at most three, with enough control cells."""
    found = [
        (near.distance, caveats.name_of(near.entry))
        for entry in view.ingested
        for near in near_cell_types(entry, key)
        if control_cells(entry, near.entry.label) >= MIN_QUERY_CELLS
    ]
    return list(dict.fromkeys(name for _, name in sorted(found)))[:3]


def _ignored(parsed: Parsed, cell_type: MatchedTerm | None, own: MatchedTerm | None) -> Iterator[Caveat]:
    """Yield what the question names and a run does not take into account, and other species."""
    found, causes = parsed.found, parsed.causes
    question = found.question
    yield from (
        caveats.about_text(CaveatCode.PRETREATMENT, question.piece(span.start, span.stop)) for span in causes.earlier
    )
    circumstances = find_circumstances(question, parsed.terms, found.covered)
    in_name = own.name.casefold() if own else ""
    for each in circumstances:
        text = question.text[each.start : each.end]
        if text.casefold() not in in_name or not own:
            yield caveats.about_text(each.code, text)
    if cell_type:
        yield from (caveats.second_cell_type(text, cell_type.matched_text) for text in _second_cell_types(parsed))
    read_spans = [
        *(term.span for term in parsed.terms),
        *(agent.span for agent in parsed.agents),
        *(gene.span for gene in parsed.genes),
        *(range(each.start, each.end) for each in parsed.manipulations),
        *causes.earlier,
    ]
    known = found.covered.union(*read_spans)
    known |= {
        index
        for index, word in enumerate(question.words)
        if is_cue(word.key) or any(each.start < word.end and word.start < each.end for each in circumstances)
    }
    if cell_type and not found.subjects:
        known |= {index for index, word in enumerate(question.words) if word.text in cell_type.matched_text}
    for start, end in unknown_words(question, parsed.plain, known):
        yield caveats.about_text(CaveatCode.UNKNOWN_WORDS, question.piece(start, end))
    yield from (caveats.about_text(CaveatCode.UNKNOWN_WORDS, parsed.piece(agent)) for agent in causes.aside)


def _state_before(parsed: Parsed) -> str:
    """Return the state that stands before the cells and is no part of their name: "activated T cells"; empty if there is none."""
    if not parsed.found.subjects or not parsed.found.subjects[0].start:
        return ""
    word = parsed.found.question.words[parsed.found.subjects[0].start - 1]
    return word.text if word.key in _STATES_BEFORE else ""


def _second_cell_types(parsed: Parsed) -> list[str]:
    """Return the other cell types that the question names, as written; cells within the name of others do not count."""
    subjects = parsed.found.subjects
    if not subjects:
        return []
    beside = [mention for mention in parsed.found.cells if mention not in subjects and _stands_beside(mention, parsed)]
    others = [mention for mention in (*subjects[1:], *beside) if mention.means != subjects[0].means]
    return list(dict.fromkeys(parsed.found.question.piece(mention.start, mention.end) for mention in others))


def _stands_beside(mention: Mention, parsed: Parsed) -> bool:
    """Return whether these are cells that the others are compared or cultured with."""
    before = {word.key for word in parsed.found.question.words[max(0, mention.start - 2) : mention.start]}
    return not _BESIDE.isdisjoint(before)


def _about_cells(cell_type: MatchedTerm, perturbation: MatchedTerm, plan: QueryPlan) -> Iterator[Caveat]:
    """Yield what narrows the answer by the cells that are there."""
    used = _used(plan)
    if cell_type.cell_ontology_id in MIXTURES and used.relation is not Relation.EXACT:
        yield caveats.mixture(cell_type.matched_text, used)
    elif used.relation is not Relation.EXACT:
        yield caveats.stand_in(cell_type, used, [near.entry.label for near in plan.others if near.is_kind])
    if plan.related:
        yield caveats.related(perturbation, plan.related)
    elif perturbation.match == "related":
        yield caveats.variant(perturbation)
    name = plan.related.name if plan.related else perturbation.name
    perturbed = _perturbed_cells(plan, name)
    if used.cells < FEW_CELLS or 0 < perturbed < FEW_CELLS:
        yield caveats.few_cells(used, name, perturbed)
    if plan.dataset.semi_synthetic:
        yield caveats.semi_synthetic(plan.dataset.name)


def _interpreted_cell_type(term: MatchedTerm, plan: QueryPlan | None) -> InterpretedCellType:
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
    return (
        Evidence.MEASURED_IN_CELL_TYPE if _perturbed_cells(plan, term.name) else Evidence.MEASURED_IN_OTHER_CELL_TYPES
    )


def _perturbed_cells(plan: QueryPlan, perturbation: str) -> int:
    labels = perturbation_labels(plan.dataset, perturbation)
    return cells_in(plan.dataset, conditions=labels, cell_type=plan.query.entry.label)


def _sorted(notes: Sequence[Caveat]) -> list[Caveat]:
    """Return distinct caveats: first what blocks, then what is ignored, then what narrows the answer."""
    distinct: dict[tuple[CaveatCode, str], Caveat] = {}
    for note in notes:
        distinct.setdefault((note.code, note.text.casefold()), note)
    return sorted(distinct.values(), key=lambda note: (not note.blocking, not note.code.ignored))
