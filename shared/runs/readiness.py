"""Whether the run store can be read and written."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shared import logs
from shared.errors import NotWritable, Unavailable
from shared.logs import Severity

if TYPE_CHECKING:  # the health function starts without pydantic
    from shared.fields import Clock
    from shared.runs.ports import RunDatabase

# Seconds for which a successful write answers for later ones. All instances write one document, which takes about a write a second:
# even 30 of them stay below that.
WRITE_SECONDS: Final = 30.0
# Seconds for which a failed write answers for later ones: short, so that a restored permission or a freed disk shows soon.
RETRY_SECONDS: Final = 5.0


class Readiness:
    """Checks whether a store is ready, with at most one write in `WRITE_SECONDS`, however often it is asked.

    Args:
        elapsed: monotonic seconds.
    """

    def __init__(self, store: "RunDatabase", clock: "Clock", elapsed: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock, self._elapsed = store, clock, elapsed
        self._lock = asyncio.Lock()  # simultaneous requests share one write
        self._valid_until = float("-inf")
        self._failure: Unavailable | None = None

    async def check(self) -> None:
        """Read from the store, and write to it unless that was tried a moment ago.

        Raises:
            NotWritable: the store can be read but not written.
            Unavailable: the store does not answer.
        """
        await self._store.ping()
        async with self._lock:
            if self._elapsed() >= self._valid_until:
                await self._write()
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    async def _write(self) -> None:
        self._failure = None
        try:
            await self._store.ping_write(self._clock())
        except Unavailable as error:
            if isinstance(error, NotWritable):
                logs.log(Severity.ERROR, "the run store cannot be written", error=error)
            self._failure = error
        self._valid_until = self._elapsed() + (WRITE_SECONDS if self._failure is None else RETRY_SECONDS)
