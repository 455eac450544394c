"""Wrap every function: find the route, the caller and the request id, and turn every error into a problem.

This module imports neither pydantic nor Google's clients, so that the health function starts fast.
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

from shared import logs, routes, wiring
from shared.errors import HaystackError, InvalidRequest, SettingsInvalid, TooManyRequests, Unavailable
from shared.http import cors, startup
from shared.http.problems import MAX_ERRORS, MAX_NAME_LENGTH, MethodNotAllowed, UnknownPath, problem
from shared.http.responses import compress, rate_limit_headers
from shared.logs import Severity

if TYPE_CHECKING:
    from shared.auth.identity import Caller

REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
TRACE: Final = re.compile(r"([0-9a-f]{32})/")
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}


class Call(NamedTuple):
    """A request that matches a route of its function, with the path's parameters; an anonymous route has no caller."""

    request: Request
    params: Mapping[str, str]
    request_id: str
    caller: "Caller | None"

    @property
    def user(self) -> "Caller":
        """Return the caller of a route that is never anonymous."""
        assert self.caller is not None
        return self.caller


Handler = Callable[[Call], Awaitable[Response]]
FrameworkHandler = Callable[[Request], Awaitable[Response]]


def endpoint(function: str) -> Callable[[Handler], FrameworkHandler]:
    """Turn a handler into the function that the framework serves.

    Args:
        function: the function's name in the route table, which also says who may call it.
    """

    def decorate(handler: Handler) -> FrameworkHandler:
        startup.begin()
        made = _Endpoint(function, handler)

        @wraps(handler)
        async def handle(request: Request) -> Response:
            return await made.respond(request)

        # Registers the function as asynchronous, so that `functions-framework --target handle` needs no other option.
        return cast("FrameworkHandler", functions_framework.aio.http(handle))

    return decorate


class _Endpoint(NamedTuple):
    function: str
    handler: Handler

    async def respond(self, request: Request) -> Response:
        """Respond to a request, whatever happens."""
        started = time.perf_counter()
        headers: dict[str, str] = {}
        request_id = _request_id(request)
        with logs.fields(request_id=request_id, function=self.function, **_trace(request)):
            try:
                response = await self._dispatch(request, request_id, headers)
            except HaystackError as error:
                response = problem(error, request_id)
                if response.status_code >= 500:
                    logs.log(Severity.ERROR, "request failed", error=error)
            except asyncio.CancelledError:
                # Only a server that stops cancels a request, after its grace period. Without this, it responds with plain text.
                response = problem(Unavailable("This instance of the service"), request_id)
            except Exception as error:  # noqa: BLE001  # otherwise the framework responds with plain text
                logs.log(Severity.ERROR, "unexpected error", error=error)
                response = problem(HaystackError("unexpected"), request_id)
            response.headers.update(headers)
            milliseconds = round((time.perf_counter() - started) * 1000, 2)
            _add_headers(request, response, request_id, milliseconds)
            severity = Severity.ERROR if response.status_code >= 500 else Severity.INFO
            logs.log(severity, "request", method=request.method, status=response.status_code, ms=milliseconds)
        startup.finish()
        return response  # the server omits the body for HEAD

    async def _dispatch(self, request: Request, request_id: str, headers: dict[str, str]) -> Response:
        """Respond to a request, and put the headers of every response to its caller, also of errors, into `headers`."""
        found = routes.match(request.method, request.scope["path"])  # `request.url` drops line breaks
        if found is None:
            raise UnknownPath
        if isinstance(found, routes.MethodMismatch):
            if cors.is_preflight(request.method, request.headers):
                return cors.preflight(request.headers["origin"], _allowed_origins(), found.allow)
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": ", ".join(sorted([*found.allow, "OPTIONS"]))})
            raise MethodNotAllowed(request.method, found.allow)
        if found.route.function != self.function:
            # Only a wrong deployment routes another function's request here.
            raise UnknownPath
        logs.add(route=found.route.template, **found.params)
        cors.refuse_foreign_page(request.method, request.headers, _allowed_origins)
        caller = None
        if not found.route.anonymous:
            container = wiring.container()
            identity = container.service_identity if found.route.internal else container.identity
            caller = await identity.identify(_joined(request.headers))
            logs.add(user=logs.user_hash(caller.subject))
            allowance = None if found.route.internal else container.caller_limits.admit(caller)
            if allowance is not None:
                headers |= rate_limit_headers(allowance)
                if not allowance.admitted:
                    raise TooManyRequests(allowance.quota, allowance.reset_seconds)
        if not (found.route.query or found.route.internal):
            _refuse_query(request)
        return await self.handler(Call(request, found.params, request_id, caller))


async def respond_without_function(request: Request) -> Response:
    """Respond to a request that the framework passes to no function: its method is none that any function has."""
    return await _Endpoint(routes.DEFAULT_FUNCTION, _unreachable).respond(request)


async def _unreachable(_: Call) -> Response:
    raise UnknownPath


def _refuse_query(request: Request) -> None:
    """Refuse query parameters, as the body and `requests.parse_query` refuse what they do not know.

    Raises:
        InvalidRequest: there are some.
    """
    names = sorted({name[:MAX_NAME_LENGTH] for name in request.query_params})[:MAX_ERRORS]
    if names:
        errors: list[dict[str, object]] = [
            {"loc": ["query", name], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}
            for name in names
        ]
        raise InvalidRequest(f"Invalid parameter{'s' * (len(names) > 1)}: {', '.join(names)}.", errors)


def _joined(headers: Headers) -> dict[str, str]:
    """Join repeated headers by commas (RFC 9110, section 5.2), so that two assertions are an invalid one."""
    return {name: ", ".join(headers.getlist(name)) for name in headers}


def _allowed_origins() -> tuple[str, ...]:
    try:
        return wiring.container().settings.allowed_origins
    except SettingsInvalid:
        return ()  # no page is allowed; a response that needs the settings is a 500, and the log says why


def _add_headers(request: Request, response: Response, request_id: str, milliseconds: float) -> None:
    """Add the headers of every response, and compress it."""
    response.headers["X-Request-Id"] = request_id
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)  # a page has its own Content-Security-Policy
    response.headers["Server-Timing"] = f"total;dur={milliseconds}"
    response.headers.setdefault("Cache-Control", "no-store")
    if "origin" in request.headers:
        cors.allow(response, request.headers["origin"], _allowed_origins())
    compress(response, request.headers.get("accept-encoding", ""))


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _trace(request: Request) -> dict[str, str]:
    found = TRACE.match(request.headers.get("x-cloud-trace-context", ""))
    # Read from the environment, because requests are logged even if the settings are invalid.
    project = os.environ.get("PROJECT", "")
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{found[1]}"} if found else {}
