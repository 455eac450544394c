"""GET /api/v1/runs/{run_id}/result: what a completed run found, with signed URLs of its files."""

from shared.http import startup

with startup.undisturbed():
    from starlette.responses import Response

    from shared import wiring
    from shared.http.endpoint import Call, endpoint
    from shared.http.responses import answer
    from shared.runs import views


@endpoint("result", wiring.identity)
async def handle(call: Call) -> Response:
    result = await views.result(
        call.params["run_id"],
        call.user,
        store=wiring.run_store(),
        files=wiring.result_files(),
        clock=wiring.clock,
    )
    return answer(call.request, result, Cache_Control="private, no-store")
