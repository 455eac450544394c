"""An HTTP proxy that lets a fault happen: a status in the place of the answer, a dropped connection, or silence."""

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

from tests.support.faults import When
from tests.wire_faults import DROPPED, SILENCE, WireFault


class FaultyHttp:
    """Passes HTTP/1.1 requests on, one a connection, each with a body of a told length; give it the next fault in `fault`.

    Args:
        upstream: URL of the server. Where an answer's header names it, it names the proxy instead.
        unseen: requests that begin so are passed on uncounted.
    """

    def __init__(self, upstream: str, unseen: str = "none") -> None:
        self._unseen = unseen.encode()
        self._upstream = urlsplit(upstream).netloc
        self.fault = WireFault()
        self.host = ""

    async def start(self) -> None:
        """Serve on a free port; `host` then is `host:port`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = "127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())
        self._busy: set[asyncio.Task[None] | None] = set()

    async def stop(self) -> None:
        """End it, and what it keeps waiting."""
        self._server.close()
        for task in self._busy:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in self._busy if task is not None), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._busy.add(task)
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the proxy ends
        finally:
            self._busy.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
        fault = self.fault
        strikes = None if head.startswith(self._unseen) else fault.next(head.split(b" ", 1)[0].decode())
        answer = b"" if strikes is When.BEFORE else await self._ask(head, body)
        if strikes is not None:
            if fault.trouble is SILENCE:
                await asyncio.Event().wait()  # the client's time ends this
            answer = b"" if fault.trouble == DROPPED else _refusal(fault.trouble)
        writer.write(answer)
        await writer.drain()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        """The server's answer, all of it."""
        host, _, port = self._upstream.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request, _, headers = head.partition(b"\r\n")
        writer.write(
            request + b"\r\nConnection: close\r\n" + headers.replace(b"Connection: keep-alive\r\n", b"") + body
        )
        answer = await reader.read()
        writer.close()
        told, end, content = answer.partition(b"\r\n\r\n")
        return told.replace(self._upstream.encode(), self.host.encode()) + end + content


def _refusal(status: object) -> bytes:
    assert isinstance(status, int)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
