"""Choose the cells that a question asks about, among the cell types, mixtures, markers and states that it names."""

from collections.abc import Callable
from typing import Final

from shared.catalog.normalize import singular
from shared.catalog.ontology import Term, cell_ontology
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.cell_names import lone_names
from shared.resolver.context import TermKind
from shared.resolver.mentions import Mention
from shared.resolver.parse import Parsed
from shared.resolver.sentence import starts
from shared.resolver.states import state_before

_LEUKOCYTE: Final = "CL:0000738"
# The ontology has terms for human cells beside the general ones; all atlases are human.
_HUMAN: Final = ", human"
# States of cells that have terms of their own in the ontology, which atlases seldom label.
_STATES: Final = ("exhausted", "anergic", "senescent")
# Words that say that other cells are missing.
_WITHOUT: Final = frozenset({"without", "lacking", "minus", "excluding", "no"})
_MISSING: Final = ("absence", "depletion", "removal", "loss", "lack", "exclusion", "depleted", "devoid", "free")
_DEPLETED: Final = ("deplet", "free")
_BESIDE: Final = frozenset({"like", "unlike", "coculture", "cocultured", "culture", "cultured", "feeder"})


def asked_cell_type(parsed: Parsed, resolved: MatchedTerm | None, view: CatalogView) -> tuple[MatchedTerm | None, str]:
    """Return the cell type of a question, and the state of the cells that it names but no atlas has; empty if there is none.

    Args:
        resolved: the cell type by name.
    """
    term = None if _is_excluded(parsed) else resolved or _named_otherwise(parsed)
    known = cell_ontology().term(term.cell_ontology_id or "") if term else None
    if term is None or known is None:
        return term, state_before(parsed) if term else ""
    label = known.label
    general = _without(known, lambda parent: f"{parent.label}{_HUMAN}" == label)
    if general:
        term, known = _renamed(term, general), general
    state = next((state for state in _STATES if state in known.label), "")
    is_in_atlas = any(known.id == each.cell_ontology_id for entry in view.ingested for each in entry.cell_types)
    if state and not is_in_atlas and (broad := _without(known, lambda parent: state not in parent.label)):
        return _renamed(term, broad), state
    return term, state_before(parsed)


def second_cell_types(parsed: Parsed) -> list[str]:
    """Return the other cell types that a question names, as written; cells within the name of others do not count."""
    subjects = parsed.found.subjects
    if not subjects:
        return []
    beside = [mention for mention in parsed.found.cells if mention not in subjects and _stands_beside(mention, parsed)]
    absent = absent_cells(parsed)
    others = [each for each in (*subjects[1:], *beside) if each.means != subjects[0].means and each.start not in absent]
    return list(dict.fromkeys(parsed.found.question.piece(mention.start, mention.end) for mention in others))


def absent_cells(parsed: Parsed) -> dict[int, str]:
    """Return the words that say that other cells are missing, by the index of their first word: "in the absence of T cells"."""
    subjects, question = parsed.found.subjects, parsed.found.question
    found = {}
    for mention in parsed.found.cells:
        before = [word.key for word in question.words[max(0, mention.start - 2) : mention.start]]
        after = [word.key for word in question.words[mention.end : mention.end + 1]]
        start = mention.start - (1 if before[-1:] and before[-1] in _WITHOUT else 2)
        is_missing = start == mention.start - 1 or (before[-1:] == ["of"] and before[0].startswith(_MISSING))
        end = mention.end + starts(after, _DEPLETED)
        if (is_missing or end > mention.end) and mention not in subjects[:1]:
            found[mention.start] = question.piece(max(start, 0) if is_missing else mention.start, end)
    return found


def _is_excluded(parsed: Parsed) -> bool:
    """Return whether the question excludes the cells that it names: "non-T cells", "cells other than monocytes"."""
    subjects = parsed.found.subjects
    if len(subjects) != 1:
        return False
    before = [word.key for word in parsed.found.question.words[max(0, subjects[0].start - 2) : subjects[0].start]]
    return before[-1:] in (["non"], ["not"]) or before == ["other", "than"]


def _named_otherwise(parsed: Parsed) -> MatchedTerm | None:
    """Return the cells that a question without the name of a cell type means: a mixture ("immune cells") or a marker ("IL2 CD8")."""
    question = parsed.found.question
    for term in parsed.terms:
        if term.kind is TermKind.MIXTURE:
            return _matched(term.meaning or _LEUKOCYTE, parsed.piece(term))
    taken = parsed.found.covered.union(*(agent.span for agent in parsed.agents if agent.is_name))
    for index, word in enumerate(question.words):
        cell_type = lone_names().get(singular(word.key))
        if cell_type and index not in taken:
            return _matched(cell_type, word.text)
    return None


def _matched(cell_type: str, text: str) -> MatchedTerm:
    term = cell_ontology().term(cell_type)
    assert term is not None
    return MatchedTerm(name=term.label, matched_text=text, match="synonym", cell_ontology_id=term.id, kind="cell_type")


def _without(term: Term, fits: Callable[[Term], bool]) -> Term | None:
    """Return the first parent of a term that fits, or None."""
    parents = (cell_ontology().term(parent) for parent in term.parents)
    return next((parent for parent in parents if parent and fits(parent)), None)


def _renamed(matched: MatchedTerm, term: Term) -> MatchedTerm:
    return matched.model_copy(update={"name": term.label, "cell_ontology_id": term.id})


def _stands_beside(mention: Mention, parsed: Parsed) -> bool:
    """Return whether these are cells that the others are compared or cultured with."""
    before = {word.key for word in parsed.found.question.words[max(0, mention.start - 2) : mention.start]}
    return not _BESIDE.isdisjoint(before)
