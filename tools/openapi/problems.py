"""Responses of errors, with the body and headers that the service itself generates for each error."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Final

from pydantic import BaseModel, Field

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
from shared.http import cors, requests
from shared.http.problems import (
    MEDIA_TYPE,
    STATUS_OF,
    BodyTooLarge,
    MalformedJson,
    MediaTypeUnsupported,
    problem,
)
from tools.openapi.schemas import Json

REQUEST_ID: Final = "22bdba5bbce4420c854a9d8b386f9aef"
RUN_ID: Final = "run_6534123de7ca"


class Problem(BaseModel):
    """Description of an error (RFC 9457)."""

    type: str = Field(pattern="^urn:haystack:problem:[a-z_]+$", description="The code, as a URN.")
    title: str = Field(description="Reason phrase of the HTTP status.")
    status: int = Field(ge=400, le=599, description="HTTP status.")
    detail: str = Field(description="What to do, in one or two sentences.")
    code: str = Field(pattern="^[a-z_]+$", description="Stable name for programs; more codes may be added.")
    request_id: str = Field(description="Id of the request, to quote in a support request.")


class FieldError(BaseModel):
    """One error in a request."""

    loc: list[str | int] = Field(description="Location: `body`, `query` or `header`, then the path to the field.")
    msg: str = Field(description="Error message.")
    type: str = Field(description="Kind of error.")


class InvalidRequestProblem(Problem):
    """Description of an invalid request, with all errors found."""

    errors: list[FieldError] = Field(description="Errors in the request.")


def _invalid(place: str, name: str, msg: str, kind: str) -> InvalidRequest:
    return InvalidRequest(
        f"Correct {name} and send the request again.", [{"loc": [place, name], "msg": msg, "type": kind}]
    )


ANY: Final = (Unauthenticated(), HaystackError("unexpected"), Unavailable("Firestore"))
FOREIGN: Final = (Forbidden(cors.FOREIGN_PAGE),)
BODY: Final = (
    *FOREIGN,
    MalformedJson(),
    BodyTooLarge(requests.MAX_BODY_BYTES),
    MediaTypeUnsupported(),
    _invalid("body", "query", "String should have at least 10 characters", "string_too_short"),
)
SUBMIT: Final = (IdempotencyMismatch(), TooManyRuns(20))
LIST: Final = (
    _invalid("query", "page_size", "Input should be less than or equal to 100", "less_than_equal"),
    InvalidPageToken(),
)
WAIT: Final = (_invalid("query", "wait", "Input should be less than or equal to 30", "less_than_equal"),)
RUN: Final = (RunNotFound(RUN_ID),)
NO_RESULT: Final = (RunNotCompleted(RUN_ID, "running", f"Poll /api/v1/runs/{RUN_ID} until it is done."),)
FINISHED: Final = (RunAlreadyFinished(RUN_ID, "completed"),)
DATASET: Final = (DatasetNotFound("atlantis", ["openproblems", "parse_pbmc", "tabula_sapiens"]),)
NAME: Final = (_invalid("query", "dataset", "String should have at most 63 characters", "string_too_long"),)

# Documented headers of problems and their components; the generated response shows which of them a problem has.
HEADERS: Final = {"Retry-After": "RetryAfter", "WWW-Authenticate": "Authenticate"}


def responses(errors: Iterable[HaystackError]) -> dict[str, Json]:
    """Return the error responses of an operation, by status; errors with the same status share a response."""
    ordered = sorted(errors, key=_status_of)
    return {str(status): _response(status, list(same)) for status, same in groupby(ordered, key=_status_of)}


def _status_of(error: HaystackError) -> int:
    return STATUS_OF.get(error.slug, 500)


def _response(status: int, errors: list[HaystackError]) -> Json:
    answers = [problem(error, REQUEST_ID) for error in errors]
    contents = [json.loads(bytes(answer.body)) for answer in answers]
    headers = {"X-Request-Id": "RequestId"}
    headers |= {name: component for name, component in HEADERS.items() if name in answers[0].headers}
    model = InvalidRequestProblem if status == 422 else Problem
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    examples = {content["code"]: {"value": content} for content in contents}
    return {
        "description": f"{HTTPStatus(status).phrase}: {' or '.join(f'`{code}`' for code in examples)}.",
        "headers": refer(headers),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def refer(headers: Mapping[str, str]) -> Json:
    """Return references to the header components with these names."""
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in headers.items()}
