"""Tell the plain words of a question from those that may be names, in English and other languages, with their misspellings."""

from collections.abc import Collection
from functools import cache
from typing import NamedTuple

from shared import data
from shared.catalog.normalize import fold, singular
from shared.resolver.lexicon import common_words
from shared.resolver.question import Question

# Word lengths: shorter words have too many neighbors to be typos; from _LONG on, two edits are allowed.
_SHORTEST_TYPO = 4
_LONG = 11
# Function words of other languages that mean something else in English; they count beside another foreign word.
_ALSO_ENGLISH = frozenset(
    {
        "die", "war", "hat", "man", "gut", "nun", "wo", "comment", "pour", "par", "son", "car", "des", "por", "si", "mas", "sera", "nos",
        "lo", "ha", "er", "il", "ils", "em", "tem", "suite", "reduction", "al", "sur", "au", "aux", "dans",
    }
)  # fmt: skip
# The most words of a question that are compared with all plain words, so that a long question stays fast.
_MOST_COMPARED = 40


class PlainWords(NamedTuple):
    """Indexes of the plain words of a question."""

    never_asked: frozenset[int]  # words that no question is about: "how", "cells", "respond"
    all: frozenset[int]  # these, and words such as "exercise", which may be a treatment after "respond to"


def plain_words(question: Question, named: Collection[int], states: Collection[int] = ()) -> PlainWords:
    """Find the plain words of a question.

    Args:
        named: indexes of the words of names and terms, which misspell nothing.
        states: indexes of words before cells, which may misspell "would", but not "tried": "tired T cells".
    """
    never_asked, plain = set(), set()
    compared = 0
    is_foreign = any(word.key in foreign_words() for word in question.words)
    for index, word in enumerate(question.words):
        keys = {word.key, singular(word.key)}
        if not _common().isdisjoint(keys) or (is_foreign and word.key in _ALSO_ENGLISH):
            never_asked.add(index)
        elif not data.words("plain_words").isdisjoint(keys):
            plain.add(index)
        elif (
            index not in named and compared < _MOST_COMPARED and len(word.key) >= _SHORTEST_TYPO and word.key.isalpha()
        ):
            compared += 1
            if _misspells(word.key, _common_list()):
                never_asked.add(index)
            elif index not in states and _misspells(word.key, _plain_list()):
                plain.add(index)
    return PlainWords(frozenset(never_asked), frozenset(plain | never_asked))


def unknown_words(question: Question, plain: PlainWords, known: Collection[int]) -> list[tuple[int, int]]:
    """Return the runs of words that are neither names nor plain words, tied words as one, as word indexes.

    Args:
        known: indexes of the words that were understood.
    """
    runs: list[tuple[int, int]] = []
    for index, word in enumerate(question.words):
        if index in known or index in plain.all or len(word.key) < 2 or word.key[0].isdigit():
            continue
        if runs and runs[-1][1] == index and question.gap(index) in {"-", " ", "/"}:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


@cache
def foreign_words() -> frozenset[str]:
    """Return folded function words of other languages."""
    return frozenset(fold(word) for word in data.words("foreign_words"))


@cache
def _common() -> frozenset[str]:
    return common_words() | foreign_words()


@cache
def _common_list() -> list[str]:
    return sorted(word for word in _common() if len(word) >= _SHORTEST_TYPO)


@cache
def _plain_list() -> list[str]:
    return sorted(word for word in data.words("plain_words") if len(word) >= _SHORTEST_TYPO)


def _misspells(key: str, words: list[str]) -> bool:
    """Return whether a word misspells one of these; swapped letters count as one edit."""
    from rapidfuzz import process  # noqa: PLC0415  # most questions have no unknown words and need not wait for it
    from rapidfuzz.distance import OSA  # noqa: PLC0415

    edits = 2 if len(key) >= _LONG else 1
    return process.extractOne(key, words, scorer=OSA.distance, score_cutoff=edits) is not None
