"""Whether the run store can be read and written."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from shared import logs
from shared.errors import NotWritable, Unavailable
from shared.logs import Severity

if TYPE_CHECKING:  # the health function starts without pydantic
    from shared.fields import Clock
    from shared.runs.ports import RunDatabase

# Seconds for which a read answers for later ones: anyone may ask, and every read is billed.
READ_SECONDS: Final = 1.0
# Seconds for which a successful write answers for later ones. All instances write one document, which takes about a write a second:
# even 30 of them stay below that.
WRITE_SECONDS: Final = 30.0
# Seconds for which a failed write answers for later ones: short, so that a restored permission or a freed disk shows soon.
RETRY_SECONDS: Final = 5.0


class _Probe:
    """An access to the store whose outcome answers for a while; simultaneous requests share one."""

    def __init__(self, access: Callable[[], Awaitable[None]], elapsed: Callable[[], float]) -> None:
        self._access, self._elapsed = access, elapsed
        self._lock = asyncio.Lock()
        self._valid_until = float("-inf")
        self._failure: Unavailable | None = None

    async def check(self, success_seconds: float, failure_seconds: float) -> None:
        """Access the store unless that was tried a moment ago, and raise its failure."""
        async with self._lock:
            if self._elapsed() >= self._valid_until:
                self._failure = None
                try:
                    await self._access()
                except Unavailable as error:
                    self._failure = error
                self._valid_until = self._elapsed() + (success_seconds if self._failure is None else failure_seconds)
        if self._failure is not None:
            raise self._failure.with_traceback(None)


class Readiness:
    """Checks whether a store is ready, with at most a read in `READ_SECONDS` and a write in `WRITE_SECONDS`, however often it is asked.

    Args:
        elapsed: monotonic seconds.
    """

    def __init__(self, store: "RunDatabase", clock: "Clock", elapsed: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._read, self._write = _Probe(store.ping, elapsed), _Probe(self._ping_write, elapsed)

    async def check(self) -> None:
        """Read from the store and write to it, unless that was tried a moment ago.

        Raises:
            NotWritable: the store can be read but not written.
            Unavailable: the store does not answer.
        """
        await self._read.check(READ_SECONDS, READ_SECONDS)
        await self._write.check(WRITE_SECONDS, RETRY_SECONDS)

    async def _ping_write(self) -> None:
        try:
            await self._store.ping_write(self._clock())
        except NotWritable as error:
            logs.log(Severity.ERROR, "the run store cannot be written", error=error)
            raise
