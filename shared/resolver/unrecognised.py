"""What a question names and nothing here stands for: told to its author, and a sign that the cells are not asked about as they are."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from shared import facts
from shared.resolver.context import Part, asked_for, part_of
from shared.resolver.lexicon import Lexicon, common_words
from shared.resolver.phrases import Phrase
from shared.resolver.question import Question
from shared.wording import Word

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
    return facts.words("stimuli")


def _may_name(word: Word) -> bool:
    """Whether a word could be a name: no plain word, no letter, no number or amount ("24h")."""
    return word.key not in common_words() and len(word.key) > 1 and not _AMOUNT.fullmatch(word.key)
