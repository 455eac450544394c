"""What all models are made of: their base, and the kinds of field that more than one has."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

Clock = Callable[[], datetime]
"""The time now, in UTC."""


class Model(BaseModel):
    """The base of all models: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @classmethod
    def kept(cls, fields: object) -> Self:
        """What was kept, perhaps by newer code, as while functions are deployed one by one: fields unknown here are passed over."""
        return cls.model_validate(fields, extra="ignore")

    @classmethod
    def kept_json(cls, text: str | bytes) -> Self:
        """The same from JSON."""
        return cls.model_validate_json(text, extra="ignore")


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with microseconds and `Z`, so that equal moments are equal strings."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _without_controls(value: object) -> object:
    """Control characters mean nothing in a question, and much to a terminal; HDF5 cannot keep a null byte."""
    if isinstance(value, str) and _CONTROLS.search(value):
        raise PydanticCustomError("control_character", "Input should have no control characters but tabs and line ends")
    return value


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
Timestamp = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]
Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=2000),
    BeforeValidator(_without_controls),
]
Score = Annotated[int, Field(ge=1, le=10)]
RunId = Annotated[str, StringConstraints(pattern=r"^run_[0-9a-f]{12}$")]


class ControlStrategy(StrEnum):
    """What a prediction is compared with."""

    SYNTHETIC_CONTROL = "synthetic_control"  # predict twice, perturbed and control, and compare the two
    QUERY_AS_CONTROL = "query_as_control"  # compare the prediction with the query cells as they are
