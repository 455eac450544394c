"""What the framework would answer itself, in plain text, the service answers, and the framework gets the rest."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from shared.http.server import Server


async def no_framework(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("the framework has no route for it")


@pytest.mark.parametrize("path", ["http://service/api/v1/health", "*", "", "/a\nb"])
async def test_regression_a_path_without_a_route_of_the_framework_gets_a_problem(path: str) -> None:
    """Regression: an address in place of the path, and a line break in a path, were answered in plain text."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Server(no_framework)({**scope, "path": path}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "x-request-id" in answer.headers


async def test_other_protocols_and_the_lifespan_go_to_the_framework() -> None:
    seen: list[str] = []

    async def framework(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        await Server(framework)({"type": kind}, None, None)  # type: ignore[arg-type]  # neither is called
    assert seen == ["lifespan", "websocket"]
