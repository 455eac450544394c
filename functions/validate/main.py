"""POST /api/v1/runs/validate-control-strategy: read how a question is understood, and whether its control strategy works."""

from starlette.responses import Response

from shared import wiring
from shared.catalog.schemas import ControlStrategyValidationRequest
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.responses import json_response
from shared.resolver import validation


@endpoint("validate")
async def handle(call: Call) -> Response:
    request = await requests.parse(call.request, ControlStrategyValidationRequest)
    view = await wiring.container().catalog_cache.view()
    return json_response(call.request, validation.validate(request, view))
