"""Outcomes other than gene expression that a question asks about."""

import pytest

from shared.resolver.outcomes import find_outcomes
from shared.resolver.question import Question


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
