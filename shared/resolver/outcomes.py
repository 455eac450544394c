"""Find what a question asks about that is not gene expression: whether cells proliferate, die or migrate, their chromatin, ..."""

import re
from collections.abc import Collection
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.resolver.cues import AUXILIARIES
from shared.resolver.plain_words import foreign_words
from shared.resolver.question import Question

# Participles are left out: "proliferating T cells", "differentiated macrophages" and "heat-killed yeast" name cells and agents.
_OUTCOMES: Final = MappingProxyType(
    {
        "proliferation": r"proliferates?|proliferation",
        "cell division": r"divides?|division",
        "cell numbers": r"counts?|numbers?|frequency|frequencies|proportions?|percentages?|abundances?",
        "degranulation": r"degranulates?|degranulation",
        "growth": r"grows?",
        "killing": r"kills?|killing",
        "cell death": r"dies?|death",
        "survival": r"survives?|survival",
        "viability": r"viability",
        "apoptosis": r"apoptosis|apoptose",
        "migration": r"migrates?|migration|chemotaxis",
        "differentiation": r"differentiates?|differentiation",
        "cytotoxicity": r"cytotoxicity",
        "phagocytosis": r"phagocytosis|phagocytoses?|phagocytizes?",
        "secretion": r"secretes?|secretion|releases?",
        "chromatin accessibility": r"accessibility|chromatin",
        "DNA methylation": r"methylation|methylomes?",
        "splicing": r"splicing",
        "phosphorylation": r"phosphorylation",
        "morphology": r"morphology",
    }
)
_OF_GENES: Final = frozenset({"chromatin accessibility", "DNA methylation", "splicing", "phosphorylation"})
_PATTERNS: Final = tuple((name, re.compile(pattern)) for name, pattern in _OUTCOMES.items())
# The answer is about these, also if they belong to an outcome: "proliferation genes", "the cytotoxicity program".
_EXPRESSION: Final = re.compile(
    r"genes?|transcripts?|transcription|transcriptomes?|mrnas?|rna|express(es|ed|ion)?|markers?|program(me)?s?|signatures?|pathways?|inhibitors?"
)
_COMPARED: Final = frozenset({"more", "less", "become", "becomes", "as"})
_AUXILIARIES: Final = AUXILIARIES | {"to"}


class Outcome(NamedTuple):
    """A word for an outcome other than gene expression."""

    place: int  # index of the word
    name: str  # a noun, such as "proliferation"


def find_outcomes(question: Question, named: Collection[int], *, asks_genes: bool = False) -> list[Outcome]:
    """Find the outcomes that a question asks about; none if it asks about expression.

    Args:
        named: indexes of the words of names and of earlier treatments.
        asks_genes: whether it asks about named genes; then only what happens to these counts.
    """
    words = question.words
    if any(_EXPRESSION.fullmatch(word.key) for word in words):
        return []
    found: dict[str, Outcome] = {}
    for index in range(len(words)):
        if index not in named and (name := _outcome(question, index, named)) and (not asks_genes or name in _OF_GENES):
            found.setdefault(name, Outcome(index, name))
    return list(found.values())


def _outcome(question: Question, index: int, named: Collection[int]) -> str | None:
    key = question.words[index].key
    before = {word.key for word in question.words[:index]}
    if key == "die" and (
        before.isdisjoint(_AUXILIARIES) or any(word.key in foreign_words() for word in question.words)
    ):
        return None  # the German article
    if key == "many" and index and question.words[index - 1].key == "how":
        return "cell numbers" if index + 1 in named else None  # "How many NK cells are there?"
    if key == "cytotoxic":
        return "cytotoxicity" if index and question.words[index - 1].key in _COMPARED else None
    return next((name for name, pattern in _PATTERNS if pattern.fullmatch(key)), None)
