"""The job's side of a run in the store: phases, heartbeats, the end, and whether the run still belongs to this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import TypeVar

from shared import logs
from shared.catalog.interpretation import Interpretation
from shared.errors import Unavailable
from shared.fields import ControlStrategy
from shared.logs import Severity
from shared.runs.lifecycle import PhaseShare, RunLease
from shared.runs.ports import RunWatch
from shared.runs.records import Iteration, Run
from shared.runs.states import Phase

T = TypeVar("T")
# Seconds between retries while the store is unavailable; a short outage does not end a run.
RETRY_PAUSES = (1.0, 2.0, 4.0, 8.0)
# Seconds for which finished work waits for the results bucket and the run store, and the longest pause between two tries.
PATIENCE = 900.0
LONGEST_PAUSE = 30.0
# Smallest progress that is reported, and the shortest time between reports: a short phase costs no write, a long one at most ten.
NOTABLE_SHARE = 0.1
SHARE_SECONDS = 10.0
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
        self._at = (Phase.QUERY_ANALYSIS, 0)  # the current phase and its iteration
        self._share: PhaseShare | None = None  # None while the phase has not told how much of it is done
        self._reported = 0.0  # the share of the phase that the store has

    def steps(self, total: int) -> Callable[[], None]:
        """Return a thread-safe function that counts one of the current phase's steps; heartbeats report the share that is done."""
        at, done = self._at, count(1)

        def on_step() -> None:
            share = min(round(next(done) / total, 2), 1.0)
            if at == self._at:  # a thread of an abandoned phase may still be busy
                self._share = PhaseShare(*at, share)

        return on_step

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
        self._at, self._share, self._reported = (phase, iteration), None, 0.0
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

    async def heartbeats(self, interval: float, share_seconds: float = SHARE_SECONDS) -> None:
        """Send a heartbeat every `interval` seconds, and earlier if the phase moved; return once the run belongs to another process.

        An unavailable store is no reason to stop: the next heartbeat may reach it.
        """
        pause, silent = min(interval, share_seconds), 0.0
        while not self._stopped:
            await asyncio.sleep(pause)
            silent += pause
            share = self._share
            moved = share is not None and share.done >= self._reported + NOTABLE_SHARE
            if silent < interval and not moved:
                continue
            silent = 0.0
            try:
                # Repeated, because the next one is a minute away: the first only finds out that its connection is dead.
                self._stopped = not self._lease.owns(await retry(partial(self._lease.heartbeat, share)))
            except Unavailable as error:
                logs.log(Severity.WARNING, "a heartbeat did not reach the run store", error=error)
                continue
            if share is not None and (share.phase, share.iteration) == self._at:
                self._reported = share.done

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
