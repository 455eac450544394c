"""The error answers, each with the body and headers that the service itself makes of the error."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, Field

from local.openapi.schemas import Json
from shared.errors import (
    DatasetNotFound,
    Forbidden,
    HaystackError,
    IdempotencyMismatch,
    InvalidPageToken,
    InvalidRequest,
    RunAlreadyFinished,
    RunNotCompleted,
    RunNotFound,
    TooManyRuns,
    Unauthenticated,
    Unavailable,
)
from shared.http import requests
from shared.http.problems import (
    MEDIA_TYPE,
    STATUS_OF,
    BodyTooLarge,
    MalformedJson,
    MediaTypeUnsupported,
    problem,
)

REQUEST_ID: Final = "22bdba5bbce4420c854a9d8b386f9aef"
RUN_ID: Final = "run_6534123de7ca"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(pattern="^urn:haystack:problem:[a-z_]+$", description="The code, as a URN.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="A sentence that says what to do.")
    code: str = Field(pattern="^[a-z_]+$", description="A stable name, for programs. More may be added.")
    request_id: str = Field(description="Quote it when you ask about this answer.")


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int] = Field(description="Where: `body`, `query` or `header`, then the way to it.")
    msg: str = Field(description="What is wrong.")
    type: str = Field(description="The kind of fault.")


class InvalidRequestProblem(Problem):
    """A request that can never be accepted as it is, with everything that is wrong with it."""

    errors: list[Fault] = Field(description="The faults.")


def _fault(place: str, name: str, msg: str, kind: str) -> InvalidRequest:
    return InvalidRequest(
        f"Correct {name} and send the request again.", [{"loc": [place, name], "msg": msg, "type": kind}]
    )


ANY: Final = (Unauthenticated(), HaystackError("unexpected"), Unavailable("Firestore"))
FOREIGN: Final = (
    Forbidden("A page of another site sent this. Ask from the service's own page, or have its origin allowed."),
)
BODY: Final = (
    *FOREIGN,
    MalformedJson(),
    BodyTooLarge(requests.LIMIT),
    MediaTypeUnsupported(),
    _fault("body", "query", "String should have at least 10 characters", "string_too_short"),
)
SUBMIT: Final = (IdempotencyMismatch(), TooManyRuns(20))
LIST: Final = (
    _fault("query", "page_size", "Input should be less than or equal to 100", "less_than_equal"),
    InvalidPageToken(),
)
WAIT: Final = (_fault("query", "wait", "Input should be less than or equal to 30", "less_than_equal"),)
RUN: Final = (RunNotFound(RUN_ID),)
NO_RESULT: Final = (RunNotCompleted(RUN_ID, "running", f"Poll /api/v1/runs/{RUN_ID} until it is done."),)
FINISHED: Final = (RunAlreadyFinished(RUN_ID, "completed"),)
DATASET: Final = (DatasetNotFound("atlantis", ["openproblems", "parse_pbmc", "tabula_sapiens"]),)
NAME: Final = (_fault("query", "dataset", "String should have at most 63 characters", "string_too_long"),)

HEADERS: Final = MappingProxyType({"Retry-After": "RetryAfter", "WWW-Authenticate": "Authenticate"})
"""The headers of problems that the document describes, with their components; which problem has them, its answer tells."""


def status_of(error: HaystackError) -> int:
    """The status that an error is answered with."""
    return STATUS_OF.get(error.slug, 500)


def responses(errors: Iterable[HaystackError]) -> dict[str, Json]:
    """The error responses of an operation, by status.

    Args:
        errors: what can go wrong, as examples; those of one status become one response.
    """
    ordered = sorted(errors, key=status_of)
    return {str(status): _response(status, list(same)) for status, same in groupby(ordered, key=status_of)}


def _response(status: int, errors: list[HaystackError]) -> Json:
    answers = [problem(error, REQUEST_ID) for error in errors]
    examples = {
        content["code"]: {"value": content} for content in (json.loads(bytes(answer.body)) for answer in answers)
    }
    headers = {"X-Request-Id": "RequestId"}
    headers |= {name: component for name, component in HEADERS.items() if name in answers[0].headers}
    model = InvalidRequestProblem if status == 422 else Problem
    codes = " or ".join(f"`{code}`" for code in examples)
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}.",
        "headers": refer(headers),
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "examples": examples},
        },
    }


def refer(headers: Mapping[str, str]) -> Json:
    """Headers as references to the components of these names."""
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in headers.items()}
