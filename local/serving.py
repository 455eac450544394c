"""Serves an ASGI application with uvicorn on 127.0.0.1, in the running event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal

import uvicorn

# How long responses in progress may take after a stop.
GRACE_SECONDS: Final = 2
# Longer than clients keep an idle connection, so that no request arrives at a connection that the server is closing.
KEEP_ALIVE_SECONDS: Final = 75
# Deployed functions use `httptools`, behind Google's front end. It loses the body of a request that asks for HTTP/2, as `curl --http2`
# and Java's client do without TLS. So the default here is `h11`.
Parser = Literal["h11", "httptools"]


@asynccontextmanager
async def serving(app: Any, *, port: int = 0, parser: Parser = "h11") -> AsyncIterator[str]:  # noqa: ANN401  # any ASGI application; uvicorn names no type
    """Serve an application and yield its URL.

    Args:
        app: the ASGI application; its lifespan, if any, runs.
        port: the port; 0: any free port.

    Raises:
        OSError: the port is taken.
        RuntimeError: the application's startup failed; the log contains its error.
    """
    with listening(port) as (listener, url):
        async with serving_on(listener, app, parser):
            yield url


@contextmanager
def listening(port: int = 0) -> Iterator[tuple[socket.socket, str]]:
    """Yield a listening socket on 127.0.0.1 and its URL, for an application that needs its address when it is created."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        # Accepted sockets inherit this. asyncio does not set it here, and each response with a body would wait 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving_on(listener: socket.socket, app: Any, parser: Parser = "h11") -> AsyncIterator[None]:  # noqa: ANN401  # as above
    """Serve an application on a listening socket."""
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
        """Leave signals to the program."""
        yield
