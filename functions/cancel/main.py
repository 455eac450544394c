"""POST /api/v1/runs/{run_id}/cancel: cancel a run, then release its compute. DELETE /api/v1/runs/{run_id}: delete a finished run."""

from starlette.responses import Response

from shared import wiring
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response, satisfies_if_match
from shared.runs import lifecycle
from shared.runs.schemas import CancelAnswer, DeleteAnswer
from shared.runs.views import run_status


@endpoint("cancel")
async def handle(call: Call) -> Response:
    container, run_id = wiring.container(), call.params["run_id"]
    if call.request.method == "DELETE":
        await lifecycle.delete(run_id, call.user, store=container.run_store, files=container.result_files)
        return json_response(call.request, DeleteAnswer(deleted=True, run_id=run_id))
    conditional = "if-match" in call.request.headers
    run = await lifecycle.cancel(
        run_id,
        call.user,
        is_known=(lambda run: satisfies_if_match(call.request, run_status(run))) if conditional else None,
        store=container.run_store,
        jobs=container.batch_jobs,
        clock=container.clock,
    )
    return json_response(call.request, CancelAnswer(status=run.status, run_id=run.run_id))
