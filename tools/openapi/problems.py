"""Responses of errors, with the body and headers that the service itself generates for each error."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Final

from starlette.responses import Response

from shared import errors
from shared.catalog.interpretation import (
    Caveat,
    CaveatCode,
    Interpretation,
    InterpretedCellType,
    InterpretedPerturbation,
)
from shared.errors import HaystackError, InvalidRequest
from shared.http import cors, requests
from shared.http.problems import MEDIA_TYPE, BodyTooLarge, MalformedJson, MediaTypeUnsupported, problem
from tools.openapi.schemas import Json

REQUEST_ID: Final = "22bdba5bbce4420c854a9d8b386f9aef"
RUN_ID: Final = "run_6534123de7ca"
# Name of the header that each component describes.
HEADERS: Final = {
    "ETag": "ETag",
    "CacheControl": "Cache-Control",
    "OptionalCacheControl": "Cache-Control",
    "Location": "Location",
    "NextPage": "Link",
    "RetryAfterWhileNotDone": "Retry-After",
    "RequestId": "X-Request-Id",
    "RetryAfter": "Retry-After",
    "Authenticate": "WWW-Authenticate",
    "RateLimit": "RateLimit",
    "RateLimitPolicy": "RateLimit-Policy",
}


def _invalid(place: str, name: str, msg: str, kind: str) -> InvalidRequest:
    return InvalidRequest(
        f"Correct {name} and send the request again.", [{"loc": [place, name], "msg": msg, "type": kind}]
    )


# Errors of every operation, and of those that authenticate the caller and read the store.
ANY: Final = (
    _invalid("query", "pages", "Extra inputs are not permitted", "extra_forbidden"),
    HaystackError("unexpected"),
)
AUTHENTICATED: Final = (errors.Unauthenticated(), errors.TooManyRequests(600, 5), errors.Unavailable("Firestore"))
LIMITS: Final = ("RateLimit", "RateLimitPolicy")
FOREIGN: Final = (errors.Forbidden(cors.FOREIGN_PAGE),)
BODY: Final = (
    *FOREIGN,
    MalformedJson(),
    BodyTooLarge(requests.MAX_BODY_BYTES),
    MediaTypeUnsupported(),
    _invalid("body", "query", "String should have at least 5 characters", "string_too_short"),
)
REFUSED: Final = Interpretation(
    answerable=False,
    dataset=None,
    cell_type=InterpretedCellType(
        name="CD14-positive monocyte",
        cell_ontology_id="CL:0001054",
        matched_text="CD14 monocytes",
        match="synonym",
        used=None,
    ),
    perturbation=InterpretedPerturbation(
        name="IFN-gamma", kind="cytokine", matched_text="IFNGR1", match="related", evidence=None, used=None
    ),
    caveats=[
        Caveat(
            code=CaveatCode.KNOCKOUT,
            text="knockout of IFNGR1",
            detail='"knockout of IFNGR1" removes a gene, and no atlas has measured that.',
            blocking=True,
        )
    ],
)
SUBMIT: Final = (
    errors.QuestionNotAnswerable(
        REFUSED.reasons, REFUSED.model_dump(mode="json"), ["How would CD14 monocytes respond to IFN-gamma?"]
    ),
    errors.IdempotencyMismatch(),
    errors.NotificationRefused(
        "webhook", "This service sends webhooks only to: hooks.example.org. Use one of these hosts, with https."
    ),
    errors.TooManyRuns(20),
)
LIST: Final = (
    _invalid("query", "page_size", "Input should be less than or equal to 100", "less_than_equal"),
    errors.InvalidPageToken(),
)
WAIT: Final = (
    _invalid("query", "wait", "Input should be less than or equal to 30", "less_than_equal"),
    errors.TooManyWaitingRequests(20),
)
RUN: Final = (errors.RunNotFound(RUN_ID),)
NO_RESULT: Final = (errors.RunNotCompleted(RUN_ID, "running", f"Poll /api/v1/runs/{RUN_ID} until it is done."),)
FINISHED: Final = (errors.RunAlreadyFinished(RUN_ID, "completed"), errors.RunChanged(RUN_ID))
NOT_FINISHED: Final = (errors.RunNotFinished(RUN_ID, "is running. Cancel it first."),)
DATASET: Final = (errors.DatasetNotFound("atlantis", ["openproblems", "parse_pbmc", "tabula_sapiens"]),)
NAME: Final = (_invalid("query", "dataset", "String should have at most 63 characters", "string_too_long"),)
ALL: Final = (
    _invalid("query", "all", "Input should be a valid boolean", "bool_type"),
    _invalid("query", "page_size", "Input should be less than or equal to 1000", "less_than_equal"),
)
# Schemas of the bodies that have more fields than every problem.
SCHEMAS: Final = {422: "InvalidRequestProblem", 429: "LimitReachedProblem"}
SCHEMA_OF: Final = {"question_not_answerable": "QuestionNotAnswerableProblem"}


def responses(possible: Iterable[HaystackError]) -> dict[str, Json]:
    """Return the error responses of an operation, by status; errors with the same status share a response."""
    status_of = attrgetter("status_code")
    answers = sorted((problem(error, REQUEST_ID) for error in possible), key=status_of)
    return {str(status): _response(status, list(same)) for status, same in groupby(answers, key=status_of)}


def headers(components: Iterable[str]) -> Json:
    """Return references to header components by the names of the headers."""
    return {HEADERS[name]: {"$ref": f"#/components/headers/{name}"} for name in components}


def _response(status: int, answers: list[Response]) -> Json:
    examples = {content["code"]: {"value": content} for content in (json.loads(bytes(each.body)) for each in answers)}
    sent = [name for name in ("RetryAfter", "Authenticate") if HEADERS[name] in answers[0].headers]
    sent += LIMITS if status == HTTPStatus.TOO_MANY_REQUESTS else ()
    names = dict.fromkeys(SCHEMA_OF.get(code, SCHEMAS.get(status, "Problem")) for code in examples)
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    titles = [f"{each['value']['title']} (`{code}`)" for code, each in examples.items()]
    return {
        "description": f"{' or '.join(titles)}.",
        "headers": headers(["RequestId", *sent]),
        "content": {
            MEDIA_TYPE: {
                "schema": references[0] if len(references) == 1 else {"anyOf": references},
                "examples": examples,
            }
        },
    }
