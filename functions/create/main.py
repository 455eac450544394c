"""POST /api/v1/runs: accept a question, store its run, submit its job."""

from starlette.responses import Response

from shared import wiring
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response, run_response
from shared.resolver import validation
from shared.runs.schemas import CreateRunRequest
from shared.runs.views import run_status


@endpoint("create")
async def handle(call: Call) -> Response:
    container = wiring.container()
    request = await requests.parse(call.request, CreateRunRequest)
    key = requests.idempotency_key(call.request)
    view = await container.catalog_cache.view()
    if request.validate_only:
        container.notification_rules.deliveries(request.notify, call.user.email)
        return json_response(call.request, validation.preview(request, view))
    run = await container.submission.create(request, validation.read_question(request.query, view), call.user, key)
    return run_response(call.request, run_status(run), Location=f"/api/v1/runs/{run.run_id}")
