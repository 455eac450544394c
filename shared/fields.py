"""Base model, field types and clock that the wire models, the stored records and the catalog share."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

# Returns the current time in UTC.
Clock = Callable[[], datetime]

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Characters of other categories than Cf that show nothing: a joiner, fillers, variation selectors and the blank of Braille.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


class Model(BaseModel):
    """Base of all models: immutable, rejects unknown fields. Its errors, which logs may hold, do not quote the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)

    @classmethod
    def from_stored(cls, fields: object) -> Self:
        """Read stored fields and ignore unknown ones, which newer code may have written during a rolling deployment."""
        return cls.model_validate(fields, extra="ignore")

    @classmethod
    def from_stored_json(cls, text: str | bytes) -> Self:
        """Read stored JSON and ignore unknown fields."""
        return cls.model_validate_json(text, extra="ignore")


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with microseconds and `Z`, so that equal times are equal strings."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _without_controls(value: object) -> object:
    # Control characters mean nothing in a question but much to a terminal, and HDF5 cannot store a null byte.
    if isinstance(value, str) and _CONTROLS.search(value):
        raise PydanticCustomError(
            "control_character", "Input should have no control characters except tabs and line breaks"
        )
    return value


def _without_invisible(value: object) -> object:
    # A soft hyphen or a zero-width space of a copied text would split a name, and a question must not consist of what nobody sees.
    if not isinstance(value, str) or value.isascii():
        return value
    visible = (character for character in value if unicodedata.category(character) != "Cf")
    return _INVISIBLE.sub("", "".join(visible))


Timestamp = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]
Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=5, max_length=2000),
    BeforeValidator(_without_invisible),
    BeforeValidator(_without_controls),
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Score = Annotated[int, Field(ge=1, le=10)]
RunId = Annotated[str, StringConstraints(pattern=r"^run_[0-9a-f]{12}$")]


class ControlStrategy(StrEnum):
    """What a prediction is compared with."""

    SYNTHETIC_CONTROL = "synthetic_control"  # predict twice, perturbed and control, and compare the two
    QUERY_AS_CONTROL = "query_as_control"  # compare the prediction with the unchanged query cells


class Answer(StrEnum):
    """Answer to the question whether a gene changes as asked."""

    YES = "yes"
    NO = "no"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


class LlmProvider(StrEnum):
    """Language model provider that may interpret the question."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE_GENAI = "google_genai"
