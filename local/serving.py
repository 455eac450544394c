"""An ASGI application served by uvicorn inside the event loop that runs already, on 127.0.0.1."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal

import uvicorn

GRACE_SECONDS: Final = 2
"""How long answers under way may take once it is to stop."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep a connection that they do not use: who closes last never loses a request on its way."""
Parser = Literal["h11", "httptools"]
"""What reads requests. `httptools` does in the deployed functions, behind Google's front end. It loses the body of a request that asks for
HTTP/2, as `curl --http2` and Java's client do where nothing is encrypted; so here it is `h11`."""


@asynccontextmanager
async def serving(app: Any, *, port: int = 0, parser: Parser = "h11") -> AsyncIterator[str]:  # noqa: ANN401  # any ASGI application; uvicorn names no type
    """Serve an application and give its URL; when the block is left, nothing listens any more.

    Args:
        app: the ASGI application; its lifespan is run where it has one.
        port: where to listen; 0: any free port.
        parser: what reads requests.

    Raises:
        OSError: the port is taken.
        RuntimeError: the application's start-up failed; its own error is in the log.
    """
    with listening(port) as (listener, url):
        async with serving_on(listener, app, parser):
            yield url


@contextmanager
def listening(port: int = 0) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket on 127.0.0.1 and its URL, for an application that must know its address before it is made."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        # What is accepted inherits this. asyncio would not set it here, and each answer with a body would wait 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving_on(listener: socket.socket, app: Any, parser: Parser = "h11") -> AsyncIterator[None]:  # noqa: ANN401  # as above
    """Serve an application on a socket that listens already."""
    server = _Server(
        uvicorn.Config(
            app,
            http=parser,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program around us."""
        yield
