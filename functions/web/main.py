"""GET of every path outside /api/: serve the front end, a folder of static files."""

from functools import cache

from starlette.responses import Response

from shared.http.endpoint import Call, endpoint
from shared.http.site import Site


@endpoint("web")
async def handle(call: Call) -> Response:
    return await site().respond(call.request)


@cache
def site() -> Site:
    """Return the front end that the environment names."""
    return Site.from_environment()
