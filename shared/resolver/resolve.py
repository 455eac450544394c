"""What a question means: of the names found in it, the cell type and the perturbation that it is about."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from shared import data
from shared.catalog.normalize import Word
from shared.catalog.ontology import cell_ontology
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.controls import control_words
from shared.resolver.lexicon import Lexicon, common_words, lexicon
from shared.resolver.mentions import Phrase, find_phrases
from shared.resolver.question import Question, Resolution
from shared.resolver.roles import Part, asked_for, part_of

_MIXTURES = frozenset({"CL:0000000", "CL:0000738", "CL:0000988", "CL:2000001"})
"""Terms that mean many kinds of cells at once (cell, leukocyte, hematopoietic cell, PBMC): anything else named is meant instead."""
_NOT_THE_CELLS = (
    "receptor",
    "derived",
    "chemoattractant",
    "condition",
    "polarising",
    "polarizing",
    "polarisation",
    "polarization",
    "skewing",
    "secreted",
    "supernatant",
    "engager",
)
_SHAPED = (
    "polarised",
    "polarized",
    "skewed",
    "like",
)  # "Th1-polarised cells" are Th1 cells, "Th1-polarised T cells" too
_COMPANY = ("coculture", "cocultured", "culture", "cultured", "supernatant", "from", "feeder", "like")
_TELL_APART = ("distinguish", "discriminat", "differs", "different", "tell")  # one kind from another
_BESIDE = frozenset({"and", "or", "versus", "vs", "than", "compared", "unlike", "to", "from"})


def resolve(query: str, view: CatalogView) -> Resolution:
    """Find the cell type and the perturbation that a question is about.

    Args:
        query: the question as a person wrote it; any text will do.
        view: the catalog whose names count.
    """
    question = Question.of(query)
    names = lexicon(view)
    controls = _controls(question.words)
    phrases = [phrase for phrase in find_phrases(question, names) if not controls.issuperset(phrase.span)]
    cells = [phrase for phrase in phrases if phrase.is_cell_type]
    parts = {phrase: _part(phrase, question, cells) for phrase in phrases if not phrase.is_cell_type}
    cell_type = _cell_type(cells, question, view)
    perturbation = _perturbation(parts, question, names)
    opposed = {index for phrase, part in parts.items() if part is Part.OPPOSED for index in phrase.span}
    covered = frozenset(controls.union(*(phrase.span for phrase in phrases)))
    unknown = opposed or names_another_cause(question, covered, cells, names)
    return Resolution(
        cell_type=cell_type,
        perturbation=perturbation,
        observational=cell_type is not None and perturbation is None and not unknown,
        recognised=tuple(
            question.piece(phrase.start, phrase.end) for phrase in phrases if parts.get(phrase) is not Part.OPPOSED
        ),
        unrecognised=tuple(dict.fromkeys(left_over(question, covered - opposed, opposed))),
    )


def _part(phrase: Phrase, question: Question, cells: Sequence[Phrase]) -> Part:
    follows = any(cell.start == phrase.end for cell in cells)
    tied = follows and question.gap(phrase.end).strip() in {"", "-"}
    return part_of(question, phrase.start, phrase.end, before_cell_type=tied)


def _controls(words: Sequence[Word]) -> set[int]:
    """Indexes of words that name a control condition."""
    found: set[int] = set()
    keys = [word.key for word in words]
    for index in range(len(keys)):
        found.update(range(index, index + control_words(keys[index : index + 4])))
    return found


def _perturbation(parts: dict[Phrase, Part], question: Question, names: Lexicon) -> MatchedTerm | None:
    causes = [phrase for phrase, part in parts.items() if part > Part.NO_CAUSE]
    if not causes:
        return None
    likeliest = max(parts[phrase] for phrase in causes)
    equals = [phrase for phrase in causes if parts[phrase] == likeliest]
    best = equals[0]
    candidates = list(dict.fromkeys(name for phrase in equals for name in phrase.means))
    return MatchedTerm(
        name=best.means[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match,
        kind=names.perturbations.kind(best.means[0]),
        candidates=candidates if len(candidates) > 1 else [],
    )


def _cell_type(cells: Sequence[Phrase], question: Question, view: CatalogView) -> MatchedTerm | None:
    words = question.words
    meant = [p for p in cells if not _follows(p, words, _NOT_THE_CELLS)]
    meant = [p for p in meant if not _follows(p, words, _SHAPED)] or meant
    meant = [p for p in meant if not _is_company(p, words)] or meant
    meant = [p for p in meant if not _is_put_otherwise(p, meant, question)]
    meant = [p for p in meant if p.means[0] not in _MIXTURES] or meant
    meant = [p for p in meant if not any(_is_wider(p, other, words) for other in meant)]
    if not meant:
        return None
    best = meant[0]
    best_means = sorted(_widest(best.means), key=lambda means: (means not in view.cell_ontology_ids, means))
    candidates = list(dict.fromkeys([*best_means, *(means for phrase in meant for means in _widest(phrase.means))]))
    term = cell_ontology().term(best_means[0])
    known = term is None or term.id in view.cell_ontology_ids
    return MatchedTerm(
        name=term.label if term else best_means[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match if known or best.match == "fuzzy" else "ontology",
        cell_ontology_id=term.id if term else None,
        kind="cell_type",
        candidates=[_label(means) for means in candidates] if len(candidates) > 1 else [],
    )


def _follows(phrase: Phrase, words: Sequence[Word], beginnings: tuple[str, ...]) -> bool:
    return phrase.end < len(words) and words[phrase.end].key.startswith(beginnings)


def _widest(means: Sequence[str]) -> list[str]:
    """Without those that are kinds of another: a name of a cell type and of its human form means the cell type."""
    is_a = cell_ontology().is_a
    return [kind for kind in means if not any(kind != wide and is_a(kind, wide) for wide in means)]


def _is_company(phrase: Phrase, words: Sequence[Word]) -> bool:
    """Whether these are the cells that others were grown with or come from."""
    before = [word.key for word in words[: phrase.start]]
    told_apart = any(key == "differ" or key.startswith(_TELL_APART) for key in before)
    return any(key in _COMPANY and not (key == "from" and told_apart) for key in before[-2:])


def _is_put_otherwise(phrase: Phrase, meant: Sequence[Phrase], question: Question) -> bool:
    """Whether brackets behind or around it hold the same cells by a better name: "helper cells (Th9)", "Tregs (T cells)"."""
    is_a = cell_ontology().is_a
    for other in meant:
        if other.start == phrase.end and question.gap(phrase.end).strip() == "(":
            return not is_a(phrase.means[0], other.means[0])
        if other.end == phrase.start and question.gap(phrase.start).strip() == "(":
            return is_a(other.means[0], phrase.means[0])
    return False


def _is_wider(phrase: Phrase, other: Phrase, words: Sequence[Word]) -> bool:
    """Whether another phrase names a kind of what this one names: "T cells, above all Tregs" asks of Tregs, "T cells or Tregs" of both."""
    wide, narrow = phrase.means[0], other.means[0]
    between = {word.key for word in words[min(phrase.end, other.end) : max(phrase.start, other.start)]}
    return wide != narrow and cell_ontology().is_a(narrow, wide) and _BESIDE.isdisjoint(between)


def _label(means: str) -> str:
    term = cell_ontology().term(means)
    return term.label if term else means


# FOLDED from unrecognised.py: """What a question names and nothing here stands for: told to its author, and a sign that the cells are not asked about as they are."""  # noqa: E501
_AMOUNT = re.compile(r"\d+(h|hr|hrs|d|min|ng|pg|ug|mg|nm|um|mm|x)?")
_FAMILIES = frozenset({"il", "ifn", "tnf", "tgf", "interleukin", "interferon"})
_CHEMOKINE = re.compile(r"(cx?c|x|cx3c)l\d+")
_DRUG = re.compile(
    r"\w{2,}(nib|mab|ciclib|lisib|parib|zomib|statin|inostat|sartan|gliptin|gliflozin|glitazone|floxacin|cillin|mycin|cycline|conazole|"
    r"prazole|cept|limus|sone|solone|profen|coxib|platin|rubicin|taxel|tecan|trexate|lukast|domide|kinra)"
)
"""Endings that the WHO gives to the names of drugs of a kind."""


def names_another_cause(question: Question, known: frozenset[int], cells: Sequence[Phrase], names: Lexicon) -> bool:
    """Whether the question names something done to the cells though no known perturbation.

    Args:
        question: the question.
        known: indexes of words that something was recognised in.
        cells: the cell types found.
        names: all names.
    """
    return bool(
        asked_for(question, known, common_words())
        or _broken_names(question, known, names)
        or _stimuli(question, known, cells)
    )


def left_over(question: Question, known: frozenset[int], opposed: set[int]) -> Iterator[str]:
    """What might name something and does not, words that hyphens tie together as one: "IL-14", "anti-TNF".

    Args:
        question: the question.
        known: indexes of words that something was recognised in.
        opposed: indexes of names that something was done against.
    """
    words = question.words
    run: list[int] = []
    for index in range(len(words) + 1):
        tied = 0 < index < len(words) and question.gap(index) == "-"
        if run and (not tied or index in known):
            while run and run[-1] not in opposed and words[run[-1]].key in common_words():
                run.pop()
            if any(i in opposed or _may_name(words[i]) for i in run):
                yield question.piece(run[0], run[-1] + 1)
            run = []
        if index < len(words) and index not in known:
            run.append(index)


def _broken_names(question: Question, known: frozenset[int], names: Lexicon) -> list[Word]:
    """Words that begin the name of a perturbation though the whole is none: the IL of "IL-14", the interferon of "interferon-alpha 2b"."""
    left = [word for index, word in enumerate(question.words) if index not in known]
    meant = ((word, names.perturbations.find(word.key)) for word in left)
    return [word for word, name in meant if word.key in _FAMILIES or (name and not name.needs_capitals)]


def _stimuli(question: Question, known: frozenset[int], cells: Sequence[Phrase]) -> list[Word]:
    """Reagents and drugs that no dataset has, what is "on" a cell type and what something is "anti": "CXCL12 on T cells", "anti-PD-1"."""
    words = question.words
    on_cells = {phrase.start - 2 for phrase in cells if phrase.start > 1 and words[phrase.start - 1].key == "on"}
    found = []
    for index, word in enumerate(words):
        if index in known or not _may_name(word):
            continue
        if index and words[index - 1].key == "anti" and question.gap(index) == "-":
            found.append(word)
        elif not (index in on_cells or _is_stimulus(word.key)):
            continue
        elif part_of(question, index, index + 1, before_cell_type=False) > Part.NO_CAUSE:
            found.append(word)
    return found


def _is_stimulus(key: str) -> bool:
    return key in _reagents() or bool(_CHEMOKINE.fullmatch(key) or _DRUG.fullmatch(key))


@cache
def _reagents() -> frozenset[str]:
    return data.words("stimuli")


def _may_name(word: Word) -> bool:
    """Whether a word could be a name: no plain word, no letter, no number or amount ("24h")."""
    return word.key not in common_words() and len(word.key) > 1 and not _AMOUNT.fullmatch(word.key)
