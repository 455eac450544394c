"""POST from Pub/Sub (a Batch job's notification) and from Cloud Scheduler (the sweep): finish what was left half-way."""

from typing import Any

from shared.http import startup

with startup.undisturbed():
    from pydantic import BaseModel
    from starlette.responses import JSONResponse, Response

    from shared import wiring
    from shared.http import requests
    from shared.http.endpoint import Call, endpoint
    from shared.runs import reconciler


class Message(BaseModel):
    """A Pub/Sub message; Batch puts what it has to say into the attributes."""

    attributes: dict[str, str] = {}


class Push(BaseModel):
    """What Pub/Sub pushes, or `{}` from the scheduler: a sweep."""

    message: Message | None = None


@endpoint("reconcile", wiring.service_identity)
async def handle(call: Call) -> Response:
    push = await requests.parse(call.request, Push)
    ports: dict[str, Any] = {
        "max_run_seconds": wiring.settings().job_max_run_seconds,
        "store": wiring.run_store(),
        "jobs": wiring.batch_jobs(),
        "clock": wiring.clock,
    }
    if push.message is None:
        report = await reconciler.sweep(**ports)
        content = {"looked_at": report.looked_at, "failed": report.failed, "unanswered": report.unanswered}
        return JSONResponse(content)
    run = await reconciler.notified(push.message.attributes.get("JobName", ""), **ports)
    return JSONResponse({"looked_at": 0 if run is None else 1})
