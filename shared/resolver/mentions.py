"""Find the names in a question: every run of words that is a name, then the longest ones without overlap."""

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
_MOST_CORRECTED = 40
_MOST_SHARING = 3
_MOST_LISTED = 4  # cell types that share a noun
_GREEK = tuple(sorted(GREEK_NAMES))
_INNER = frozenset({"of", "the"})  # inside a name, not at its ends
_PADDING = frozenset({"human", "primary", "tissue"})  # inside a name, without adding meaning: "CD14 human monocytes"
_NUMBER = re.compile(r"\d{1,2}[a-z]?")
_SUBTYPE = re.compile(r"\d[a-z]?")
_UNITS = frozenset(
    {
        "ng", "pg", "ug", "mg", "nm", "um", "mm", "u", "iu", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "min", "x",
    }
)  # fmt: skip
_BESIDE = frozenset({"and", "or", "versus", "vs", "from", "to", "than", "over"})  # "naive from memory B cells"
_DONE_TO_THEM = frozenset({"activated", "cultured", "stimulated", "isolated", "derived", "treated"})  # after "cells"
_FAMILIES = frozenset({"il", "ifn", "tnf", "tgf", "igf", "egf", "fgf", "csf", "bmp"})
_CELL_BREAKS = frozenset(".;:?!/&")
_PERTURBATION_BREAKS = _CELL_BREAKS | frozenset(",+")


class Mention(NamedTuple):
    """A run of words of the question that is a name."""

    start: int  # index of its first word
    end: int  # index after its last word
    means: tuple[str, ...]  # Cell Ontology ids (or labels without one), or canonical names of perturbations
    is_cell_type: bool  # whether it names a cell type, not a perturbation
    match: str  # exact, synonym, related or fuzzy

    @property
    def span(self) -> range:
        """The indexes of its words."""
        return range(self.start, self.end)


def find_mentions(question: Question, names: Lexicon) -> list[Mention]:
    """Return the names in a question, in order and without overlap; longer ones win, then correctly spelled ones."""
    found = _all_mentions(question, names)
    covered = {index for mention in found for index in mention.span}
    corrected = dict(_corrections(question.words, covered, names.spelling))
    if corrected:
        guess = question._replace(words=tuple(corrected.get(i, word) for i, word in enumerate(question.words)))
        again = _all_mentions(guess, names)
        found += [m._replace(match="fuzzy") for m in again if not corrected.keys().isdisjoint(m.span)]
    return _longest(question, found)


def _all_mentions(question: Question, names: Lexicon) -> list[Mention]:
    agonists = find_agonists(question, names.receptors, names.perturbations)
    return [
        *_perturbations(question, names.perturbations),
        *(Mention(start, end, ligands, False, "synonym") for start, end, ligands in agonists),
        *_cell_types(question, names),
    ]


def _corrections(words: Sequence[Word], covered: Collection[int], spelling: Spelling) -> Iterator[tuple[int, Word]]:
    left = [index for index in range(len(words)) if index not in covered]
    for index in left[:_MOST_CORRECTED]:
        key = spelling.correct(words[index].key) or _corrected_family(words, index, spelling)
        if key:
            yield index, respelled(words[index], key)


def _corrected_family(words: Sequence[Word], index: int, spelling: Spelling) -> str | None:
    """Return the family name that a short word before a Greek letter misspells: the IFN in "INF-gamma"."""
    if words[index].key in _FAMILIES:
        return None  # "TGF-alpha" misspells no TNF-alpha
    greek = words[index + 1].key if index + 1 < len(words) else ""
    whole = spelling.correct(words[index].key + greek) if greek in GREEK_NAMES else None
    return whole.removesuffix(greek) if whole and whole.endswith(greek) else None


def _longest(question: Question, found: list[Mention]) -> list[Mention]:
    def rank(mention: Mention) -> tuple[int, bool, bool, int]:
        length = len(question.piece(mention.start, mention.end))
        return -length, mention.match == "fuzzy", mention.is_cell_type, mention.start

    longest: list[Mention] = []
    covered: set[int] = set()
    for mention in sorted(found, key=rank):
        if covered.isdisjoint(mention.span):
            covered.update(mention.span)
            longest.append(mention)
    return sorted(longest, key=lambda mention: mention.start)


def _perturbations(question: Question, names: PerturbationNames) -> Iterator[Mention]:
    for start, first in enumerate(question.words):
        keys: list[str] = []
        for end, word in enumerate(question.words[start : start + _MOST_WORDS], start + 1):
            if keys and (_is_article(question, end - 1) or not _PERTURBATION_BREAKS.isdisjoint(question.gap(end - 1))):
                break
            keys.append(word.key if keys else _without_origin(first.key, names))
            key = join(keys)
            known = names.find(key) or _plural(keys, names)
            if (
                known
                and _stands_alone(question, end)
                and not _is_qualified(question, start)
                and _has_capitals(question, start, end, known)
            ):
                yield Mention(start, end, known.means, False, _match(known))
            if not names.begins(key):
                break


def _match(known: PerturbationName) -> str:
    if known.variant:
        return "related"
    return "exact" if known.canonical else "synonym"


def _plural(keys: Sequence[str], names: PerturbationNames) -> PerturbationName | None:
    """Return the meaning of a name in the plural: "type III interferons"."""
    last = singular(keys[-1])
    return names.find(join([*keys[:-1], last])) if last != keys[-1] else None


def _is_article(question: Question, index: int) -> bool:
    """Return whether a word is the article in "IL-1 a day", not the letter in "IL-1-a"."""
    return question.words[index].text == "a" and question.gap(index).isspace()


def _without_origin(key: str, names: PerturbationNames) -> str:
    """Drop the rh or rm of a recombinant protein ("rhIL-2") if the rest is a name or starts one."""
    rest = key[2:]
    return rest if key[:2] in {"rh", "rm"} and rest and (names.find(rest) or names.begins(rest)) else key


def _stands_alone(question: Question, end: int) -> bool:
    """Return whether the next words leave a name intact: TGF-beta-2, IFN-α2 and IFN-alpha 2b are not the names they start with."""
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


def _is_qualified(question: Question, start: int) -> bool:
    """Return whether capitals tied to a name make it another: HB-EGF is not EGF."""
    return (
        start > 0 and question.gap(start) == "-" and question.words[start - 1].text.isupper() and not question.all_caps
    )


def _has_capitals(question: Question, start: int, end: int, name: PerturbationName) -> bool:
    """Return whether a name has the capitals it needs; in a question all in capitals it must follow "to", "with" or the like."""
    if not name.needs_capitals:
        return True
    in_place = not question.all_caps or (start > 0 and question.words[start - 1].key in LINKS)
    return in_place and question.piece(start, end).isupper()


def _cell_types(question: Question, names: Lexicon) -> Iterator[Mention]:
    for start in range(len(question.words)):
        terms: list[str] = []
        slashed = False
        if question.words[start].key in _INNER or _is_opposite(question, start):
            continue
        for end, word in enumerate(question.words[start : start + _MOST_WORDS], start + 1):
            gap = question.gap(end - 1) if terms else ""
            slashed = slashed or gap == "/"
            if _ends_cells(question, end - 1, gap):
                break
            if word.key not in _PADDING | _INNER and not names.cells.knows(word.terms):
                break
            terms.extend(word.terms)
            if word.key in _INNER:
                continue
            if slashed and compact(question.piece(start, end)) not in names.labels:
                continue  # a slash ends every name except a dataset's label
            mention = _cell_type(question, start, end, names, terms)
            if mention is None and not {question.words[start].key, word.key} & _PADDING:
                mention = _cell_type(question, start, end, names, [term for term in terms if term not in _PADDING])
            if mention:
                yield mention
                yield from _shared_noun(question, start, end, names)


def _is_opposite(question: Question, start: int) -> bool:
    """Return whether a word is the end of another one: "anti-inflammatory monocytes" are no inflammatory ones."""
    before = question.words[start - 1].key if start else ""
    return question.words[start].key == "inflammatory" and before in {"pro", "anti", "non"}


def _ends_cells(question: Question, index: int, gap: str) -> bool:
    """Return whether a name of cells ends at the gap before a word; "Tregs, CD8 T cells" are two cell types."""
    is_listed = "," in gap and question.words[index - 1].key.endswith("s")
    return is_listed or (gap != "/" and not _CELL_BREAKS.isdisjoint(gap))


def _cell_type(question: Question, start: int, end: int, names: Lexicon, terms: Sequence[str]) -> Mention | None:
    """Return the cell type that words of the question name if they stand for these terms, or None."""
    if (
        end - start > 1
        and question.words[end - 1].key in _DONE_TO_THEM
        and question.words[end - 2].key in {"cell", "cells"}
    ):
        return None  # "CD4 T cells activated with ..." says what is done to them
    text = question.piece(start, end)
    known = names.cells.find(terms, text)
    if known is None:
        return None
    key = compact(text)
    is_exact = known.source == LABEL or key in names.labels or singular(key) in names.labels
    return Mention(start, end, known.cell_types, True, "exact" if is_exact else "synonym")


def _shared_noun(question: Question, start: int, end: int, names: Lexicon, listed: int = 0) -> Iterator[Mention]:
    """Yield the first of two cell types that share a noun: "effector" in "effector and central memory CD8 T cells"."""
    words = question.words
    if listed == _MOST_LISTED:
        return
    if start and question.gap(start).strip() in {"/", ","}:
        stop = start
    elif start > 1 and words[start - 1].key in _BESIDE:
        stop = start - 1
    else:
        return
    for first in range(max(stop - _MOST_SHARING, 0), stop):
        if words[first].key in _INNER:
            continue
        own = [term for word in words[first:stop] for term in word.terms]
        for noun in range(start + 1, end):
            shared = [term for word in words[noun:end] for term in word.terms]
            if mention := _cell_type(question, first, stop, names, [*own, *shared]):
                yield mention
                yield from _shared_noun(question, first, end, names, listed + 1)
                return
