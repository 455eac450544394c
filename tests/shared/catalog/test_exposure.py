"""Doses and times in one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.exposure import Exposure, full_name, parse_dose, parse_time, split_name, strength, take_exposure


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("IFNb_10ng", ("IFNb", "10 ng/mL", None)),
        ("IFN-beta 10 ng/mL", ("IFN-beta", "10 ng/mL", None)),
        ("Dabrafenib 1uM 24h", ("Dabrafenib", "1 µM", "24 h")),
        ("day 3 LPS", ("LPS", None, "72 h")),
        ("TNF_high", ("TNF", "high dose", None)),
        ("IFNb 10ng+TNF 5ng", ("IFNb+TNF", "10 ng/mL + 5 ng/mL", None)),
        ("LPS-100ng/ml-4hr", ("LPS", "100 ng/mL", "4 h")),
        ("IL-12", ("IL-12", None, None)),
        ("5-FU", ("5-FU", None, None)),
        ("HLA-A2", ("HLA-A2", None, None)),
    ],
)
def test_doses_and_times_are_split_off_a_label(label: str, wanted: tuple[str, str | None, str | None]) -> None:
    assert take_exposure(label) == Exposure(*wanted)


@given(
    st.sampled_from(["IFN-beta", "IFN-beta + TNF-alpha", "KLF1 knockout", "5-FU"]),
    st.sampled_from([None, "10 ng/mL", "0.5 µM", "dose 5", "low dose", "10 ng/mL + 5 ng/mL"]),
    st.sampled_from([None, "6 h", "30 min", "7 d", "time 2"]),
)
def test_a_full_name_is_split_into_its_parts(agent: str, dose: str | None, time: str | None) -> None:
    assert split_name(full_name(agent, dose, time)) == Exposure(agent, dose, time)


def test_amounts_are_ordered_across_units() -> None:
    doses = ["1 pg/mL", "1 ng/mL", "20 ng/mL", "1 µg/mL"]
    assert sorted(doses, key=lambda each: strength(each, None)) == doses
    times = ["30 min", "6 h", "72 h", "7 d"]
    assert sorted(times, key=lambda each: strength(None, each)) == times


def test_a_time_in_words_comes_before_every_time() -> None:
    assert strength(None, "6 h") > strength(None, "early") > strength(None, None)


def test_a_bare_number_has_the_unit_of_its_column() -> None:
    assert parse_dose("10", "nM") == "10 nM"
    assert parse_dose("10") == "dose 10"
    assert parse_time("6", "h") == parse_time("6 hours") == "6 h"
    assert parse_time("day 2") == "48 h"
    assert parse_dose("overnight") is None


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    take_exposure(text)
    split_name(text)
    parse_dose(text)
    parse_time(text)
