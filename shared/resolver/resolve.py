"""Resolve a question: choose, among the names in it, the cell type and the perturbation that it is about.

Unknown names are reported to the user, and may mean that the question is not about unperturbed cells.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from shared import data
from shared.catalog.normalize import Word
from shared.catalog.ontology import cell_ontology
from shared.catalog.plans import MIXTURES
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.controls import control_words
from shared.resolver.lexicon import Lexicon, common_words, lexicon
from shared.resolver.mentions import Mention, find_mentions
from shared.resolver.question import Question, Resolution
from shared.resolver.roles import Role, role_of, unknown_causes

# The starts of words that make a cell type before them something else: "T cell receptor".
_NOT_THE_CELLS = (
    "receptor", "derived", "chemoattractant", "condition", "polarising", "polarizing", "polarisation", "polarization", "skewing",
    "secreted", "supernatant", "engager",
)  # fmt: skip
# "Th1-polarized cells" are Th1 cells, "Th1-polarized T cells" too; "T-cell-depleted monocytes" are monocytes.
_SHAPED = ("polarised", "polarized", "skewed", "like", "depleted")
_COMPANY = ("coculture", "cocultured", "culture", "cultured", "supernatant", "from", "feeder", "like")
_DISTINCTION = ("distinguish", "discriminat", "differs", "different", "tell")  # one type from another
_BESIDE = frozenset(
    {
        "and", "or", "versus", "vs", "than", "compared", "unlike", "to", "from", "into", "toward", "towards", "become", "becomes",
        "resemble", "resembles",
    }
)  # fmt: skip
_AMOUNT = re.compile(r"\d+(h|hr|hrs|d|min|ng|pg|ug|mg|nm|um|mm|x)?")
_FAMILIES = frozenset({"il", "ifn", "tnf", "tgf", "interleukin", "interferon"})
_CHEMOKINE = re.compile(r"(cx?c|x|cx3c)l\d+")
# The endings that the WHO assigns to classes of drugs.
_DRUG = re.compile(
    r"\w{2,}(nib|mab|ciclib|lisib|parib|zomib|statin|inostat|sartan|gliptin|gliflozin|glitazone|floxacin|cillin|mycin|cycline|conazole|"
    r"prazole|cept|limus|sone|solone|profen|coxib|platin|rubicin|taxel|tecan|trexate|lukast|domide|kinra)"
)


class Found(NamedTuple):
    """The names in a question, and what each of them does there."""

    question: Question
    names: Lexicon
    controls: frozenset[int]  # indexes of words that name a control condition
    roles: dict[Mention, Role]  # of each perturbation
    cells: tuple[Mention, ...]  # every cell type that is named
    subjects: tuple[Mention, ...]  # the cell types that the question is about, in order; the first one counts

    @property
    def covered(self) -> frozenset[int]:
        """Indexes of the words of all names."""
        return self.controls.union(*(mention.span for mention in (*self.roles, *self.cells)))


def find(query: str, view: CatalogView) -> Found:
    """Find the names of a catalog in a question."""
    question = Question.of(query)
    names = lexicon(view)
    controls = _controls(question.words)
    mentions = [mention for mention in find_mentions(question, names) if not controls.issuperset(mention.span)]
    cells = tuple(mention for mention in mentions if mention.is_cell_type)
    roles = {mention: _role(mention, question, cells) for mention in mentions if not mention.is_cell_type}
    return Found(question, names, frozenset(controls), roles, cells, tuple(_subjects(cells, question)))


def resolve(query: str, view: CatalogView) -> Resolution:
    """Find the cell type and the perturbation that a question is about, among the names of a catalog."""
    return choose(find(query, view), view)


def choose(found: Found, view: CatalogView) -> Resolution:
    """Choose, among the names in a question, the cell type and the perturbation that it is about."""
    question, cells, names = found.question, found.cells, found.names
    cell_type = _cell_type(found.subjects, question, view)
    perturbation = _perturbation(found.roles, question, names)
    antagonized = {index for mention, role in found.roles.items() if role is Role.ANTAGONIST for index in mention.span}
    has_other_cause = antagonized or _has_unknown_cause(question, found.covered, cells, names)
    recognized = [mention for mention in (*cells, *found.roles) if found.roles.get(mention) is not Role.ANTAGONIST]
    return Resolution(
        cell_type=cell_type,
        perturbation=perturbation,
        observational=cell_type is not None and perturbation is None and not has_other_cause,
        recognized=tuple(question.piece(mention.start, mention.end) for mention in sorted(recognized)),
        unrecognized=tuple(dict.fromkeys(_unrecognized(question, found.covered - antagonized, antagonized))),
    )


def _controls(words: Sequence[Word]) -> set[int]:
    """Return the indexes of words that name a control condition."""
    found: set[int] = set()
    keys = [word.key for word in words]
    for index in range(len(keys)):
        found.update(range(index, index + control_words(keys[index : index + 4])))
    return found


def _role(mention: Mention, question: Question, cells: Sequence[Mention]) -> Role:
    follows = any(cell.start == mention.end for cell in cells)
    tied = follows and question.gap(mention.end).strip() in {"", "-"}
    return role_of(question, mention.start, mention.end, before_cell_type=tied)


def _perturbation(roles: dict[Mention, Role], question: Question, names: Lexicon) -> MatchedTerm | None:
    likeliest = max(roles.values(), default=Role.READOUT)
    if likeliest <= Role.READOUT:
        return None
    equals = [mention for mention, role in roles.items() if role == likeliest]
    best = equals[0]
    candidates = list(dict.fromkeys(name for mention in equals for name in mention.means))
    return MatchedTerm(
        name=best.means[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match,
        kind=names.perturbations.kind(best.means[0]),
        candidates=candidates if len(candidates) > 1 else [],
    )


def _subjects(cells: Sequence[Mention], question: Question) -> list[Mention]:
    words = question.words
    meant = [m for m in cells if not _is_followed(m, words, _NOT_THE_CELLS)]
    meant = [m for m in meant if not _is_followed(m, words, _SHAPED) or _is_likened(m, question)] or meant
    meant = [m for m in meant if not _is_company(m, words)] or meant
    meant = [m for m in meant if not _is_rephrased(m, meant, question)]
    meant = [m for m in meant if m.means[0] not in MIXTURES] or meant
    return [m for m in meant if not any(_is_wider(m, other, words) for other in meant)]


def _cell_type(meant: Sequence[Mention], question: Question, view: CatalogView) -> MatchedTerm | None:
    if not meant:
        return None
    best = meant[0]
    best_ids = sorted(_widest(best.means), key=lambda cell_id: (cell_id not in view.cell_ontology_ids, cell_id))
    candidates = list(dict.fromkeys([*best_ids, *(each for mention in meant for each in _widest(mention.means))]))
    term = cell_ontology().term(best_ids[0])
    known = term is None or term.id in view.cell_ontology_ids
    return MatchedTerm(
        name=term.label if term else best_ids[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match if known or best.match == "fuzzy" else "ontology",
        cell_ontology_id=term.id if term else None,
        kind="cell_type",
        candidates=[_label(candidate) for candidate in candidates] if len(candidates) > 1 else [],
    )


def _is_followed(mention: Mention, words: Sequence[Word], beginnings: tuple[str, ...]) -> bool:
    return mention.end < len(words) and words[mention.end].key.startswith(beginnings)


def _is_likened(mention: Mention, question: Question) -> bool:
    """Return whether "like" compares cells, "make B cells like plasma cells", and does not shape others: "Th1-like cells"."""
    after = question.words[mention.end].key
    return after == "like" and question.gap(mention.end) == " " and question.words[mention.end - 1].key == "cells"


def _widest(ids: Sequence[str]) -> list[str]:
    """Drop subtypes of other ids: the name of a cell type and of its human form means the cell type."""
    is_a = cell_ontology().is_a
    return [narrow for narrow in ids if not any(narrow != wide and is_a(narrow, wide) for wide in ids)]


def _is_company(mention: Mention, words: Sequence[Word]) -> bool:
    """Return whether these are cells that others were cultured with or derived from."""
    before = [word.key for word in words[: mention.start]]
    distinguished = any(key == "differ" or key.startswith(_DISTINCTION) for key in before)
    return any(key in _COMPANY and not (key == "from" and distinguished) for key in before[-2:])


def _is_rephrased(mention: Mention, meant: Sequence[Mention], question: Question) -> bool:
    """Return whether parentheses after or around it name the same cells better: "helper cells (Th9)", "Tregs (T cells)"."""
    is_a = cell_ontology().is_a
    for other in meant:
        if other.start == mention.end and question.gap(mention.end).strip() == "(":
            return not is_a(mention.means[0], other.means[0])
        if other.end == mention.start and question.gap(mention.start).strip() == "(":
            return is_a(other.means[0], mention.means[0])
    return False


def _is_wider(mention: Mention, other: Mention, words: Sequence[Word]) -> bool:
    """Return whether the other names a subtype: "T cells, above all Tregs" asks about Tregs, "T cells or Tregs" about both."""
    wide, narrow = mention.means[0], other.means[0]
    if wide == narrow or not cell_ontology().is_a(narrow, wide):
        return False
    return _BESIDE.isdisjoint(word.key for word in words[min(mention.end, other.end) : max(mention.start, other.start)])


def _label(cell_type: str) -> str:
    term = cell_ontology().term(cell_type)
    return term.label if term else cell_type


def _has_unknown_cause(question: Question, known: frozenset[int], cells: Sequence[Mention], names: Lexicon) -> bool:
    """Return whether the question names a treatment of the cells that is not a known perturbation.

    Args:
        known: indexes of recognized words.
    """
    return bool(
        unknown_causes(question, known)
        or any(index not in known and _is_broken_name(word, names) for index, word in enumerate(question.words))
        or _has_unknown_stimulus(question, known, cells)
    )


def _is_broken_name(word: Word, names: Lexicon) -> bool:
    """Return whether a word starts the name of a perturbation that is unknown as a whole: "IL-14", "interferon-alpha 2b"."""
    name = names.perturbations.find(word.key)
    return word.key in _FAMILIES or (name is not None and not name.needs_capitals)


def _has_unknown_stimulus(question: Question, known: frozenset[int], cells: Sequence[Mention]) -> bool:
    return any(_names_stimulus(question, index, known, cells) for index in range(len(question.words)))


def is_unknown_stimulus(found: Found, index: int, known: Collection[int]) -> bool:
    """Return whether a word names a reagent or drug of no dataset, "X on" a cell type, or "anti-X": "CXCL12 on T cells", "anti-PD-1".

    Args:
        known: indexes of recognized words.
    """
    return _names_stimulus(found.question, index, known, found.cells)


def _names_stimulus(question: Question, index: int, known: Collection[int], cells: Sequence[Mention]) -> bool:
    words = question.words
    if index in known or not may_be_name(words[index]):
        return False
    if index and words[index - 1].key == "anti" and question.gap(index) == "-":
        return True
    on_cells = any(mention.start == index + 2 and words[index + 1].key == "on" for mention in cells)
    if on_cells or _is_stimulus(words[index].key):
        return role_of(question, index, index + 1, before_cell_type=False) > Role.READOUT
    return False


def _is_stimulus(key: str) -> bool:
    return key in data.words("stimuli") or bool(_CHEMOKINE.fullmatch(key) or _DRUG.fullmatch(key))


def _unrecognized(question: Question, known: frozenset[int], antagonized: set[int]) -> Iterator[str]:
    """Yield what may be a name but is unknown, with words tied by hyphens as one: "IL-14", "anti-TNF".

    Args:
        known: indexes of recognized words.
        antagonized: indexes of names that something was done against.
    """
    words = question.words
    run: list[int] = []
    for index in range(len(words) + 1):
        tied = 0 < index < len(words) and question.gap(index) == "-"
        if run and (not tied or index in known):
            while run and run[-1] not in antagonized and words[run[-1]].key in common_words():
                run.pop()
            if any(i in antagonized or may_be_name(words[i]) for i in run):
                yield question.piece(run[0], run[-1] + 1)
            run = []
        if index < len(words) and index not in known:
            run.append(index)


def may_be_name(word: Word) -> bool:
    """Return whether a word may be a name: not a common word, a letter, a number or an amount ("24h")."""
    return word.key not in common_words() and len(word.key) > 1 and not _AMOUNT.fullmatch(word.key)
