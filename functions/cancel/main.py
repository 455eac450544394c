"""POST /api/v1/runs/{run_id}/cancel: decide that a run is cancelled, then release its compute."""

from shared.http import heap

with heap.undisturbed():
    from starlette.responses import Response

    from shared import lifecycle, wiring
    from shared.http.endpoint import Call, endpoint
    from shared.http.respond import answer
    from shared.models import CancelAnswer


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
