"""POST /api/v1/runs/{run_id}/cancel: cancel a run, then release its compute."""

from starlette.responses import Response

from shared import wiring
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response
from shared.runs import lifecycle
from shared.runs.schemas import CancelAnswer


@endpoint("cancel")
async def handle(call: Call) -> Response:
    container = wiring.container()
    run = await lifecycle.cancel(
        call.params["run_id"],
        call.user.email,
        store=container.run_store,
        jobs=container.batch_jobs,
        clock=container.clock,
    )
    return json_response(call.request, CancelAnswer(status=run.status, run_id=run.run_id))
