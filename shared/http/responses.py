"""Return models as JSON, with an ETag, `Retry-After` for runs, and gzip for long responses."""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from shared.runs.states import Phase

if TYPE_CHECKING:  # the health function starts without pydantic, and without limits
    from pydantic import BaseModel

    from shared.auth.limits import Allowance
    from shared.runs.schemas import RunStatus

# Seconds until a pending run is worth polling again: a machine takes a minute to start.
RETRY_AFTER_PENDING: Final = 5
# Seconds until a running run is worth polling again: in general, and in the longer phases.
RETRY_AFTER_RUNNING: Final = 2
RETRY_AFTER_IN: Final[Mapping[Phase | None, int]] = {Phase.INFERENCE: 5, Phase.EVALUATION: 3}
# Shorter responses do not gain from compression.
MIN_GZIP_BYTES: Final = 1024
# Nearly as small as level 9 on JSON, in a third of its time.
GZIP_LEVEL: Final = 5
# The `wbits` that make zlib write gzip's header and trailer (https://docs.python.org/3/library/zlib.html#zlib.compressobj). The header
# contains no time, so equal responses have equal bytes.
GZIP_WBITS: Final = 31
_GZIP_REFUSED: Final = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def json_response(request: Request, content: "BaseModel | Sequence[BaseModel | str]", **headers: str) -> Response:
    """Return content as JSON with a strong ETag, or 304 if `If-None-Match` names it; headers have underscores for hyphens."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return body_response(request, _encode(content), "application/json", extra)


def body_response(request: Request, body: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return a body with a strong ETag, or 304 if `If-None-Match` names it."""
    extra = {**headers, "ETag": _etag(body)}
    if request.method in {"GET", "HEAD"} and _matches(request, body):
        if _gains_from_gzip(body, request.headers.get("accept-encoding", "")):
            extra["ETag"] = _etag_of_gzip(extra["ETag"])  # as the 200 response would have it (RFC 9110, section 15.4.5)
        return Response(status_code=304, headers=extra)
    return Response(body, headers=extra, media_type=media_type)


def run_response(request: Request, status: "RunStatus", **headers: str) -> Response:
    """Return a run's status, private to its owner, with `Retry-After` until the run is done."""
    if not status.done:
        running = RETRY_AFTER_IN.get(status.current_phase, RETRY_AFTER_RUNNING)
        headers["Retry_After"] = str(running if status.status == "running" else RETRY_AFTER_PENDING)
    return json_response(request, status, Cache_Control="private, no-cache", **headers)


def matches_etag(request: Request, content: "BaseModel") -> bool:
    """Return whether `If-None-Match` names this content."""
    return _matches(request, _encode(content))


def rate_limit_headers(allowance: "Allowance") -> dict[str, str]:
    """Return what is left of a caller's requests as headers.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    return {
        "RateLimit-Policy": f'"requests";q={allowance.quota};w={allowance.window_seconds}',
        "RateLimit": f'"requests";r={allowance.remaining};t={allowance.reset_seconds}',
    }


def satisfies_if_match(request: Request, content: "BaseModel") -> bool:
    """Return whether `If-Match` names this content: strongly, as RFC 9110 defines it, so that no weak ETag does."""
    given = ", ".join(request.headers.getlist("if-match"))
    etags = (part.strip().replace('-gzip"', '"') for part in given.split(","))
    return given.strip() == "*" or _etag(_encode(content)) in etags


def compress(response: Response, accept_encoding: str) -> None:
    """Compress a long response in place if the client accepts gzip.

    The compressed form is another representation, so its ETag is another one, with `-gzip` at its end.
    """
    response.headers.append("Vary", "Accept-Encoding")
    if "content-encoding" in response.headers or not _gains_from_gzip(bytes(response.body), accept_encoding):
        return
    response.body = zlib.compress(response.body, GZIP_LEVEL, GZIP_WBITS)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    if etag := response.headers.get("etag"):
        response.headers["ETag"] = _etag_of_gzip(etag)


def _gains_from_gzip(body: bytes, accept_encoding: str) -> bool:
    return len(body) >= MIN_GZIP_BYTES and "gzip" in accept_encoding and not _GZIP_REFUSED.search(accept_encoding)


def _etag_of_gzip(etag: str) -> str:
    return etag.removesuffix('"') + '-gzip"'


def _encode(content: "BaseModel | Sequence[BaseModel | str]") -> bytes:
    if not isinstance(content, Sequence):
        return content.model_dump_json().encode()
    plain = [item if isinstance(item, str) else item.model_dump(mode="json") for item in content]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _matches(request: Request, body: bytes) -> bool:
    """Compare ETags weakly, as RFC 9110 defines it for `If-None-Match`, with and without the suffix of `compress`."""
    given = ", ".join(request.headers.getlist("if-none-match"))
    etags = (part.strip().removeprefix("W/").replace('-gzip"', '"') for part in given.split(","))
    return given.strip() == "*" or _etag(body) in etags
