"""The query parameters of the endpoints that take some, as models: what is read is what the documentation lists."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from shared.fields import Model, Timestamp
from shared.runs import RunState

RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written_in_full(value: object) -> object:
    """Pydantic alone would take `0.5` for half a second after 1970 began."""
    if isinstance(value, str) and not RFC3339.fullmatch(value):
        raise PydanticCustomError("rfc3339", "Input should be a time as in RFC 3339, such as 2026-03-01T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; the first hours of the year 1 and the last of 9999 may have none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("rfc3339", "Input should be a time between the years 1 and 9999 in UTC") from None


Moment = Annotated[Timestamp, AfterValidator(_in_utc), BeforeValidator(_written_in_full)]


class ListQuery(Model):
    """Which of the caller's runs to list. With `page_token`, `page` is not looked at."""

    page: Annotated[int, Field(ge=1, le=10_000, description="The page by number, from 1. It bills what it skips.")] = 1
    page_size: Annotated[int, Field(ge=1, le=100, description="Runs a page.")] = 20
    status: Annotated[list[RunState], Field(description="Only runs in these states; may be repeated.")] = []
    created_after: Annotated[Moment | None, Field(description="Only runs created at this time or later.")] = None
    created_before: Annotated[Moment | None, Field(description="Only runs created before this time.")] = None
    page_token: Annotated[
        str | None,
        Field(max_length=500, description="`next_page_token` of the page before; every page costs the same."),
    ] = None


class StatusQuery(Model):
    """How to wait for a run's status."""

    wait: Annotated[
        int, Field(ge=0, le=30, description="Seconds to wait for a change before answering what is there.")
    ] = 0


class MetadataQuery(Model):
    """What to list of the catalog."""

    dataset: Annotated[str | None, Field(max_length=63, description="Only what this dataset has.")] = None
