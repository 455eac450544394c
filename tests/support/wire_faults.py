"""Faults on the wire: at one call, before it reaches the server or after it with the answer lost, once or from then on."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from grpc import StatusCode

from tests.support.faults import When
from tests.support.proxies import Context, GrpcProxy

# What the client sees: a gRPC or HTTP status, or one of the two constants below.
Trouble = StatusCode | int | str | None
# No answer until the client's deadline.
SILENCE: None = None
DROPPED = "the connection is dropped"
# Faults that are injected at the same time, each through its own proxy: many wait for a deadline.
LANES = 16
# The deadline in seconds where a fault waits for it.
SHORT = 0.4


class Duration(StrEnum):
    """How long a fault lasts."""

    ONCE = "once"
    LASTING = "from then on"


@dataclass
class WireFault:
    """One fault at the `at`-th call (from 0); None never strikes and only counts.

    A lasting fault strikes that call as specified, and refuses all later ones before they reach the server.
    """

    at: int | None = None
    when: When = When.BEFORE
    trouble: Trouble = SILENCE
    duration: Duration = Duration.ONCE
    calls: list[str] = field(default_factory=list)

    def next(self, name: str) -> When | None:
        """Count a call, and return on which side of it the fault strikes, if it does."""
        place = len(self.calls)
        self.calls.append(name)
        if place == self.at:
            return self.when
        later = self.at is not None and place > self.at
        return When.BEFORE if later and self.duration is Duration.LASTING else None

    @property
    def struck(self) -> bool:
        """Whether the call was made."""
        return self.at is not None and len(self.calls) > self.at

    @property
    def waits(self) -> bool:
        """Whether the client waits until its deadline."""
        return self.at is not None and (self.trouble is SILENCE or self.duration is Duration.LASTING)


class FaultyProxy(Protocol):
    """A proxy that injects `fault`."""

    fault: WireFault
    host: str

    async def start(self) -> None:
        """Serve at `host`."""

    async def stop(self) -> None:
        """Stop serving."""


class FaultyGrpc(GrpcProxy):
    """The gRPC proxy with a fault in it."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.fault = WireFault()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, unless the fault is due."""
        fault = self.fault
        strikes = fault.next(method.rpartition("/")[2])
        if strikes is not When.BEFORE:
            async for answer in super().forward(method, requests, context):
                if strikes is None:
                    yield answer
        if strikes is None:
            return
        if fault.trouble is SILENCE:
            await asyncio.Event().wait()  # until the client's deadline
        assert isinstance(fault.trouble, StatusCode)
        await context.abort(fault.trouble, "an injected fault")


class FaultyHttp:
    """An HTTP/1.1 proxy with a fault in it, for one request per connection whose body has a known length.

    Args:
        upstream: URL of the server. Where a header of a response names it, the header names the proxy instead.
        unseen: requests that begin like this are passed on without being counted.
    """

    def __init__(self, upstream: str, unseen: str = "none") -> None:
        self._unseen = unseen.encode()
        self._upstream = urlsplit(upstream).netloc
        self.fault = WireFault()
        self.host = ""

    async def start(self) -> None:
        """Serve on a free port, at `host`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = "127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())
        self._busy: set[asyncio.Task[None] | None] = set()

    async def stop(self) -> None:
        """Stop serving, and drop the requests that wait."""
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
            pass  # the client left, or the proxy stops
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
                await asyncio.Event().wait()  # until the client's deadline
            answer = b"" if fault.trouble == DROPPED else _error_response(fault.trouble)
        writer.write(answer)
        await writer.drain()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        """Return the server's whole response."""
        host, _, port = self._upstream.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request, _, headers = head.partition(b"\r\n")
        headers = headers.replace(b"Connection: keep-alive\r\n", b"")
        try:
            writer.write(request + b"\r\nConnection: close\r\n" + headers + body)
            answer = await reader.read()
        finally:
            writer.close()
        response_head, end, content = answer.partition(b"\r\n\r\n")
        return response_head.replace(self._upstream.encode(), self.host.encode()) + end + content


def _error_response(status: object) -> bytes:
    assert isinstance(status, int)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass(frozen=True)
class Troubles:
    """What is injected at each call.

    Attributes:
        once: at that call only.
        lasting: from that call on.
        writes: the calls that change something. There the answer is also lost, and all of `lasting` is injected, elsewhere its first.
    """

    once: Sequence[Trouble]
    lasting: Sequence[Trouble]
    writes: Collection[str]

    def at(self, calls: Sequence[str]) -> list[WireFault]:
        """Return all faults for these calls."""
        faults = []
        for at, name in enumerate(calls):
            sides = When if name in self.writes else (When.BEFORE,)
            lasting = self.lasting if name in self.writes else self.lasting[:1]
            faults += [WireFault(at, *each) for each in itertools.product(sides, self.once)]
            faults += [WireFault(at, *each, Duration.LASTING) for each in itertools.product(sides, lasting)]
        return faults


def grpc_troubles(*writes: str) -> Troubles:
    """Return what is injected at each gRPC call; `writes` name the calls that change something."""
    once = ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS", "NOT_FOUND")
    lasting = (StatusCode.UNAVAILABLE, StatusCode.ABORTED)
    return Troubles((*(StatusCode[name] for name in once), SILENCE), lasting, writes)


# Goes through a scenario once: with a fault, a server at `host:port`, and the deadline of its calls, None for the default.
Scenario = Callable[[WireFault, str, float | None], Awaitable[None]]


async def inject_everywhere(make_proxy: Callable[[], FaultyProxy], troubles: Troubles, scenario: Scenario) -> str:
    """Run a scenario once without a fault, and once with each fault at each of its calls; return how many there were."""
    async with AsyncExitStack() as stack:
        lanes: asyncio.Queue[FaultyProxy] = asyncio.Queue()
        for lane in [make_proxy() for _ in range(LANES)]:
            await lane.start()
            stack.push_async_callback(lane.stop)
            lanes.put_nowait(lane)

        async def inject(fault: WireFault) -> None:
            lane = await lanes.get()
            lane.fault, deadline = fault, SHORT if fault.waits else None
            try:
                await scenario(fault, lane.host, deadline)
                while deadline and not fault.struck:  # the machine is so busy that the deadline passed before the call
                    deadline *= 2
                    fault.calls.clear()
                    await scenario(fault, lane.host, deadline)
                async with asyncio.timeout(5):  # google-auth makes some requests in the background, after its answer
                    while fault.at is not None and not fault.struck:  # noqa: ASYNC110  # set by the proxy's own code
                        await asyncio.sleep(0.02)
            except BaseException as error:
                error.add_note(f"with {fault}")
                raise
            finally:
                lanes.put_nowait(lane)

        clean = WireFault()
        await inject(clean)
        faults = troubles.at(clean.calls)
        assert faults
        await asyncio.gather(*map(inject, faults))
    return f"{len(clean.calls)} fault points, {len(faults)} faults"
