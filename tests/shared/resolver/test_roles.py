"""The role of a name in a question."""

import pytest

from shared.resolver.question import Question
from shared.resolver.roles import Role, role_of, unknown_causes


def role(text: str, name: str, *, before_cell_type: bool = False) -> Role:
    question = Question.of(text)
    start = [word.text for word in question.words].index(name)
    return role_of(question, start, start + 1, before_cell_type=before_cell_type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How would monocytes respond to TNF?", Role.CAUSE),
        ("monocytes treated for 24 h with TNF", Role.CAUSE),
        ("TNF and monocytes", Role.NAMED),
        ("monocytes in the presence of TNF", Role.BACKGROUND),
        ("effect of LPS on TNF secretion", Role.READOUT),
        ("Do monocytes secrete TNF?", Role.READOUT),
        ("TNF+ monocytes", Role.READOUT),
        ("monocytes without TNF", Role.READOUT),
        ("anti-TNF in monocytes", Role.ANTAGONIST),
        ("TNF receptor signaling blockade", Role.ANTAGONIST),
        ("monocytes and a TNF inhibitor", Role.ANTAGONIST),
    ],
)
def test_the_words_around_a_name_tell_its_role(text: str, expected: Role) -> None:
    assert role(text, "TNF") is expected


def test_a_cd_molecule_right_before_a_cell_type_is_its_marker() -> None:
    text = "How do B cells respond to CD70 expressing T cells?"
    assert role("response to CD70 B cells", "CD70", before_cell_type=True) is Role.READOUT
    assert role("response to CD70 of B cells", "CD70") is Role.CAUSE
    assert role(text, "CD70") is Role.READOUT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do monocytes respond to oxidative stress?", ["oxidative", "stress"]),
        ("monocytes after irradiation", ["irradiation"]),
        ("foobarin treatment of monocytes", ["foobarin"]),
        ("Which genes are high in monocytes?", []),
    ],
)
def test_unknown_words_in_the_place_of_a_cause_are_found(text: str, expected: list[str]) -> None:
    question = Question.of(text)
    known = frozenset(index for index, word in enumerate(question.words) if word.text == "monocytes")
    assert [word.text for word in unknown_causes(question, known)] == expected
