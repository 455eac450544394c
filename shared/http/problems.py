"""Return errors as HTTP problems (RFC 9457). This module has the only table from a domain error's slug to an HTTP status."""

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from starlette.responses import Response

from shared.errors import HaystackError, InvalidRequest, LimitReached, QuestionNotAnswerable

MEDIA_TYPE: Final = "application/problem+json"
# Maximum number of validation errors returned: a body with nothing but errors would get a response of eight times its size.
MAX_ERRORS: Final = 20
# Maximum number of characters returned of an unknown field's name.
MAX_NAME_LENGTH: Final = 100

# Each problem type is a URI of the section on errors in docs/api.md. The host is reserved (RFC 2606) until the documentation has an
# address of its own: clients compare this URI, so it must not change with the deployment.
DOCUMENTATION: Final = "https://haystack.example.org/docs/api"


class Kind(NamedTuple):
    """The status and the title of a problem. The title names the problem; reason phrases of statuses change with Python."""

    status: int
    title: str


# Slugs that are not in this table (a lost race inside the service, invalid settings) are bugs to a client: 500 `internal`.
KINDS: Final = MappingProxyType(
    {
        "malformed_json": Kind(400, "Malformed JSON"),
        "run_not_completed": Kind(400, "Run not completed"),
        "run_already_finished": Kind(400, "Run already finished"),
        "unauthenticated": Kind(401, "Not signed in"),
        "forbidden": Kind(403, "Not allowed"),
        "not_found": Kind(404, "Unknown path"),
        "run_not_found": Kind(404, "Run not found"),
        "dataset_not_found": Kind(404, "Dataset not found"),
        "method_not_allowed": Kind(405, "Method not allowed"),
        "run_not_finished": Kind(409, "Run not finished"),
        "run_changed": Kind(412, "Run changed"),
        "body_too_large": Kind(413, "Body too large"),
        "media_type_unsupported": Kind(415, "Media type not supported"),
        "invalid_request": Kind(422, "Invalid request"),
        "invalid_page_token": Kind(422, "Invalid page token"),
        "idempotency_mismatch": Kind(422, "Idempotency-Key used with another request"),
        "notification_refused": Kind(422, "Notification refused"),
        "question_not_answerable": Kind(422, "Question not answerable"),
        "too_many_runs": Kind(429, "Too many active runs"),
        "too_many_requests": Kind(429, "Too many requests"),
        "too_many_waiting_requests": Kind(429, "Too many waiting requests"),
        "internal": Kind(500, "Unexpected failure"),
        "unavailable": Kind(503, "Service temporarily unavailable"),
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
SIGNPOST: Final = " The page of the service is at /, the documentation of the API at /docs."


def problem(error: HaystackError, request_id: str) -> Response:
    """Return the response for an error. An error whose slug is not in the table is a bug, so its detail is not shown."""
    code = error.slug if error.slug in KINDS else "internal"
    status, title = KINDS[code]
    content: dict[str, object] = {
        "type": f"{DOCUMENTATION}#{code}",
        "title": title,
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
