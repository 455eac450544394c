"""What the load balancer is in production: one address, each request to the function that the route table names."""

import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

import functions_framework.aio
from starlette.responses import JSONResponse

from local.docs_page import DocsPage
from local.key_set import KeySet
from shared import routes

FUNCTIONS: Final = Path(__file__).resolve().parent.parent / "functions"
OIDC_KEYS_PATH: Final = "/local/oidc-keys"
TEMPLATE_PATH: Final = re.compile(r"[A-Za-z0-9._~%!$&'()+,;:@/-]*")
"""What the wildcards of the balancer's path templates match: RFC 3986's path characters but `*` and `=`."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gateway:
    """An ASGI application in front of all the functions, each built as the framework builds it in production; `/docs` documents them.

    Args:
        oidc_keys: the set of public keys of the local tokens, which stand in for Google's and are served at `OIDC_KEYS_PATH`.
    """

    def __init__(self, oidc_keys: KeySet) -> None:
        self._functions = {name: function_app(name) for name in routes.FUNCTIONS}
        self._oidc_keys = JSONResponse(oidc_keys)
        self._docs_page = DocsPage()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its function; what is nobody's goes to the default function, which says so."""
        if scope["type"] != "http":
            return
        if scope["path"] == OIDC_KEYS_PATH:
            await self._oidc_keys(scope, receive, send)
            return
        if self._docs_page.knows(scope["method"], scope["path"]):
            await self._docs_page(scope, receive, send)
            return
        await self._functions[function_for(scope["method"], scope["raw_path"].decode("latin-1"))](scope, receive, send)


def function_for(method: str, path: str) -> str:
    """The function that answers a request, a refusal of its method or path included.

    Args:
        method: the HTTP method.
        path: as it came, without the query and not decoded: that is what the load balancer's rules see.
    """
    found = routes.match(method, path) if TEMPLATE_PATH.fullmatch(path) else None
    if found is None:
        return routes.DEFAULT_FUNCTION
    return found.function if isinstance(found, routes.MethodMismatch) else found.route.function


def function_app(name: str) -> Application:
    """A function as the framework serves it.

    The framework takes its signature from the environment and writes it there; nothing else may see that.
    """
    before = dict(os.environ)
    try:
        app: Application = functions_framework.aio.create_asgi_app(
            target="handle", source=str(FUNCTIONS / name / "main.py"), signature_type="http"
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
    return app
