"""Which web pages of other origins may call: those that the settings name, and none besides.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from shared.errors import Forbidden

EXPOSED: Final = "ETag, Location, Retry-After, X-Request-Id, Server-Timing"
ALLOWED_HEADERS: Final = "Content-Type, Idempotency-Key, If-None-Match, X-Request-Id"
PREFLIGHT_SECONDS: Final = "3600"


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks if it may ask. Such a request carries no identity."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight(origin: str, allowed_origins: Sequence[str], methods: Sequence[str]) -> Response:
    """The answer to a preflight: what this origin may do here; nothing, without these headers, for an origin that is not allowed."""
    response = Response(status_code=204)
    if origin in allowed_origins:
        response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def refuse_foreign_page(method: str, headers: Mapping[str, str], allowed_origins: Callable[[], Sequence[str]]) -> None:
    """Let a page of another site change nothing: a form of its needs no preflight, and IAP's cookie goes with it.

    Every browser says where a request comes from (https://w3c.github.io/webappsec-fetch-metadata/), and no page can say otherwise.

    Raises:
        Forbidden: such a page sent this, and its origin is not allowed.
    """
    is_foreign = method not in {"GET", "HEAD", "OPTIONS"} and headers.get("sec-fetch-site") == "cross-site"
    if is_foreign and headers.get("origin") not in allowed_origins():
        raise Forbidden(
            "A page of another site sent this. Ask from the service's own page, or have its origin allowed."
        )


def allow(response: Response, origin: str, allowed_origins: Sequence[str]) -> None:
    """Let an allowed origin read an answer; IAP's cookie may come with its requests, so the origin is named, never `*`."""
    response.headers.append("Vary", "Origin")
    if origin in allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
