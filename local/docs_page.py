"""The documentation of the API in a browser: Swagger UI from an installed package, so nothing is fetched from elsewhere."""

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

ASSETS: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
# `data:` because the style sheet carries its arrows; `connect-src` for the document and for what is tried out.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>HAYSTACK run service: the API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<noscript>This page needs JavaScript. The document itself is at <a href="/openapi.yaml">/openapi.yaml</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START: Final = """\
"use strict";
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""


class DocsPage:
    """An ASGI application with the page, what it needs, and the document itself."""

    def __init__(self) -> None:
        files = assets()
        self._answers: dict[str, ASGIApp] = {
            "/docs": Response(PAGE, media_type="text/html", headers=HEADERS),
            "/docs/": RedirectResponse("/docs", headers=HEADERS),
            "/docs/start.js": Response(START, media_type="text/javascript", headers=HEADERS),
            **{f"/docs/{name}": FileResponse(files / name, headers=HEADERS) for name in ASSETS},
            "/openapi.json": _json,
            "/openapi.yaml": _yaml,
        }

    def knows(self, method: str, path: str) -> bool:
        """Whether a request is for the documentation."""
        return method in {"GET", "HEAD"} and path in self._answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that it knows."""
        await self._answers[scope["path"]](scope, receive, send)


def assets() -> Path:
    """The folder of Swagger UI's files.

    Raises:
        RuntimeError: the package that carries them is not installed.
    """
    # Looked up without being imported: the package is a Flask blueprint, and Flask is no part of this.
    found = importlib.util.find_spec("flask_swagger_ui")
    if found is None or found.origin is None:
        raise RuntimeError("flask-swagger-ui is not installed: run `make install`")
    return Path(found.origin).parent / "dist"


@cache
def _texts() -> tuple[str, str]:
    from local.openapi import document  # noqa: PLC0415  # built when it is first asked for: the service starts without it

    return json.dumps(document.build(), ensure_ascii=False), document.as_yaml()


async def _json(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(_texts()[0], media_type="application/json", headers=HEADERS)(scope, receive, send)


async def _yaml(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(_texts()[1], media_type="application/yaml", headers=HEADERS)(scope, receive, send)
