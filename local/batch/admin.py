"""The admin call of the stand-in: what is rehearsed, read, set and ended over HTTP, in front of the service that it troubles."""

from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.batch.rehearsal import Order
from local.batch.server import BatchStandIn

PATH: Final = "/local/rehearsal"

_ORDER: Final[TypeAdapter[Order]] = TypeAdapter(Order)


class Admin:
    """An ASGI application that answers `PATH` itself and leaves the rest to the one behind it.

    GET gives the order in force as JSON, or null; PUT sets it; DELETE ends the rehearsal, and jobs that it kept waiting go on. No web
    page of another origin can do that: a browser asks first before it sends PUT or DELETE, and is not answered as it would need.

    Args:
        stand_in: what is to be troubled.
        behind: answers every other path.
    """

    def __init__(self, stand_in: BatchStandIn, behind: ASGIApp) -> None:
        self._stand_in = stand_in
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http" and scope["path"] == PATH:
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)
            return
        await self._behind(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._stand_in.rehearsal.begin(_ORDER.validate_json(await request.body()))
            except ValidationError as error:
                return PlainTextResponse(_said(error), status_code=400)
        elif request.method == "DELETE":
            self._stand_in.end_rehearsal()
        elif request.method != "GET":
            return PlainTextResponse("GET, PUT or DELETE", status_code=405, headers={"Allow": "GET, PUT, DELETE"})
        order = self._stand_in.rehearsal.order
        return JSONResponse(None if order is None else order.model_dump(mode="json"))


def _said(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'the order'}: {fault['msg']}" for fault in faults)
