"""One address for all functions, as the load balancer in production; and the documentation of the API at `/docs`."""

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import functions_framework.aio
import yaml
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.tokens import KeySet
from shared import routes
from shared.http.server import Server

ROOT: Final = Path(__file__).resolve().parent.parent
FUNCTIONS: Final = ROOT / "functions"
OPENAPI: Final = ROOT / "docs" / "openapi.yaml"
OIDC_KEYS_PATH: Final = "/local/oidc-keys"
# What the wildcards of the balancer's path templates match: RFC 3986's path characters without `*` and `=`.
TEMPLATE_PATH: Final = re.compile(r"[A-Za-z0-9._~%!$&'()+,;:@/-]*")

DOCS_FOLDER: Final = ROOT / "local" / "docs_page"
SWAGGER_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
# `data:` for the arrows in the style sheet; `connect-src` for the document and for "Try it out".
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Gateway:
    """An ASGI application in front of all functions, each built by the framework as in production.

    Args:
        oidc_keys: the public keys of the local tokens, served at `OIDC_KEYS_PATH` in place of Google's.
    """

    def __init__(self, oidc_keys: KeySet) -> None:
        self._functions = {name: function_app(name) for name in routes.FUNCTIONS}
        self._oidc_keys = JSONResponse(oidc_keys)
        self._docs = _docs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a request to its function; the default function answers 404 for unknown paths of the API."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # the server answers 403, as in production
        if scope["type"] != "http":
            return
        if scope["path"] == OIDC_KEYS_PATH:
            await self._oidc_keys(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"} and scope["path"] in self._docs:
            await self._docs[scope["path"]](scope, receive, send)
        else:
            name = function_for(scope["method"], scope["raw_path"].decode("latin-1"))
            await self._functions[name](scope, receive, send)


def function_for(method: str, path: str) -> str:
    """Return the function that answers a request, also if it refuses the method or the path.

    The path is as received, without the query and not decoded, because the load balancer's rules match that.
    """
    found = routes.match(method, path) if routes.is_page(path) or TEMPLATE_PATH.fullmatch(path) else None
    if found is None:
        return routes.DEFAULT_FUNCTION
    return found.function if isinstance(found, routes.MethodMismatch) else found.route.function


def function_app(name: str) -> ASGIApp:
    """Return a function as it is served in production.

    The framework writes its signature type to the environment; this restores the environment.
    """
    before = dict(os.environ)
    try:
        framework = functions_framework.aio.create_asgi_app(
            target="handle", source=str(FUNCTIONS / name / "main.py"), signature_type="http"
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Server(framework)


def _docs() -> dict[str, ASGIApp]:
    """Return the documentation by path: Swagger UI from an installed package, so that a browser loads nothing from elsewhere."""
    openapi_json = json.dumps(yaml.load(OPENAPI.read_bytes(), yaml.CSafeLoader), ensure_ascii=False)
    swagger = Path(str(files("flask_swagger_ui"))) / "dist"
    return {
        "/docs": FileResponse(DOCS_FOLDER / "index.html", headers=DOCS_HEADERS),
        "/docs/": RedirectResponse("/docs", headers=DOCS_HEADERS),
        "/docs/start.js": FileResponse(DOCS_FOLDER / "start.js", headers=DOCS_HEADERS),
        **{f"/docs/{name}": FileResponse(swagger / name, headers=DOCS_HEADERS) for name in SWAGGER_FILES},
        "/openapi.yaml": FileResponse(OPENAPI, media_type="application/yaml", headers=DOCS_HEADERS),
        "/openapi.json": Response(openapi_json, media_type="application/json", headers=DOCS_HEADERS),
    }
