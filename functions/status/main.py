"""GET /api/v1/runs/{run_id}: where a run stands."""

from starlette.responses import Response

from shared import lifecycle, wiring
from shared.http.endpoint import Call, endpoint
from shared.http.respond import answer_run
from shared.presentation import run_status


@endpoint("status", wiring.identity)
async def handle(call: Call) -> Response:
    run = await lifecycle.get(call.params["run_id"], call.user, store=wiring.run_store())
    return answer_run(call.request, run_status(run))
