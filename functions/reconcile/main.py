"""POST from Pub/Sub (a Batch notification) or Cloud Scheduler (the sweep): finish what was left halfway."""

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from shared import wiring
from shared.http import requests
from shared.http.endpoint import Call, endpoint


class Message(BaseModel):
    """Pub/Sub message; Batch puts its notification into the attributes."""

    attributes: dict[str, str] = {}


class Push(BaseModel):
    """Push request of Pub/Sub, or `{}` from the scheduler: a sweep."""

    message: Message | None = None


@endpoint("reconcile")
async def handle(call: Call) -> Response:
    push = await requests.parse(call.request, Push)
    sweeper = wiring.container().sweeper
    if push.message is None:
        report = await sweeper.sweep()
        return JSONResponse({"looked_at": report.looked_at, "failed": report.failed, "unanswered": report.unanswered})
    run = await sweeper.notified(push.message.attributes.get("JobName", ""))
    return JSONResponse({"looked_at": 0 if run is None else 1})
