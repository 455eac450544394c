"""Tells the run store what the job is doing, and learns from it whether to go on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from shared import logs
from shared.errors import Unavailable
from shared.fields import Clock, ControlStrategy
from shared.logs import Severity
from shared.runs import lifecycle
from shared.runs.ports import RunStore, RunWatch
from shared.runs.records import Iteration, Run
from shared.runs.states import Phase

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries while the store is away; a run is not given up for a short silence."""
WATCH_PAUSE = 5.0
"""Seconds until a watch that broke is taken up again."""


class Stopped(Exception):
    """The run is not this process's to do any more (cancelled, failed, or taken over by another): nothing is left to do."""


class Store(RunStore, RunWatch, Protocol):
    """A run store that can tell of changes."""


async def persistently(write: Callable[[], Awaitable[Run]]) -> Run:
    """Do a write, again after each of `PAUSES` while the store is away.

    Raises:
        Unavailable: the store stayed away.
    """
    for pause in PAUSES:
        try:
            return await write()
        except Unavailable as error:
            logs.log(Severity.WARNING, "the run store is away, trying again", error=error)
            await asyncio.sleep(pause)
    return await write()


class Reporter:
    """The job's voice towards one run.

    Args:
        run_id: which run.
        holder: names this process, as it took the run's lease.
        store: where runs are kept.
        clock: the time.
    """

    def __init__(self, run_id: str, *, holder: str | None = None, store: Store, clock: Clock) -> None:
        self._run_id = run_id
        self._holder = holder
        self._store = store
        self._clock = clock
        self._stopped = False

    async def phase(
        self,
        phase: Phase,
        iteration: int,
        *,
        finished: Iteration | None = None,
        effective: ControlStrategy | None = None,
    ) -> None:
        """A phase begins; one write.

        Raises:
            Stopped: the run is not running any more.
        """
        if self._stopped:
            raise Stopped
        logs.log(Severity.INFO, "phase", phase=phase.value, iteration=iteration)
        run = await persistently(
            lambda: lifecycle.progress(
                self._run_id,
                phase=phase,
                iteration=iteration,
                finished=finished,
                control_strategy_effective=effective,
                holder=self._holder,
                store=self._store,
                clock=self._clock,
            )
        )
        if not lifecycle.holds(run, self._holder):
            raise Stopped

    async def heartbeats(self, every: float) -> None:
        """Say every so many seconds that the job lives, until the run stops running; then the next phase is refused.

        A store that is away is no reason to stop: the next beat may reach it.
        """
        while not self._stopped:
            await asyncio.sleep(every)
            try:
                run = await lifecycle.heartbeat(self._run_id, holder=self._holder, store=self._store, clock=self._clock)
                self._stopped = not lifecycle.holds(run, self._holder)
            except Unavailable as error:
                logs.log(Severity.WARNING, "a heartbeat did not reach the run store", error=error)

    async def until_stopped(self) -> None:
        """Return as soon as the run is not this process's to do any more, so that a cancel is seen in the middle of a phase."""
        while True:
            try:
                async with aclosing(self._store.watch(self._run_id)) as told:
                    async for run in told:
                        if run is None or not lifecycle.holds(run, self._holder):
                            self._stopped = True
                            return
            except Unavailable as error:
                logs.log(Severity.WARNING, "the run cannot be watched, trying again", error=error)
            await asyncio.sleep(WATCH_PAUSE)
