"""GET /api/v1/runs/{run_id}/result: read the result of a completed run, with signed URLs of its files."""

from starlette.responses import Response

from shared import wiring
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response
from shared.runs import views


@endpoint("result")
async def handle(call: Call) -> Response:
    container = wiring.container()
    result = await views.result(
        call.params["run_id"],
        call.user,
        store=container.run_store,
        files=container.result_files,
        clock=container.clock,
    )
    return json_response(call.request, result, Cache_Control="private, no-store")
