"""GET /api/v1/health and /api/v1/health/ready: whether the service is alive, and ready. Also answers unknown paths."""

from starlette.responses import JSONResponse, Response

from shared import wiring
from shared.errors import Unavailable
from shared.http.endpoint import Call, endpoint
from shared.http.problems import problem


@endpoint("health")
async def handle(call: Call) -> Response:
    if not call.request.scope["path"].rstrip("/").endswith("/ready"):
        return JSONResponse({"status": "healthy"})
    try:
        await wiring.container().readiness.check()
    except Unavailable as error:
        return problem(error, call.request_id)
    return JSONResponse({"status": "ready", "database": "connected"})
