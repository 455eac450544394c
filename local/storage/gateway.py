"""The gateway in front of fake-gcs-server, which verifies no signatures: it verifies signed URLs.

Paths of the XML API (`/bucket/object`, the form of signed URLs) need a valid V4 signature. Paths of the JSON API need none: Google's client
uses them with its own credentials, and there is no IAM to check them. So the gateway refuses requests of web pages there, and names that
would leave the bucket's folder (`object_names`).
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

from local.storage.object_names import NameRefused, check, named_query
from local.storage.signatures import Refused, SignedRequest, check_signature

JSON_API: Final = (b"/storage/v1/", b"/upload/", b"/download/storage/v1/", b"/resumable/")
UPLOADS: Final = (b"/upload/", b"/resumable/")
METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)

# Headers that concern one connection only (RFC 9110, section 7.6.1).
_HOP_BY_HOP: Final = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
# Headers that this gateway's own server writes.
_OWN: Final = {"date", "server"}
_CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"content-disposition, content-length, content-range, etag, x-goog-hash"),
)
# Query parameters of a signed URL that set response headers.
_OVERRIDES: Final = {f"response-{name}": name for name in ("content-disposition", "content-type")}


def storage_gateway(
    *,
    upstream: str,
    keys: Mapping[str, rsa.RSAPublicKey],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Return the gateway to the fake-gcs-server at `upstream` as an ASGI application; serve it with its lifespan.

    `keys` are the public keys of the signing accounts, by e-mail.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=upstream, timeout=TIMEOUT, trust_env=False) as client:
            app.state.client = client
            yield

    async def respond(request: Request) -> Response:
        path, query = request.scope["raw_path"], request.scope["query_string"]
        try:
            check(unquote(path.decode("ascii")))
            if not path.startswith(JSON_API):
                if request.method == "OPTIONS":
                    return _preflight(request)
                check_signature(_as_signed(request), keys, clock())
                for name in _OVERRIDES.keys() & request.query_params.keys():
                    check(request.query_params[name])
            elif "origin" in request.headers:
                raise Refused("AccessDenied", "Access denied.", "Web pages may not use this API.")
            elif path.startswith(UPLOADS) and request.method == "POST":
                query = named_query(request.query_params, await request.body())
        except Refused as refused:
            return _error(403, refused.code, refused.message, refused.details)
        except NameRefused as refused:
            return _error(400, "InvalidArgument", "Invalid argument.", str(refused))
        return await _forward(request, query)

    return Starlette(routes=[Route("/{path:path}", respond, methods=list(METHODS))], lifespan=lifespan)


def _as_signed(request: Request) -> SignedRequest:
    return SignedRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("ascii"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw],
    )


async def _forward(request: Request, query: bytes) -> Response:
    client: httpx.AsyncClient = request.app.state.client
    path = request.scope["raw_path"]
    # Uploads are read into memory, so that the client has sent everything when an early response arrives.
    is_upload = path.startswith(UPLOADS)
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    body = await request.body() if is_upload else request.stream()
    outgoing = client.build_request(
        request.method,
        client.base_url.copy_with(raw_path=path + b"?" + query if query else path),
        headers=[(name, value) for name, value in request.headers.raw if name.decode() not in _HOP_BY_HOP],
        content=body if has_body else None,
    )
    try:
        incoming = await _send_chunk(client, outgoing) if is_upload else await client.send(outgoing, stream=True)
    except httpx.TransportError as error:
        return _error(503, "ServiceUnavailable", "The storage server did not answer.", type(error).__name__)
    response = StreamingResponse(_body(incoming), status_code=incoming.status_code)
    response.raw_headers = _response_headers(request, incoming)
    return response


async def _send_chunk(client: httpx.AsyncClient, outgoing: httpx.Request) -> httpx.Response:
    """Send a part of an upload; if its response is lost, ask for the state of the upload, and return that if it is an error.

    If an upload session is over, fake-gcs-server answers at once and closes the connection without reading the chunk. The next write
    then fails with a reset, and httpx on asyncio loses the response.
    """
    try:
        return await client.send(outgoing, stream=True)
    except httpx.TransportError:
        if outgoing.method != "PUT":
            raise
        # Not `bytes */*`, which asks Cloud Storage for the state, but ends the upload in fake-gcs-server.
        query = client.build_request("PUT", outgoing.url, headers={"Content-Range": "bytes 0-0/*"})
        state = await client.send(query, stream=True)
        if state.is_error:
            return state
        await state.aclose()
        raise


async def _body(incoming: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in incoming.aiter_raw():
            yield chunk
    finally:
        await incoming.aclose()


def _response_headers(request: Request, incoming: httpx.Response) -> list[tuple[bytes, bytes]]:
    wanted = {
        _OVERRIDES[name].encode(): value.encode("latin-1", errors="replace")
        for name, value in request.query_params.items()
        if name in _OVERRIDES and incoming.is_success
    }
    forwarded = [
        (name.lower(), value)
        for name, value in incoming.headers.raw
        if name.lower().decode() not in _HOP_BY_HOP | _OWN
        and not name.lower().startswith(b"access-control-")
        and name.lower() not in wanted
    ]
    return [*forwarded, *wanted.items(), *_CORS]


def _preflight(request: Request) -> Response:
    """Answer a preflight request, which carries no signature."""
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
    """Return an error in the form of the XML API."""
    body = (
        "<?xml version='1.0' encoding='UTF-8'?>"
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Details>{escape(details)}</Details></Error>"
    )
    response = Response(body, status, media_type="application/xml; charset=UTF-8")
    response.raw_headers.extend(_CORS)
    return response
