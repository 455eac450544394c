"""GET /api/v1/runs/{run_id}: where a run stands; with `?wait=`, as soon as that changes."""

from shared.http import heap

with heap.undisturbed():
    from starlette.responses import Response

    from shared import viewing, wiring
    from shared.http import body
    from shared.http.endpoint import Call, endpoint
    from shared.http.respond import answer_run, has
    from shared.presentation import run_status
    from shared.queries import StatusQuery


@endpoint("status", wiring.identity)
async def handle(call: Call) -> Response:
    query = body.parse_query(call.request, StatusQuery)
    run_id, store = call.params["run_id"], wiring.run_store()
    if query.wait == 0:
        run = await viewing.summary(run_id, call.user, store=store)
    else:
        run = await viewing.await_change(
            run_id,
            call.user,
            seconds=query.wait,
            known=(lambda run: has(call.request, run_status(run))) if "if-none-match" in call.request.headers else None,
            store=store,
            watch=store,
        )
    return answer_run(call.request, run_status(run))
