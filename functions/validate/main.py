"""POST /api/v1/runs/validate-control-strategy: what a question is taken for, and whether its control strategy can work."""

from shared.http import startup

with startup.undisturbed():
    from starlette.responses import Response

    from shared import wiring
    from shared.catalog.schemas import ControlStrategyValidationRequest
    from shared.http import requests
    from shared.http.endpoint import Call, endpoint
    from shared.http.responses import answer
    from shared.resolver import validation


@endpoint("validate", wiring.identity)
async def handle(call: Call) -> Response:
    asked = await requests.parse(call.request, ControlStrategyValidationRequest)
    return answer(call.request, validation.validate(asked, await wiring.catalog_cache().view()))
