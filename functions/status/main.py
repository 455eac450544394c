"""GET /api/v1/runs/{run_id}: read the status of a run; with `?wait=`, as soon as it changes."""

from starlette.responses import Response

from shared import wiring
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.responses import matches_etag, run_response
from shared.runs import views
from shared.runs.schemas import StatusQuery
from shared.runs.views import run_status


@endpoint("status")
async def handle(call: Call) -> Response:
    query = requests.parse_query(call.request, StatusQuery)
    container = wiring.container()
    run_id, store = call.params["run_id"], container.run_store
    if query.wait == 0:
        run = await views.summary(run_id, call.user, store=store)
        return run_response(call.request, run_status(run))
    has_etag = "if-none-match" in call.request.headers
    with container.caller_limits.waiting(call.user):
        changed = await requests.unless_disconnected(
            call.request,
            views.await_change(
                run_id,
                call.user,
                seconds=query.wait,
                is_known=(lambda run: matches_etag(call.request, run_status(run))) if has_etag else None,
                store=store,
            ),
        )
    if changed is None:
        return Response(status_code=requests.CLIENT_CLOSED_REQUEST)
    return run_response(call.request, run_status(changed))
