"""What a question names and a run does not take into account."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.catalogs import demo_view
from tests.support.readings import interpret, told


def not_taken_into_account(question: str) -> list[tuple[str, str]]:
    return [(caveat.code.value, caveat.text) for caveat in interpret(question).caveats if caveat.code.ignored]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How would monocytes respond to IFN-gamma?", []),
        (
            "monocytes of elderly lupus patients, primed with IL-4, and then IFN-gamma 10 ng/ml for 6 h",
            [
                ("pretreatment", "primed with IL-4"),
                ("donor_attribute", "elderly"),
                ("disease", "lupus patients"),
                ("dose", "10 ng/ml"),
                ("time", "6 h"),
            ],
        ),
        ("IL-2 in Tregs versus CD8 T cells", [("second_cell_type", "CD8 T cells")]),
        ("zorbly NK cells with IL-2", [("unknown_words", "zorbly")]),
        ("IL-2 in NK cells, NK cells and NK cells", []),
        ("NK cells, IL-2 for 6 h and again for 6 h", [("time", "6 h")]),
    ],
)
def test_everything_that_is_not_taken_into_account_is_told_once(question: str, expected: list[tuple[str, str]]) -> None:
    assert not_taken_into_account(question) == expected
    assert interpret(question).answerable


def test_words_that_were_read_are_not_unknown() -> None:
    for question in (
        "STAT1 in NK cells after IL-2",
        "LPS-primed NK cells and IL-2",
        "IL-2 (10 ng/ml) on NK cells",
        "NK cells deprived of IL-2",
    ):
        assert told(question, CaveatCode.UNKNOWN_WORDS) == [], question


def test_the_dose_that_a_condition_of_an_atlas_states_is_taken_into_account() -> None:
    view = demo_view("IFN-beta + IL-6 10 ng/ml")
    question = "IFN-beta + IL-6 at 10 ng/ml in CD4 T cells for 6 h"
    assert told(question, CaveatCode.TIME, view) == ["6 h"]


@pytest.mark.parametrize("setting", ["in vivo", "at 39 °C", "in the body"])
def test_a_setting_is_understood_but_not_taken_into_account(setting: str) -> None:
    question = f"How do NK cells respond to IL-2 {setting}?"
    (found,) = [caveat for caveat in interpret(question).caveats if caveat.code is CaveatCode.UNKNOWN_WORDS]
    assert (
        found.detail
        == f"The setting ({setting.removeprefix('at ')}) is not taken into account: the answer is for the setting of the atlas."
    )
