"""The HTTP endpoint of fault injection, in front of the service that suffers the faults."""

from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.batch.faults import FaultInjector, FaultSpec

PATH: Final = "/local/faults"

_SPEC: Final[TypeAdapter[FaultSpec]] = TypeAdapter(FaultSpec)


class Admin:
    """An ASGI application that serves `PATH` and passes every other request on.

    GET returns the fault specification in force as JSON, or null. PUT sets it. DELETE ends fault injection and lets waiting jobs run.
    No web page of another origin can do that: browsers send a preflight before PUT and DELETE, and this endpoint does not allow it.
    """

    def __init__(self, faults: FaultInjector, app: ASGIApp) -> None:
        self._faults = faults
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request or pass it on."""
        if scope["type"] == "http" and scope["path"] == PATH:
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._faults.begin(_SPEC.validate_json(await request.body()))
            except ValidationError as error:
                return PlainTextResponse(_describe(error), status_code=400)
        elif request.method == "DELETE":
            self._faults.end()
        elif request.method != "GET":
            return PlainTextResponse("Use GET, PUT or DELETE.", status_code=405, headers={"Allow": "GET, PUT, DELETE"})
        spec = self._faults.spec
        return JSONResponse(None if spec is None else spec.model_dump(mode="json"))


def _describe(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}" for detail in details)
