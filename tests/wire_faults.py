"""Faults on the wire: at one call, before it reaches the server or after it with the answer lost, once or from then on.

A proxy lets them happen: `FaultyGrpc` here, `FaultyHttp` in `tests/http_proxy.py`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from grpc import StatusCode

from tests.grpc_proxy import Context, GrpcProxy
from tests.support.faults import When

Trouble = StatusCode | int | str | None
"""What the client meets: a status of gRPC or HTTP, or one of the two below."""
SILENCE: None = None
"""No answer, until the client's time is over."""
DROPPED = "the connection is dropped"
LANES = 16
"""Faults that are tried at once, each through a proxy of its own: many wait for a deadline."""
SHORT = 0.4
"""The deadline where a fault waits for it."""


class Spell(StrEnum):
    """How long a fault lasts."""

    ONCE = "once"
    LASTING = "from then on"


@dataclass
class WireFault:
    """One fault, at the `at`-th call (from 0) that comes by; None never strikes and only counts.

    A lasting one strikes that call as told, and refuses all later ones before they reach the server.
    """

    at: int | None = None
    when: When = When.BEFORE
    trouble: Trouble = SILENCE
    spell: Spell = Spell.ONCE
    calls: list[str] = field(default_factory=list)

    def next(self, name: str) -> When | None:
        """Count a call, and tell on which side of it the fault strikes, if it does."""
        place = len(self.calls)
        self.calls.append(name)
        if place == self.at:
            return self.when
        later = self.at is not None and place > self.at
        return When.BEFORE if later and self.spell is Spell.LASTING else None

    @property
    def struck(self) -> bool:
        """Whether there was such a call."""
        return self.at is not None and len(self.calls) > self.at

    @property
    def waits(self) -> bool:
        """Whether it keeps the client until its time is over."""
        return self.at is not None and (self.trouble is SILENCE or self.spell is Spell.LASTING)


class Wire(Protocol):
    """A proxy that lets `fault` happen."""

    fault: WireFault
    host: str

    async def start(self) -> None:
        """Serve at `host`."""

    async def stop(self) -> None:
        """End it."""


class FaultyGrpc(GrpcProxy):
    """The gRPC proxy with a fault in it."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.fault = WireFault()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, with the fault where it is due."""
        fault = self.fault
        strikes = fault.next(method.rpartition("/")[2])
        if strikes is not When.BEFORE:
            async for answer in super().forward(method, requests, context):
                if strikes is None:
                    yield answer
        if strikes is None:
            return
        if fault.trouble is SILENCE:
            await asyncio.Event().wait()  # the client's deadline ends this
        assert isinstance(fault.trouble, StatusCode)
        await context.abort(fault.trouble, "a fault on order")


@dataclass(frozen=True)
class Troubles:
    """What is tried at each call.

    Attributes:
        once: at that call only.
        lasting: from it on.
        writes: the calls that change something: there, it is also tried to lose the answer; and all of `lasting`, else its first.
    """

    once: Sequence[Trouble]
    lasting: Sequence[Trouble]
    writes: Collection[str]

    def at(self, calls: Sequence[str]) -> list[WireFault]:
        """All faults that are tried at these calls."""
        faults = []
        for at, name in enumerate(calls):
            sides = When if name in self.writes else (When.BEFORE,)
            lasting = self.lasting if name in self.writes else self.lasting[:1]
            faults += [WireFault(at, *each) for each in itertools.product(sides, self.once)]
            faults += [WireFault(at, *each, Spell.LASTING) for each in itertools.product(sides, lasting)]
        return faults


def grpc_troubles(*writes: str) -> Troubles:
    """What is tried at each gRPC call; these change something."""
    once = ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS", "NOT_FOUND")
    lasting = (StatusCode.UNAVAILABLE, StatusCode.ABORTED)
    return Troubles((*(StatusCode[name] for name in once), SILENCE), lasting, writes)


Live = Callable[[WireFault, str, float | None], Awaitable[None]]
"""Lives through something once: with a fault, a server at `host:port`, and the deadline for its calls, None for the usual one."""


async def strike_everywhere(wire: Callable[[], Wire], troubles: Troubles, live: Live) -> str:
    """Live through something once without a fault and once with each fault at each of its calls, and say how often.

    Args:
        wire: makes a proxy before the server.
        troubles: what is tried.
        live: what is lived through.
    """
    async with AsyncExitStack() as stack:
        lanes: asyncio.Queue[Wire] = asyncio.Queue()
        for lane in [wire() for _ in range(LANES)]:
            await lane.start()
            stack.push_async_callback(lane.stop)
            lanes.put_nowait(lane)

        async def strike(fault: WireFault) -> None:
            lane = await lanes.get()
            lane.fault, deadline = fault, SHORT if fault.waits else None
            try:
                await live(fault, lane.host, deadline)
                while deadline and not fault.struck:  # the machine is so busy that the deadline struck first
                    deadline *= 2
                    fault.calls.clear()
                    await live(fault, lane.host, deadline)
                async with asyncio.timeout(5):  # google-auth asks some things in the background, after its answer
                    while fault.at is not None and not fault.struck:  # noqa: ASYNC110  # a fault is struck in the proxy's own code
                        await asyncio.sleep(0.02)
            except BaseException as error:
                error.add_note(f"with {fault}")
                raise
            finally:
                lanes.put_nowait(lane)

        clean = WireFault()
        await strike(clean)
        faults = troubles.at(clean.calls)
        assert faults
        await asyncio.gather(*map(strike, faults))
    return f"{len(clean.calls)} fault points, {len(faults)} faults"
