"""Finding names in a question: every run of words that is a name, then the longest ones that do not overlap."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from shared.catalog.normalize import GREEK_NAMES, Word, compact, join, respelled, singular
from shared.resolver.cell_names import LABEL
from shared.resolver.lexicon import Lexicon, Spelling
from shared.resolver.perturbation_names import PerturbationName, PerturbationNames
from shared.resolver.question import Question
from shared.resolver.receptors import find_agonists
from shared.resolver.roles import LINKS

_MOST_WORDS = 14
_GREEK = tuple(sorted(GREEK_NAMES))
_MOST_SHARING = 3
_INNER = frozenset({"of", "the"})  # inside a name, not at its ends
_PADDING = frozenset({"human", "primary", "tissue"})  # inside a name, without saying more: "CD14 human monocytes"
_NUMBER = re.compile(r"\d{1,2}[a-z]?")
_SUBTYPE = re.compile(r"\d[a-z]?")
_UNITS = frozenset(
    {
        "ng",
        "pg",
        "ug",
        "mg",
        "nm",
        "um",
        "mm",
        "u",
        "iu",
        "h",
        "hr",
        "hrs",
        "hour",
        "hours",
        "d",
        "day",
        "days",
        "min",
        "x",
    }
)
_MOST_MENDED = 40
_BESIDE = frozenset({"and", "or", "versus", "vs", "from", "to", "than", "over"})  # "naive from memory B cells"
_CELL_BREAKS = frozenset(".;:?!/&")
_PERTURBATION_BREAKS = _CELL_BREAKS | frozenset(",+")


class Phrase(NamedTuple):
    """A run of words of the question that is a name.

    Attributes:
        start: index of its first word.
        end: index behind its last word.
        means: Cell Ontology ids (or labels without one), or canonical names of perturbations.
        is_cell_type: of a cell type, else of a perturbation.
        match: exact, synonym or fuzzy.
    """

    start: int
    end: int
    means: tuple[str, ...]
    is_cell_type: bool
    match: str

    @property
    def span(self) -> range:
        """The indexes of its words."""
        return range(self.start, self.end)


def find_phrases(question: Question, names: Lexicon) -> list[Phrase]:
    """The names in a question, in order and without overlap; the longest win, then what is spelled right."""
    found = _names(question, names)
    covered = {index for phrase in found for index in phrase.span}
    mended = dict(_mended(question.words, covered, names.spelling))
    if mended:
        guess = question._replace(words=tuple(mended.get(i, word) for i, word in enumerate(question.words)))
        again = _names(guess, names)
        found += [p._replace(match="fuzzy") for p in again if not mended.keys().isdisjoint(p.span)]
    return _longest(question, found)


def _names(question: Question, names: Lexicon) -> list[Phrase]:
    agonists = find_agonists(question, names.receptors, names.perturbations)
    return [
        *_perturbations(question, names.perturbations),
        *(Phrase(start, end, means, False, "synonym") for start, end, means in agonists),
        *_cell_types(question, names),
    ]


def _mended(words: Sequence[Word], covered: Collection[int], spelling: Spelling) -> Iterator[tuple[int, Word]]:
    left = [index for index in range(len(words)) if index not in covered]
    for index in left[:_MOST_MENDED]:
        key = spelling.mend(words[index].key) or _mended_family(words, index, spelling)
        if key:
            yield index, respelled(words[index], key)


def _mended_family(words: Sequence[Word], index: int, spelling: Spelling) -> str | None:
    """The family name that a short word before a Greek letter was meant to be: the IFN in "INF-gamma"."""
    greek = words[index + 1].key if index + 1 < len(words) else ""
    whole = spelling.mend(words[index].key + greek) if greek in GREEK_NAMES else None
    return whole.removesuffix(greek) if whole and whole.endswith(greek) else None


def _longest(question: Question, found: list[Phrase]) -> list[Phrase]:
    def rank(phrase: Phrase) -> tuple[int, bool, bool, int]:
        length = len(question.piece(phrase.start, phrase.end))
        return -length, phrase.match == "fuzzy", phrase.is_cell_type, phrase.start

    kept: list[Phrase] = []
    taken: set[int] = set()
    for phrase in sorted(found, key=rank):
        if taken.isdisjoint(phrase.span):
            taken.update(phrase.span)
            kept.append(phrase)
    return sorted(kept, key=lambda phrase: phrase.start)


def _perturbations(question: Question, names: PerturbationNames) -> Iterator[Phrase]:
    for start, first in enumerate(question.words):
        keys: list[str] = []
        for end, word in enumerate(question.words[start : start + _MOST_WORDS], start + 1):
            if keys and (_is_article(question, end - 1) or not _PERTURBATION_BREAKS.isdisjoint(question.gap(end - 1))):
                break
            keys.append(word.key if keys else _without_origin(first.key, names))
            key = join(keys)
            known = names.find(key) or _plural(keys, names)
            if known and _stands_alone(question, end) and _capitals_right(question, start, end, known):
                yield Phrase(start, end, known.means, False, "exact" if known.canonical else "synonym")
            if not names.begins(key):
                break


def _plural(keys: Sequence[str], names: PerturbationNames) -> PerturbationName | None:
    """What a name in the plural means: "type III interferons"."""
    last = singular(keys[-1])
    return names.find(join([*keys[:-1], last])) if last != keys[-1] else None


def _is_article(question: Question, index: int) -> bool:
    """Whether a word is the article in "IL-1 a day" and not the letter in "IL-1-a"."""
    return question.words[index].text == "a" and question.gap(index).isspace()


def _without_origin(key: str, names: PerturbationNames) -> str:
    """A word's key without the rh or rm of a recombinant protein ("rhIL-2") where what is left is or begins a name."""
    rest = key[2:]
    return rest if key[:2] in {"rh", "rm"} and rest and (names.find(rest) or names.begins(rest)) else key


def _stands_alone(question: Question, end: int) -> bool:
    """Whether nothing behind makes it another name: neither TGF-beta-2 nor IFN-α2 nor IFN-alpha 2b is the name at its beginning."""
    words = question.words
    gap = question.gap(end) if end < len(words) else ""
    if gap not in {"-", " "}:
        return True
    tail = words[end].key
    beyond = words[end + 1].key if end + 1 < len(words) else ""
    if tail.rstrip("0123456789") in GREEK_NAMES:
        return beyond in GREEK_NAMES  # the next words are "gamma delta T cells"
    if gap == "-":
        return not _NUMBER.fullmatch(tail)
    return beyond in _UNITS or not words[end - 1].key.endswith(_GREEK) or not _SUBTYPE.fullmatch(tail)


def _capitals_right(question: Question, start: int, end: int, name: PerturbationName) -> bool:
    """Whether a name that needs capitals has them; where all is in capitals it must come behind "to", "with" or the like."""
    if not name.needs_capitals:
        return True
    in_place = not question.shouted or (start > 0 and question.words[start - 1].key in LINKS)
    return in_place and question.piece(start, end).isupper()


def _cell_types(question: Question, names: Lexicon) -> Iterator[Phrase]:
    for start in range(len(question.words)):
        terms: list[str] = []
        slashed = False
        if question.words[start].key in _INNER:
            continue
        for end, word in enumerate(question.words[start : start + _MOST_WORDS], start + 1):
            gap = question.gap(end - 1) if terms else ""
            slashed = slashed or gap == "/"
            if gap != "/" and not _CELL_BREAKS.isdisjoint(gap):
                break
            if word.key not in _PADDING | _INNER and not names.cells.knows(word.terms):
                break
            terms.extend(word.terms)
            if word.key in _INNER:
                continue
            text = question.piece(start, end)
            if slashed and compact(text) not in names.labels:  # a slash ends a name but in a dataset's label
                continue
            phrase = _cell_type(text, terms, names)
            if phrase is None and not {question.words[start].key, word.key} & _PADDING:
                phrase = _cell_type(text, [term for term in terms if term not in _PADDING], names)
            if phrase:
                yield Phrase(start, end, *phrase)
                yield from _shared_noun(question, start, end, names)


def _cell_type(text: str, terms: Sequence[str], names: Lexicon) -> tuple[tuple[str, ...], bool, str] | None:
    """What terms of the question mean, that it is a cell type, and how they match; None where they mean nothing."""
    known = names.cells.find(terms, text)
    if known is None:
        return None
    key = compact(text)
    exact = known.source == LABEL or key in names.labels or singular(key) in names.labels
    return known.cell_types, True, "exact" if exact else "synonym"


def _shared_noun(question: Question, start: int, end: int, names: Lexicon) -> Iterator[Phrase]:
    """The first of two cell types that share a noun: "effector" in "effector and central memory CD8 T cells"."""
    words = question.words
    if start and question.gap(start).strip() in {"/", ","}:
        behind = start
    elif start > 1 and words[start - 1].key in _BESIDE:
        behind = start - 1
    else:
        return
    for first in range(max(behind - _MOST_SHARING, 0), behind):
        own = [term for word in words[first:behind] for term in word.terms]
        for noun in range(start + 1, end):
            shared = [term for word in words[noun:end] for term in word.terms]
            if phrase := _cell_type(question.piece(first, behind), [*own, *shared], names):
                yield Phrase(first, behind, *phrase)
                yield from _shared_noun(question, first, end, names)
                return
