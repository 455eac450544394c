"""Allow the web pages of other origins that the settings name, and no others.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from shared.errors import Forbidden

EXPOSED_HEADERS: Final = "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Request-Id"
# With `X-Requested-With: XMLHttpRequest`, IAP answers an expired session with 401 instead of a redirect.
ALLOWED_HEADERS: Final = "Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, X-Requested-With"
PREFLIGHT_SECONDS: Final = "3600"
FOREIGN_PAGE: Final = (
    "A page of another site sent this request. Use the service's own page, or ask its operator to allow your origin."
)


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is a browser's preflight, which carries no identity."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight(origin: str, allowed_origins: Sequence[str], methods: Sequence[str]) -> Response:
    """Return the response to a preflight; for an origin that is not allowed, it has none of these headers."""
    response = Response(status_code=204)
    if origin in allowed_origins:
        response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def refuse_foreign_page(method: str, headers: Mapping[str, str], allowed_origins: Callable[[], Sequence[str]]) -> None:
    """Refuse a change that a page of another site sends: its form needs no preflight, and IAP's cookie goes with it.

    Every browser sends the origin of a request, and no page can change it (https://w3c.github.io/webappsec-fetch-metadata/).

    Raises:
        Forbidden: the page's origin is not allowed.
    """
    is_foreign = method not in {"GET", "HEAD", "OPTIONS"} and headers.get("sec-fetch-site") == "cross-site"
    if is_foreign and headers.get("origin") not in allowed_origins():
        raise Forbidden(FOREIGN_PAGE)


def allow(response: Response, origin: str, allowed_origins: Sequence[str]) -> None:
    """Let an allowed origin read a response. Its requests may carry IAP's cookie, so the origin is named, never `*`."""
    response.headers.append("Vary", "Origin")
    if origin in allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
