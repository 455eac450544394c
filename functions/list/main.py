"""GET /api/v1/runs: list the caller's runs, newest first."""

from starlette.responses import Response

from shared import wiring
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response
from shared.runs import views
from shared.runs.schemas import ListQuery


@endpoint("list")
async def handle(call: Call) -> Response:
    container = wiring.container()
    query = requests.parse_query(call.request, ListQuery)
    page = await views.list_runs(query, call.user, token_key=container.page_token_key, store=container.run_store)
    return json_response(call.request, page, Cache_Control="private, no-cache")
