"""What requests may contain, and the words of their refusals."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from shared.runs.schemas import CreateRunRequest, ListQuery

QUERY = "How would NK cells respond to IL-15?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.5", "Input should be a time as in RFC 3339, such as 2026-03-01T12:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "Input should be a time between the years 1 and 9999 in UTC"),
        ("9999-12-31T23:59:59-14:00", "Input should be a time between the years 1 and 9999 in UTC"),
    ],
)
def test_a_time_that_is_none_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ListQuery.model_validate({"created_after": text})
    (error,) = refused.value.errors()
    assert (error["type"], error["msg"]) == ("rfc3339", said)


def test_a_time_of_any_zone_is_kept_in_utc() -> None:
    read = ListQuery.model_validate({"created_after": "2026-03-01T14:00:00+02:00"}).created_after
    assert read == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert read is not None
    assert read.tzinfo is UTC


def test_a_whole_number_may_be_written_with_a_point_and_nothing_else_is_one() -> None:
    read = CreateRunRequest.model_validate({"query": QUERY, "max_iterations": 3.0}).max_iterations
    assert (read, type(read)) == (3, int)
    for wrong in (3.5, "3", True, None):
        with pytest.raises(ValidationError):
            CreateRunRequest.model_validate({"query": QUERY, "max_iterations": wrong})
