"""GET /api/v1/health and /api/v1/health/ready: whether the service lives, and whether it can work. Also answers unknown paths."""

from starlette.responses import JSONResponse, Response

from shared.errors import Unavailable
from shared.http.endpoint import Call, endpoint
from shared.http.problems import problem


@endpoint("health")
async def handle(call: Call) -> Response:
    if not call.request.url.path.rstrip("/").endswith("/ready"):
        return JSONResponse({"status": "healthy"})
    from shared import wiring  # noqa: PLC0415  # being alive needs no store, and its cold start should not pay for one

    try:
        await wiring.run_store().ping()
    except Unavailable as error:
        return problem(error, call.request_id)
    return JSONResponse({"status": "ready", "database": "connected"})
