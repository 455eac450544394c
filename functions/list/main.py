"""GET /api/v1/runs: the caller's runs, newest first."""

from shared.http import startup

with startup.undisturbed():
    from starlette.responses import Response

    from shared import wiring
    from shared.http import requests
    from shared.http.endpoint import Call, endpoint
    from shared.http.responses import answer
    from shared.runs import views
    from shared.runs.schemas import ListQuery


@endpoint("list", wiring.identity)
async def handle(call: Call) -> Response:
    query = requests.parse_query(call.request, ListQuery)
    page = await views.list_runs(query, call.user, token_key=wiring.settings().page_token_key, store=wiring.run_store())
    return answer(call.request, page, Cache_Control="private, no-cache")
