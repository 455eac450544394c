"""What a question takes for granted, and what it asks."""

import pytest

from shared.resolver.premises import is_premise, is_supposed, is_unable
from shared.resolver.question import Question
from shared.resolver.sentence import Sentence


def sentence(text: str, cells: tuple[int, int] = (0, 0)) -> Sentence:
    """Return a sentence whose cells are the words in a range."""
    return Sentence(Question.of(text), cells=[range(*cells)] if cells[1] else [])


@pytest.mark.parametrize(
    ("text", "gene", "expected"),
    [
        ("once JAK2 is off", 1, True),
        ("after STAT1 was shut off", 1, True),
        ("when is CXCL10 high", 2, False),
        ("what does IFN do to STAT1", 5, False),
        ("do six signals make STAT1 low", 4, False),
        ("why after two days STAT1 is low", 4, False),
    ],
)
def test_a_gene_is_a_premise_if_a_clause_supposes_it(text: str, gene: int, expected: bool) -> None:
    assert is_premise(sentence(text), range(gene, gene + 1)) is expected


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("they cannot make it", 1, True),
        ("they can not make it", 2, True),
        ("they can't make it", 2, True),
        ("they no longer make it", 2, True),
        ("they are not made", 2, False),
        ("no more", 1, False),
        ("a longer list", 1, False),
    ],
)
def test_words_that_deny_an_ability(text: str, index: int, expected: bool) -> None:
    assert is_unable(sentence(text), index) is expected


@pytest.mark.parametrize(
    ("text", "cells", "index", "expected"),
    [
        ("how would monocytes unable to signal respond", (2, 3), 3, True),
        ("how do monocytes unable to signal respond", (2, 3), 3, True),
        ("are monocytes unable to signal", (1, 2), 2, False),
        ("do monocytes fail to signal", (1, 2), 2, False),
        ("monocytes that fail to signal", (0, 1), 2, True),
    ],
)
def test_cells_that_cannot_are_told_from_the_question_whether_they_can(
    text: str, cells: tuple[int, int], index: int, expected: bool
) -> None:
    assert is_supposed(sentence(text, cells), index) is expected
