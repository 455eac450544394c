"""GET /api/v1/runs: the caller's runs, newest first."""

from shared.http import heap

with heap.undisturbed():
    from starlette.responses import Response

    from shared import listing, wiring
    from shared.http import body
    from shared.http.endpoint import Call, endpoint
    from shared.http.respond import answer
    from shared.queries import ListQuery


@endpoint("list", wiring.identity)
async def handle(call: Call) -> Response:
    query = body.parse_query(call.request, ListQuery)
    page = await listing.list_runs(
        query, call.user, token_key=wiring.settings().page_token_key, store=wiring.run_store()
    )
    return answer(call.request, page, Cache_Control="private, no-cache")
