"""GET /api/v1/runs/{run_id}/result: what a completed run found, with signed URLs of its files."""

from shared.http import heap

with heap.undisturbed():
    from starlette.responses import Response

    from shared import viewing, wiring
    from shared.http.endpoint import Call, endpoint
    from shared.http.respond import answer


@endpoint("result", wiring.identity)
async def handle(call: Call) -> Response:
    result = await viewing.result(
        call.params["run_id"],
        call.user,
        store=wiring.run_store(),
        files=wiring.result_files(),
        clock=wiring.clock,
    )
    return answer(call.request, result, Cache_Control="private, no-store")
