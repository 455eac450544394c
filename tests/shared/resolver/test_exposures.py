"""Which dose and time answers a question, if an atlas has several."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.catalogs import demo_view
from tests.support.readings import interpret, told

DOSES = demo_view("IFNb_0.1ng", "IFNb_10ng", "IFNb_100ng", without=("IFN-beta",))
TIMES = demo_view("IFNb_6h", "IFNb_24h", without=("IFN-beta",))
ONE = demo_view("IFNb_10ng", without=("IFN-beta",))


@pytest.mark.parametrize(
    ("question", "used"),
    [
        ("How would CD4 T cells respond to IFN-beta?", "IFN-beta 100 ng/mL"),
        ("How would CD4 T cells respond to 10 ng/mL IFN-beta?", "IFN-beta 10 ng/mL"),
        ("How would CD4 T cells respond to IFN-beta at 0.1 ng/ml?", "IFN-beta 0.1 ng/mL"),
        ("How would CD4 T cells respond to low-dose IFN-beta?", "IFN-beta 0.1 ng/mL"),
        ("How would CD4 T cells respond to 5 ng/mL IFN-beta?", "IFN-beta 100 ng/mL"),
    ],
)
def test_of_several_doses_one_answers_and_is_named(question: str, used: str) -> None:
    found = interpret(question, DOSES).perturbation
    assert found is not None
    assert (found.name, found.used) == (used, used)


def test_a_default_or_another_dose_is_a_caveat() -> None:
    (default,) = [each for each in interpret("IFN-beta in CD4 T cells", DOSES).caveats if each.code is CaveatCode.DOSE]
    assert "highest" in default.detail
    assert not default.blocking
    assert told("How would CD4 T cells respond to 5 ng/mL IFN-beta?", CaveatCode.DOSE, DOSES) == ["5 ng/mL"]
    assert told("How would CD4 T cells respond to 10 ng/mL IFN-beta?", CaveatCode.DOSE, DOSES) == []


def test_the_latest_of_several_times_answers_unless_one_is_asked_for() -> None:
    late, early = (interpret(text, TIMES) for text in ("IFN-beta in CD4 T cells", "IFN-beta in CD4 T cells for 6 h"))
    assert late.perturbation is not None
    assert early.perturbation is not None
    assert (late.perturbation.used, early.perturbation.used) == ("IFN-beta, 24 h", "IFN-beta, 6 h")
    assert late.has(CaveatCode.TIME)
    assert not early.has(CaveatCode.TIME)


def test_doses_that_cannot_be_compared_have_no_highest_one() -> None:
    """Regression: 10 U/mL was said to be less than 20 ng/mL."""
    view = demo_view("IFNb_20ng", "IFNb_10U/mL", without=("IFN-beta",))
    (default,) = [each for each in interpret("IFN-beta in CD4 T cells", view).caveats if each.code is CaveatCode.DOSE]
    assert "it is not known which of them is the highest" in default.detail


def test_the_only_measured_dose_answers_a_plain_question() -> None:
    found = interpret("How would CD4 T cells respond to IFN-beta?", ONE)
    assert found.perturbation is not None
    assert found.perturbation.used == "IFN-beta"
    assert not found.has(CaveatCode.DOSE)
    assert told("How would CD4 T cells respond to 10 ng/mL IFN-beta?", CaveatCode.DOSE, ONE) == []
    assert told("How would CD4 T cells respond to 5 ng/mL IFN-beta?", CaveatCode.DOSE, ONE) == ["5 ng/mL"]
