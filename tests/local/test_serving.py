"""The server inside the event loop of the local service."""

import asyncio
import socket

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from local.serving import listening, serving

# By default uvicorn closes connections that are idle for five seconds. httpx keeps them as long, and a request at that moment fails.
LONGER_THAN_CLIENTS_WAIT = 5.5


def test_an_answer_in_two_parts_does_not_wait_for_the_first_to_be_acknowledged() -> None:
    with listening() as (listener, _), socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_connection_is_still_there_when_a_client_that_paused_uses_it_again() -> None:
    seen: list[object] = []

    async def whence(request: Request) -> PlainTextResponse:
        seen.append(request.client)
        return PlainTextResponse("here")

    limits = httpx.Limits(keepalive_expiry=60)
    async with serving(Starlette(routes=[Route("/", whence)])) as url, httpx.AsyncClient(limits=limits) as client:
        await client.get(url)
        await asyncio.sleep(LONGER_THAN_CLIENTS_WAIT)
        await client.get(url)
    assert seen[0] == seen[1]


async def test_a_request_that_asks_for_another_protocol_too_keeps_its_body() -> None:
    """`curl --http2` and Java's client request HTTP/2 like this; without its body, a question has no text."""

    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    async with (
        serving(Starlette(routes=[Route("/", echo, methods=["POST"])])) as url,
        httpx.AsyncClient(headers=headers) as client,
    ):
        assert (await client.post(url, content="How would B cells respond?")).text == "How would B cells respond?"
