"""Firestore values hold plain data without loss."""

import math
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stores.firestore_client import decode, encode

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001  # the strategy adds the time zone
)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.`/é", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(data)
def test_what_is_written_is_what_is_read(content: object) -> None:
    assert decode(encode(content)) == content


@given(st.booleans() | st.integers(-5, 5))
def test_a_truth_value_does_not_become_a_number(content: object) -> None:
    assert type(decode(encode(content))) is type(content)


def test_not_a_number_stays_so() -> None:
    read = decode(encode(math.nan))
    assert isinstance(read, float)
    assert math.isnan(read)


def test_an_enum_is_its_value() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert decode(encode({"c": [Colour.RED]})) == {"c": ["red"]}


@pytest.mark.parametrize("content", [bytearray(b"bytes"), {1, 2}, object(), datetime(2026, 1, 1)])  # noqa: DTZ001  # a datetime without time zone is the case
def test_what_firestore_cannot_hold_is_refused(content: object) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        encode(content)
