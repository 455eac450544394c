"""Return errors as HTTP problems (RFC 9457). This module has the only table from a domain error's slug to an HTTP status."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from shared.errors import HaystackError, InvalidRequest, LimitReached, QuestionNotAnswerable

MEDIA_TYPE: Final = "application/problem+json"

# Slugs that are not in this table (a lost race inside the service, invalid settings) are bugs to a client: 500 `internal`.
STATUS_OF: Final = MappingProxyType(
    {
        "malformed_json": 400,
        "run_not_completed": 400,
        "run_already_finished": 400,
        "unauthenticated": 401,
        "forbidden": 403,
        "not_found": 404,
        "run_not_found": 404,
        "dataset_not_found": 404,
        "method_not_allowed": 405,
        "run_not_finished": 409,
        "body_too_large": 413,
        "media_type_unsupported": 415,
        "invalid_request": 422,
        "invalid_page_token": 422,
        "idempotency_mismatch": 422,
        "notification_refused": 422,
        "question_not_answerable": 422,
        "too_many_runs": 429,
        "too_many_requests": 429,
        "too_many_waiting_requests": 429,
        "internal": 500,
        "unavailable": 503,
    }
)
RETRY_AFTER_UNAVAILABLE: Final = 5
INTERNAL_DETAIL: Final = "The service failed unexpectedly. Try again; if it fails again, report the request_id."


class MalformedJson(HaystackError):
    """The body is not valid JSON."""

    slug = "malformed_json"
    detail = "The body is not valid JSON. Send one JSON object in UTF-8."


class BodyTooLarge(HaystackError):
    """The body exceeds the size limit."""

    slug = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit // 1024} KiB. Send a shorter one.")


class MediaTypeUnsupported(HaystackError):
    """The body has another media type than JSON."""

    slug = "media_type_unsupported"
    detail = "Send the body as JSON, with the header Content-Type: application/json."


class ContentCodingUnsupported(MediaTypeUnsupported):
    """The body is compressed, so that a short body may expand to a very long one."""

    detail = "Send the body uncompressed, without the header Content-Encoding."


class MethodNotAllowed(HaystackError):
    """The path exists, but not with this method."""

    slug = "method_not_allowed"

    def __init__(self, method: str, allow: Sequence[str]) -> None:
        super().__init__(f"{method} is not allowed here. Use {' or '.join(allow)}.")
        self.allow = tuple(allow)


class UnknownPath(HaystackError):
    """The path does not exist."""

    slug = "not_found"
    detail = "This path does not exist. The API is under /api/v1."


# Ends every 404: a person who follows a wrong link learns where the service begins.
SIGNPOST: Final = " The page of the service is at /; a local service documents the API at /docs."


def problem(error: HaystackError, request_id: str) -> Response:
    """Return the response for an error. An error whose slug is not in the table is a bug, so its detail is not shown."""
    code = error.slug if error.slug in STATUS_OF else "internal"
    status = STATUS_OF[code]
    content: dict[str, object] = {
        "type": f"urn:haystack:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": INTERNAL_DETAIL if code == "internal" else error.detail + SIGNPOST * (status == 404),
        "code": code,
        "request_id": request_id,
    }
    if isinstance(error, InvalidRequest):
        content["errors"] = error.errors
    if isinstance(error, QuestionNotAnswerable):
        content |= {
            "interpretation": error.interpretation,
            "reasons": error.reasons,
            "suggestions": error.suggestions,
        }
    if isinstance(error, LimitReached):
        content["limit"] = error.limit
    response = Response(json.dumps(content, ensure_ascii=False), status, media_type=MEDIA_TYPE)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allow)
    if isinstance(error, ContentCodingUnsupported):
        response.headers["Accept-Encoding"] = "identity"  # RFC 9110, section 15.5.16
    if isinstance(error, LimitReached):
        response.headers["Retry-After"] = str(error.retry_after)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_UNAVAILABLE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
