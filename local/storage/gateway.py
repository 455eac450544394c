"""The gateway in front of fake-gcs-server, which checks no signature: signed URLs are checked here.

Objects by path (`/bucket/object`, the XML API's form, which signed URLs have) need a valid V4 signature. The JSON API's paths go through
without one: Google's client uses them with its own credentials, and no IAM stands here to ask. So they are closed to what is not such a
client, a web page of any origin above all, and names that would lead out of the bucket's folder are refused (`object_names`).
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from local.storage.early_answers import EarlyAnswers
from local.storage.object_names import NameRefused, Upload, check, upload
from local.storage.v4_signature import Refused, SignedRequest, check_signature

JSON_API: Final = (b"/storage/v1/", b"/upload/", b"/download/storage/v1/", b"/resumable/")
UPLOADS: Final = (b"/upload/", b"/resumable/")
METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""
_OWN: Final = frozenset({"date", "server"})
"""Headers that the server of this gateway writes itself."""
_CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"content-disposition, content-length, content-range, etag, x-goog-hash"),
)
_OVERRIDES: Final = {
    "response-content-disposition": "content-disposition",
    "response-content-type": "content-type",
}
"""Query parameters by which a signed URL chooses headers of the answer."""


def storage_gateway(
    *,
    upstream: str,
    keys: Mapping[str, rsa.RSAPublicKey],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The gateway as an ASGI application; serve it with its lifespan.

    Args:
        upstream: URL of fake-gcs-server.
        keys: public keys of the accounts that may sign, by e-mail.
        clock: the time now.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            httpx.AsyncClient(base_url=upstream, timeout=TIMEOUT, trust_env=False) as client,
            httpx.AsyncClient(base_url=upstream, transport=EarlyAnswers()) as pieces,
        ):
            app.state.client, app.state.pieces = client, pieces
            yield

    async def answer(request: Request) -> Response:
        path, started = request.scope["raw_path"], None
        try:
            check(unquote(path.decode("ascii")))
            if not path.startswith(JSON_API):
                if request.method == "OPTIONS":
                    return _preflight(request)
                check_signature(_as_signed(request), keys, clock())
                for name in _OVERRIDES.keys() & request.query_params.keys():
                    check(request.query_params[name])
            elif "origin" in request.headers:
                raise Refused("AccessDenied", "Access denied.", "This API is not for web pages.")
            elif path.startswith(UPLOADS) and request.method == "POST":
                started = await upload(request)
        except Refused as refused:
            return _error(403, refused.code, refused.message, refused.details)
        except NameRefused as refused:
            return _error(400, "InvalidArgument", "Invalid argument.", str(refused))
        is_piece = path.startswith(UPLOADS) and request.method == "PUT"
        return await _forward(request, started, request.app.state.pieces if is_piece else request.app.state.client)

    return Starlette(routes=[Route("/{path:path}", answer, methods=list(METHODS))], lifespan=lifespan)


def _as_signed(request: Request) -> SignedRequest:
    return SignedRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("ascii"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw],
    )


async def _forward(request: Request, started: Upload | None, client: httpx.AsyncClient) -> Response:
    target = request.scope["raw_path"]
    if query := started.query if started else request.scope["query_string"]:
        target += b"?" + query
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    body = started.body if started else request.stream()
    outgoing = client.build_request(
        request.method,
        client.base_url.copy_with(raw_path=target),
        headers=[(name, value) for name, value in request.headers.raw if name.decode() not in _HOP_BY_HOP],
        content=body if has_body else None,
    )
    try:
        incoming = await client.send(outgoing, stream=True)
    except httpx.TransportError as error:
        return _error(503, "ServiceUnavailable", "The storage server did not answer.", type(error).__name__)
    answer = StreamingResponse(_body(incoming), status_code=incoming.status_code)
    answer.raw_headers = _answer_headers(request, incoming)
    return answer


async def _body(incoming: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in incoming.aiter_raw():
            yield chunk
    finally:
        await incoming.aclose()


def _answer_headers(request: Request, incoming: httpx.Response) -> list[tuple[bytes, bytes]]:
    wanted = {
        _OVERRIDES[name].encode(): value.encode("latin-1", errors="replace")
        for name, value in request.query_params.items()
        if name in _OVERRIDES and incoming.is_success
    }
    kept = [
        (name.lower(), value)
        for name, value in incoming.headers.raw
        if name.lower().decode() not in _HOP_BY_HOP | _OWN
        and not name.lower().startswith(b"access-control-")
        and name.lower() not in wanted
    ]
    return [*kept, *wanted.items(), *_CORS]


def _preflight(request: Request) -> Response:
    """What a browser asks before a request of another origin; it carries no signature."""
    return Response(
        status_code=204,
        headers={
            "access-control-allow-origin": "*",
            "access-control-allow-methods": ", ".join(METHODS),
            "access-control-allow-headers": request.headers.get("access-control-request-headers", "*"),
            "access-control-max-age": "3600",
        },
    )


def _error(status: int, code: str, message: str, details: str) -> Response:
    """An error in the XML API's form."""
    body = (
        "<?xml version='1.0' encoding='UTF-8'?>"
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Details>{escape(details)}</Details></Error>"
    )
    answer = Response(body, status, media_type="application/xml; charset=UTF-8")
    answer.raw_headers.extend(_CORS)
    return answer
