"""What uvicorn serves: the functions framework's application, and an answer of the service to methods that the framework does not know.

The framework passes the methods of its routes to the function, and answers all others itself: in plain text, without the headers of
every response.
"""

from typing import Final

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.endpoint import respond_without_function

# Those of the routes in `functions_framework.aio`.
FRAMEWORK_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"})


class Server:
    """An ASGI application in front of the framework's.

    Args:
        framework: the application of the functions framework.
    """

    def __init__(self, framework: ASGIApp) -> None:
        self._framework = framework

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the framework do so."""
        # `OPTIONS *` has no path, so that the framework finds no route.
        if scope["type"] == "http" and (scope["method"] not in FRAMEWORK_METHODS or scope["path"] == "*"):
            response = await respond_without_function(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._framework(scope, receive, send)


app: Final = Server(functions_framework.aio.app)
