"""From free text to cell type and perturbation, against the catalog. Pure: the same question and catalog give the same answer."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.catalog_view import CatalogView
from shared.controls import control_words
from shared.models import MatchedTerm
from shared.ontology import cell_ontology
from shared.resolve_context import Part, asked_for, part_of
from shared.resolve_phrases import Lexicon, Phrase, common_words, find_phrases, lexicon
from shared.resolve_question import Question
from shared.wording import Word

_MIXTURES = frozenset({"CL:0000000", "CL:0000738", "CL:0000988", "CL:2000001"})
"""Terms that mean many kinds of cells at once (cell, leukocyte, hematopoietic cell, PBMC): anything else named is meant instead."""
_NOT_THE_CELLS = (
    "receptor",
    "derived",
    "chemoattractant",
    "condition",
    "polari",
    "skew",
    "secreted",
    "supernatant",
    "engager",
)
_COMPANY = ("coculture", "cocultured", "culture", "cultured", "supernatant", "from", "feeder", "like")
_AMOUNT = re.compile(r"\d+(h|hr|hrs|d|min|ng|pg|ug|mg|nm|um|mm|x)?")
_FAMILIES = frozenset({"il", "ifn", "tnf", "tgf", "interleukin", "interferon"})
_BESIDE = frozenset({"and", "or", "versus", "vs", "than", "compared", "unlike", "to"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a question was taken for.

    Attributes:
        cell_type: the cell type, or None.
        perturbation: the perturbation, or None.
        observational: the question asks of cells as they are: it names a cell type and neither a perturbation nor anything in the
            place of one.
        recognised: pieces of the question that mean something here, as written.
        unrecognised: words that might name something and do not here, as written.
    """

    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    observational: bool
    recognised: tuple[str, ...]
    unrecognised: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """Sentences for a person: what was recognised as what, and what was not."""
        taken = [
            _told(term, role)
            for term, role in ((self.cell_type, "cell type"), (self.perturbation, "perturbation"))
            if term
        ]
        sentences = (
            [f"Recognised: {'; '.join(taken)}."]
            if taken
            else ["Neither a cell type nor a perturbation was recognised."]
        )
        if taken and self.cell_type is None:
            sentences.append("No cell type was recognised.")
        if taken and self.perturbation is None:
            sentences.append("No perturbation was recognised.")
        if self.unrecognised:
            sentences.append(f"Not recognised: {', '.join(self.unrecognised)}.")
        return " ".join(sentences)


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
    unknown = asked_for(question, covered, common_words()) or opposed or _broken_names(question, covered, names)
    return Resolution(
        cell_type=cell_type,
        perturbation=perturbation,
        observational=cell_type is not None and perturbation is None and not unknown,
        recognised=tuple(
            question.piece(phrase.start, phrase.end) for phrase in phrases if parts.get(phrase) is not Part.OPPOSED
        ),
        unrecognised=tuple(dict.fromkeys(_left(question, covered - opposed, opposed))),
    )


def _broken_names(question: Question, covered: frozenset[int], names: Lexicon) -> list[Word]:
    """Words that begin the name of a perturbation though the whole is none: the IL of "IL-14", the interferon of "interferon-alpha 2b"."""
    left = [word for index, word in enumerate(question.words) if index not in covered]
    known = ((word, names.perturbations.find(word.key)) for word in left)
    return [word for word, name in known if word.key in _FAMILIES or (name and not name.needs_capitals)]


def _left(question: Question, covered: frozenset[int], opposed: set[int]) -> Iterator[str]:
    """What might name something and does not, words that hyphens tie together as one: "IL-14", "anti-TNF"."""
    words = question.words
    run: list[int] = []
    for index in range(len(words) + 1):
        tied = 0 < index < len(words) and question.gap(index) == "-"
        if run and (not tied or index in covered):
            while run and run[-1] not in opposed and words[run[-1]].key in common_words():
                run.pop()
            if any(i in opposed or _may_name(words[i]) for i in run):
                yield question.piece(run[0], run[-1] + 1)
            run = []
        if index < len(words) and index not in covered:
            run.append(index)


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


def _may_name(word: Word) -> bool:
    """Whether a word could be a name: no plain word, no letter, no number or amount ("24h")."""
    return word.key not in common_words() and len(word.key) > 1 and not _AMOUNT.fullmatch(word.key)


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
    meant = [p for p in cells if p.end >= len(words) or not words[p.end].key.startswith(_NOT_THE_CELLS)]
    meant = [p for p in meant if not _is_company(p, words)] or meant
    meant = [p for p in meant if p.means[0] not in _MIXTURES] or meant
    meant = [p for p in meant if not any(_is_wider(p, other, words) for other in meant)]
    if not meant:
        return None
    best = meant[0]
    best_means = sorted(best.means, key=lambda means: (means not in view.cell_ontology_ids, means))
    candidates = list(dict.fromkeys([*best_means, *(means for phrase in meant for means in phrase.means)]))
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


def _is_company(phrase: Phrase, words: Sequence[Word]) -> bool:
    """Whether these are the cells that others were grown with or come from."""
    before = [word.key for word in words[max(0, phrase.start - 2) : phrase.start]]
    return any(key in _COMPANY for key in before)


def _is_wider(phrase: Phrase, other: Phrase, words: Sequence[Word]) -> bool:
    """Whether another phrase names a kind of what this one names: "T cells, above all Tregs" asks of Tregs, "T cells or Tregs" of both."""
    wide, narrow = phrase.means[0], other.means[0]
    between = {word.key for word in words[min(phrase.end, other.end) : max(phrase.start, other.start)]}
    return wide != narrow and cell_ontology().is_a(narrow, wide) and _BESIDE.isdisjoint(between)


def _label(means: str) -> str:
    term = cell_ontology().term(means)
    return term.label if term else means


def _told(term: MatchedTerm, role: str) -> str:
    known_as = f"{term.name} ({term.cell_ontology_id})" if term.cell_ontology_id else term.name
    return f'"{term.matched_text}" as the {role} {known_as}'
