"""The job's side of a run in the store: phases, heartbeats, the end, and whether the run still belongs to this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from shared import logs
from shared.catalog.interpretation import Interpretation
from shared.errors import Unavailable
from shared.fields import ControlStrategy
from shared.logs import Severity
from shared.runs.lifecycle import RunLease
from shared.runs.ports import RunWatch
from shared.runs.records import Iteration, Run
from shared.runs.states import Phase

T = TypeVar("T")
# Seconds between retries while the store is unavailable; a short outage does not end a run.
RETRY_PAUSES = (1.0, 2.0, 4.0, 8.0)
# Seconds for which finished work waits for the results bucket and the run store, and the longest pause between two tries.
PATIENCE = 900.0
LONGEST_PAUSE = 30.0
# Seconds until an interrupted watch is started again.
WATCH_PAUSE = 5.0


class Stopped(Exception):
    """The run no longer belongs to this process: it ended, or another process took it over."""


async def retry(write: Callable[[], Awaitable[Run]]) -> Run:
    """Do a write, and repeat it after each of `RETRY_PAUSES` while the store is unavailable.

    Raises:
        Unavailable: the store stayed unavailable.
    """
    for pause in RETRY_PAUSES:
        try:
            return await write()
        except Unavailable as error:
            logs.log(Severity.WARNING, "the run store is unavailable, trying again", error=error)
            await asyncio.sleep(pause)
    return await write()


async def outlast(
    work: Callable[[], Awaitable[T]],
    patience: float = PATIENCE,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Store finished work, and try again with growing pauses while a service is unavailable.

    Args:
        patience: seconds after which a failed try is the last.

    Raises:
        Unavailable: the service stayed unavailable.
    """
    end, pause = clock() + patience, RETRY_PAUSES[0]
    while True:
        try:
            return await work()
        except Unavailable as error:
            if clock() >= end:
                raise
            logs.log(Severity.WARNING, "finished work waits for a service, trying again", error=error)
        await sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


class Progress:
    """Reports the progress of one run, and notices when the run no longer belongs to this process."""

    def __init__(self, run_id: str, lease: RunLease, watch: RunWatch) -> None:
        self._run_id = run_id
        self._lease = lease
        self._watch = watch
        self._stopped = False

    async def phase(
        self,
        phase: Phase,
        iteration: int,
        *,
        interpretation: Interpretation | None = None,
        finished: Iteration | None = None,
        effective: ControlStrategy | None = None,
    ) -> None:
        """Report the phase that begins, in one write.

        Raises:
            Stopped: the run no longer belongs to this process.
        """
        if self._stopped:
            raise Stopped
        logs.log(Severity.INFO, "phase", phase=phase.value, iteration=iteration)
        run = await retry(
            lambda: self._lease.progress(
                phase=phase,
                iteration=iteration,
                interpretation=interpretation,
                finished=finished,
                control_strategy_effective=effective,
            )
        )
        if not self._lease.owns(run):
            raise Stopped

    async def heartbeats(self, interval: float) -> None:
        """Send a heartbeat every `interval` seconds; return once the run no longer belongs to this process.

        An unavailable store is no reason to stop: the next heartbeat may reach it.
        """
        while not self._stopped:
            await asyncio.sleep(interval)
            try:
                # Repeated, because the next one is a minute away: the first only finds out that its connection is dead.
                self._stopped = not self._lease.owns(await retry(self._lease.heartbeat))
            except Unavailable as error:
                logs.log(Severity.WARNING, "a heartbeat did not reach the run store", error=error)

    async def until_stopped(self) -> None:
        """Return once the run no longer belongs to this process, so that a cancel is noticed within a phase."""
        while True:
            try:
                async with aclosing(self._watch.watch(self._run_id)) as changes:
                    async for run in changes:
                        if run is None or not self._lease.owns(run):
                            self._stopped = True
                            return
            except Unavailable as error:
                logs.log(Severity.WARNING, "the run cannot be watched, trying again", error=error)
            await asyncio.sleep(WATCH_PAUSE)
