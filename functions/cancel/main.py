"""POST /api/v1/runs/{run_id}/cancel: decide that a run is cancelled, then release its compute."""

from shared.http import startup

with startup.undisturbed():
    from starlette.responses import Response

    from shared import wiring
    from shared.http.endpoint import Call, endpoint
    from shared.http.responses import answer
    from shared.runs import lifecycle
    from shared.runs.schemas import CancelAnswer


@endpoint("cancel", wiring.identity)
async def handle(call: Call) -> Response:
    run = await lifecycle.cancel(
        call.params["run_id"],
        call.user,
        store=wiring.run_store(),
        jobs=wiring.batch_jobs(),
        clock=wiring.clock,
    )
    return answer(call.request, CancelAnswer(status=run.status, run_id=run.run_id))
