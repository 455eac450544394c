"""Outcomes other than gene expression that a question asks about."""

import pytest

from shared.catalog.interpretation import CaveatCode
from shared.resolver.outcomes import find_outcomes
from shared.resolver.question import Question
from tests.support.readings import codes, interpret


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Do NK cells proliferate and divide after IL-2?", ["proliferation", "cell division"]),
        ("Do B cells die after IFN-gamma?", ["cell death"]),
        ("Wie reagieren die Monozyten auf IFN-gamma?", []),
        ("How do killer cells react to IL-2?", []),
        ("How do proliferating T cells respond to IL-2?", []),
        ("Which proliferation genes does IL-2 induce in NK cells?", []),
    ],
)
def test_outcomes_are_found_unless_a_question_is_about_genes(question: str, expected: list[str]) -> None:
    assert [outcome.name for outcome in find_outcomes(Question.of(question), ())] == expected


def test_words_of_names_are_no_outcomes() -> None:
    assert find_outcomes(Question.of("death ligand"), {0, 1}) == []


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How many NK cells are there after IL-2?", "cell numbers"),
        ("Does IL-2 change the abundance of NK cells?", "cell numbers"),
        ("Do NK cells degranulate after IL-2?", "degranulation"),
        ("Do NK cells grow after IL-2?", "growth"),
    ],
)
def test_regression_numbers_degranulation_and_growth_are_other_outcomes(question: str, name: str) -> None:
    (found,) = [each for each in interpret(question).caveats if each.code is CaveatCode.UNKNOWN_WORDS]
    assert found.detail == f"The answer is about gene expression, not about {name}."


@pytest.mark.parametrize(
    "question",
    [
        "How many genes change in NK cells after IL-2?",
        "How does IL-2 affect growth factor genes in NK cells?",
        "How many of the MX1 transcripts are there in B cells after IFN-beta?",
    ],
)
def test_numbers_of_genes_are_no_other_outcome(question: str) -> None:
    assert codes(question) == set()
