"""What uvicorn serves: the functions framework's application, and an answer of the service to what the framework answers itself.

The framework passes the methods and paths of its routes to the function, and answers all others in plain text, without the headers of
every response.
"""

from typing import Final

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.endpoint import respond_without_function

# Those of the routes in `functions_framework.aio`.
FRAMEWORK_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"})
# The framework answers these with 404, although a front end may have such files.
FRAMEWORK_PATHS: Final = frozenset({"/favicon.ico", "/robots.txt"})


class Server:
    """An ASGI application in front of the framework's.

    Args:
        framework: the application of the functions framework.
    """

    def __init__(self, framework: ASGIApp) -> None:
        self._framework = framework

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the framework do so."""
        if scope["type"] == "http" and scope["path"] in FRAMEWORK_PATHS:
            # The same path to the function, and another one to the framework.
            scope = {**scope, "path": f"{scope['path']}/"}
        if scope["type"] == "http" and not _has_route(scope["method"], scope["path"]):
            response = await respond_without_function(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._framework(scope, receive, send)


def _has_route(method: str, path: str) -> bool:
    """Return whether the framework has a route: not for `OPTIONS *`, an absolute address in place of the path, or a line break in it."""
    return method in FRAMEWORK_METHODS and path.startswith("/") and "\n" not in path


app: Final = Server(functions_framework.aio.app)
