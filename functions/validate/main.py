"""POST /api/v1/runs/validate-control-strategy: what a question is taken for, and whether its control strategy can work."""

from shared.http import heap

with heap.undisturbed():
    from starlette.responses import Response

    from shared import control_strategy, wiring
    from shared.http import body
    from shared.http.endpoint import Call, endpoint
    from shared.http.respond import answer
    from shared.validation_models import ControlStrategyValidationRequest


@endpoint("validate", wiring.identity)
async def handle(call: Call) -> Response:
    asked = await body.parse(call.request, ControlStrategyValidationRequest)
    return answer(call.request, control_strategy.validate(asked, await wiring.catalog_cache().view()))
