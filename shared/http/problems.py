"""Errors as HTTP problems (RFC 9457): the one table from a domain error's slug to a status."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from shared.errors import HaystackError, InvalidRequest

MEDIA_TYPE: Final = "application/problem+json"

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
        "body_too_large": 413,
        "media_type_unsupported": 415,
        "invalid_request": 422,
        "invalid_page_token": 422,
        "idempotency_mismatch": 422,
        "too_many_runs": 429,
        "internal": 500,
        "unavailable": 503,
    }
)
"""Slugs that are not here (a lost race inside the service, wrong settings) are bugs to a client: 500 `internal`."""

RETRY_AFTER: Final = MappingProxyType({429: "30", 503: "5"})


class MalformedJson(HaystackError):
    """A body that says it is JSON and is not."""

    slug = "malformed_json"

    def __init__(self) -> None:
        super().__init__("The body is not valid JSON. Send one JSON object in UTF-8.")


class BodyTooLarge(HaystackError):
    """A body beyond the limit."""

    slug = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit // 1024} KiB. Send a shorter one.")


class MediaTypeUnsupported(HaystackError):
    """A body of another kind than JSON."""

    slug = "media_type_unsupported"

    def __init__(self) -> None:
        super().__init__("Send the body as JSON, with the header Content-Type: application/json.")


class ContentCodingUnsupported(MediaTypeUnsupported):
    """A body that is compressed: it may be small and mean a great deal."""

    def __init__(self) -> None:
        HaystackError.__init__(self, "Send the body as it is, uncompressed: without the header Content-Encoding.")


class MethodNotAllowed(HaystackError):
    """A path of ours with a method that it does not answer."""

    slug = "method_not_allowed"

    def __init__(self, method: str, allow: Sequence[str]) -> None:
        super().__init__(f"{method} is not answered here. Use {' or '.join(allow)}.")
        self.allow = tuple(allow)


class UnknownPath(HaystackError):
    """A path that is not ours."""

    slug = "not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this path. The API is below /api/v1.")


def problem(error: HaystackError, request_id: str) -> Response:
    """The answer for an error.

    Args:
        error: what went wrong. Its detail is told, unless its slug is not in the table: that is a bug, told as such.
        request_id: what the client can quote, and the logs hold.
    """
    code = error.slug if error.slug in STATUS_OF else "internal"
    status = STATUS_OF[code]
    internal = code == "internal"
    content: dict[str, object] = {
        "type": f"urn:haystack:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "Something went wrong on our side. Quote the request_id when you ask about it."
        if internal
        else error.detail,
        "code": code,
        "request_id": request_id,
    }
    if isinstance(error, InvalidRequest):
        content["errors"] = error.errors
    return Response(
        json.dumps(content, ensure_ascii=False), status, headers=_headers(error, status), media_type=MEDIA_TYPE
    )


def _headers(error: HaystackError, status: int) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allow)
    if isinstance(error, ContentCodingUnsupported):
        headers["Accept-Encoding"] = "identity"  # RFC 9110, section 15.5.16
    if status in RETRY_AFTER:
        headers["Retry-After"] = RETRY_AFTER[status]
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
