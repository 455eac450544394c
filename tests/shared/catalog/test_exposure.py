"""Doses and times in one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.exposure import (
    Exposure,
    full_name,
    have_order,
    parse_dose,
    parse_time,
    parse_time_unit,
    split_name,
    strength,
    take_exposure,
)


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
        ("SARS-CoV-2 MOI 1", ("SARS-CoV-2", "1 MOI", None)),
        ("IAV_MOI=0.1_24hpi", ("IAV", "0.1 MOI", "24 h")),
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


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Early", "early"),
        ("late phase", "late"),
        ("mid", "intermediate"),
        ("over night", "overnight"),
        ("2 weeks", "14 d"),
        ("day 3", "72 h"),
    ],
)
def test_times_in_words_have_one_form(text: str, time: str) -> None:
    assert parse_time(text) == time
    assert split_name(full_name("IFN-beta", None, time)) == ("IFN-beta", None, time)


@pytest.mark.parametrize(
    ("amounts", "is_ordered"),
    [
        (["30 min", "6 h", "7 d"], True),
        (["6 h", "overnight", "24 h"], True),
        (["early", "intermediate", "late"], True),
        (["early", "6 h"], False),
        (["visit 1", "visit 2"], False),
        (["time 6", "6 h"], False),
        (["10 nM", "1 \N{MICRO SIGN}M"], True),
        (["10 ng/mL", "10 nM"], False),
        (["10 U/mL", "10 ng/mL"], False),
        (["low dose", "high dose"], True),
        (["dose 5", "10 nM"], False),
        (["visit 1"], True),
    ],
)
def test_only_amounts_of_one_kind_have_an_order(amounts: list[str], is_ordered: bool) -> None:
    assert have_order(amounts) is is_ordered


def test_times_in_words_are_ordered_by_what_they_mean() -> None:
    assert sorted(["late", "early", "intermediate"], key=lambda time: strength(None, time)) == [
        "early",
        "intermediate",
        "late",
    ]
    assert sorted(["24 h", "overnight", "6 h"], key=lambda time: strength(None, time)) == ["6 h", "overnight", "24 h"]


def test_a_unit_of_time_has_one_form() -> None:
    assert [parse_time_unit(text) for text in ("hours", "hr", "min", "Days", "weeks", "nM", "")] == [
        "h",
        "h",
        "min",
        "d",
        "w",
        None,
        None,
    ]
