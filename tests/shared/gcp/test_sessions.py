"""Requests of Google's libraries on connections that died; `test_dead_connections.py` has the clients and their deadlines."""

# google-auth carries no types.
# mypy: allow-untyped-calls

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.auth.transport.requests import Request as HttpRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from local.serving import serving
from shared.gcp.sessions import RepeatedRequest, StorageSession
from tests.support.proxies import BlackHoleProxy

# Long enough for an answer on a busy machine.
TIMEOUT = 1.0
IDLE = 3


@dataclass
class Served:
    """A server behind a proxy, which answers when as many requests as `together` are under way."""

    url: str
    proxy: BlackHoleProxy
    together: asyncio.Barrier


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async def answer(_: Request) -> PlainTextResponse:
        await found.together.wait()
        return PlainTextResponse("here")

    async with serving(Starlette(routes=[Route("/", answer)])) as url:
        proxy = BlackHoleProxy(urlsplit(url).netloc)
        await proxy.start()
        found = Served(f"http://{proxy.host}", proxy, asyncio.Barrier(IDLE))
        yield found
        await proxy.stop()


async def test_the_first_silent_request_drops_all_idle_connections(served: Served) -> None:
    """Regression: the repeated request found the next dead connection in the pool."""
    session = StorageSession(AnonymousCredentials())

    def get() -> str:
        return session.request("GET", served.url, timeout=TIMEOUT).text

    await asyncio.gather(*(asyncio.to_thread(get) for _ in range(IDLE)))
    assert served.proxy.opened == IDLE
    served.together = asyncio.Barrier(1)
    served.proxy.swallow()
    with pytest.raises(requests.Timeout):
        await asyncio.to_thread(get)
    assert await asyncio.to_thread(get) == "here"
    assert served.proxy.opened == IDLE + 1
    session.close()


async def test_a_silent_request_of_google_auth_is_repeated_once_over_a_new_connection(served: Served) -> None:
    request = RepeatedRequest(HttpRequest(), timeout=TIMEOUT)

    def get() -> bytes:
        content: bytes = request(served.url).data
        return content

    await asyncio.gather(*(asyncio.to_thread(get) for _ in range(IDLE)))
    served.together = asyncio.Barrier(1)
    served.proxy.swallow()
    assert await asyncio.to_thread(get) == b"here"
    assert served.proxy.opened == IDLE + 1
    served.together = asyncio.Barrier(3)  # holds both
    with pytest.raises(TransportError):
        await asyncio.to_thread(request, served.url)
    assert served.proxy.opened == IDLE + 2
    await served.together.wait()
