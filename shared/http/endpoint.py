"""The decorator around every function: it finds the route, the caller and the request id, and lets no error out unanswered.

Nothing here imports pydantic or a Google client, so that the health function stays light.
"""

import asyncio
import os
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import functions_framework.aio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from shared import logs, routes
from shared.errors import HaystackError, SettingsInvalid, Unavailable
from shared.http import cors, startup
from shared.http.problems import MethodNotAllowed, UnknownPath, problem
from shared.http.responses import compress
from shared.http.startup import FirstAnswer
from shared.logs import Severity

if TYPE_CHECKING:
    from shared.auth.identity import Caller, Identity

REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
TRACE: Final = re.compile(r"([0-9a-f]{32})/")
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}


class Call(NamedTuple):
    """A request that found its function.

    Attributes:
        request: as the framework gives it.
        params: the path's parameters.
        request_id: the client's, or one made here.
        caller: who is asking; None for an anonymous route.
    """

    request: Request
    params: Mapping[str, str]
    request_id: str
    caller: "Caller | None"

    @property
    def user(self) -> "Caller":
        """The caller of a route that is never anonymous."""
        assert self.caller is not None
        return self.caller


Handler = Callable[[Call], Awaitable[Response]]
FrameworkHandler = Callable[[Request], Awaitable[Response]]


def endpoint(function: str, identity: "Callable[[], Identity] | None" = None) -> Callable[[Handler], FrameworkHandler]:
    """Make a function's `handle` of a handler that knows only its own work.

    Args:
        function: the function's name in the route table.
        identity: gives the port that knows callers; None for a function whose routes are anonymous.
    """

    def decorate(handler: Handler) -> FrameworkHandler:
        startup.only_errors()
        first = FirstAnswer()

        @wraps(handler)
        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            request_id = _request_id(request)
            with first.undisturbed(), logs.fields(request_id=request_id, function=function, **_trace(request)):
                try:
                    response = await _answer(function, identity, handler, request, request_id)
                except HaystackError as error:
                    response = problem(error, request_id)
                    if response.status_code >= 500:
                        logs.log(Severity.ERROR, "request failed", error=error)
                except asyncio.CancelledError:
                    # Only a server that ends, and has waited long enough, cancels a request. It would answer with plain text.
                    response = problem(Unavailable("This instance of the service"), request_id)
                except Exception as error:  # noqa: BLE001  # the last wall: the framework would answer with plain text
                    logs.log(Severity.ERROR, "unexpected error", error=error)
                    response = problem(HaystackError("unexpected"), request_id)
                milliseconds = round((time.perf_counter() - started) * 1000, 2)
                _finish(request, response, request_id, milliseconds)
                severity = Severity.ERROR if response.status_code >= 500 else Severity.INFO
                logs.log(severity, "request", method=request.method, status=response.status_code, ms=milliseconds)
            return _without_body(response) if request.method == "HEAD" else response

        # Registered as asynchronous, so that `functions-framework --target handle` runs it without being told.
        return cast("FrameworkHandler", functions_framework.aio.http(handle))

    return decorate


async def _answer(
    function: str,
    identity: "Callable[[], Identity] | None",
    handler: Handler,
    request: Request,
    request_id: str,
) -> Response:
    found = routes.match(request.method, request.url.path)
    if found is None:
        raise UnknownPath
    if isinstance(found, routes.MethodMismatch):
        if identity is not None and cors.is_preflight(request.method, request.headers):
            return cors.preflight(request.headers["origin"], _allowed_origins(), found.allow)
        raise MethodNotAllowed(request.method, found.allow)
    if found.route.function != function:
        # The balancer sent us what is another's; only a wrong deployment does that.
        raise UnknownPath
    logs.add(route=found.route.template, **found.params)
    cors.refuse_foreign_page(request.method, request.headers, _allowed_origins)
    caller = None
    if identity is not None:
        caller = await identity().identify(_joined(request.headers))
        logs.add(user=logs.user_hash(caller.email))
    elif not found.route.anonymous:
        raise RuntimeError(f"{function} answers without knowing its caller")
    return await handler(Call(request, found.params, request_id, caller))


def _joined(headers: Headers) -> dict[str, str]:
    """Headers with repeated ones joined by commas (RFC 9110, 5.2): of two assertions, neither is taken for the true one."""
    return {name: ", ".join(headers.getlist(name)) for name in headers}


def _allowed_origins() -> tuple[str, ...]:
    from shared import wiring  # noqa: PLC0415  # the health function, which has no use for it, starts without it

    try:
        return wiring.container().settings.allowed_origins
    except SettingsInvalid:
        return ()  # the answer itself is already the 500 that says so, in the log


def _finish(request: Request, response: Response, request_id: str, milliseconds: float) -> None:
    """Put on what every answer carries."""
    response.headers.update({"X-Request-Id": request_id, **SECURITY_HEADERS})
    response.headers["Server-Timing"] = f"total;dur={milliseconds}"
    response.headers.setdefault("Cache-Control", "no-store")
    if "origin" in request.headers:
        cors.allow(response, request.headers["origin"], _allowed_origins())
    compress(response, request.headers.get("accept-encoding", ""))


def _without_body(response: Response) -> Response:
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _trace(request: Request) -> dict[str, str]:
    found = TRACE.match(request.headers.get("x-cloud-trace-context", ""))
    # The settings would bring pydantic into the health function, which is to start fast.
    project = os.environ.get("PROJECT", "")
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{found[1]}"} if found else {}
