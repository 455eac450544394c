"""Finds the runs that something left halfway, and sends the notifications of runs that ended.

Batch's notifications are hints; the sweep is the truth.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from shared import logs
from shared.errors import RunNotFound, Unavailable
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import states
from shared.runs.notifier import Notifier
from shared.runs.ports import RunStore
from shared.runs.reconciler import Reconciler
from shared.runs.records import Run
from shared.runs.states import ComputeState, RunState

PAGE: Final = 100
# The next sweep continues where this one stopped, since a checked run is not due.
MAX_PAGES: Final = 20
# No check starts later than this in a sweep: another sweep comes every minute.
MAX_SECONDS: Final = 45.0
# Checks wait for Batch and the store. If Batch answers none of them, the sweep stops and leaves Batch alone.
CONCURRENT_CHECKS: Final = 10
# Runs whose notifications a sweep sends; the next one continues. Ten at once, each for ten seconds at most, they end with the checks.
MAX_ANNOUNCEMENTS: Final = 50


@dataclass
class SweepReport:
    """What a sweep did: number of runs checked, ids of runs that it failed, and number of runs that it could not check."""

    looked_at: int = 0
    failed: list[str] = field(default_factory=list)
    unanswered: int = 0

    def add(self, before: Sequence[Run], after: Sequence[Run | BaseException | None]) -> bool:
        """Count checked runs, None where the check failed, and return whether any did not.

        Raises the first error among them after counting all.
        """
        self.looked_at += len(before)
        self.unanswered += after.count(None)
        self.failed += [
            new.run_id
            for old, new in zip(before, after, strict=True)
            if isinstance(new, Run) and new.status is RunState.FAILED and not old.status.done
        ]
        for error in after:
            if isinstance(error, BaseException):
                raise error
        # Batch was not asked about runs that are due for their notifications alone.
        asked = [new for old, new in zip(before, after, strict=True) if old.compute.state is not ComputeState.RELEASED]
        return not asked or asked.count(None) < len(asked)


class Sweeper:
    """Passes the runs that are due, or that Batch reports on, to the reconciler.

    Args:
        notifier: sends the notifications of runs that ended.
        max_pages: maximum number of pages of `PAGE` runs in a sweep.
        max_seconds: seconds after which a sweep starts no more checks.
        max_announcements: maximum number of runs whose notifications a sweep sends.
    """

    def __init__(
        self,
        store: RunStore,
        reconciler: Reconciler,
        notifier: Notifier,
        clock: Clock,
        *,
        max_pages: int = MAX_PAGES,
        max_seconds: float = MAX_SECONDS,
        max_announcements: int = MAX_ANNOUNCEMENTS,
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._notifier = notifier
        self._clock = clock
        self._max_pages = max_pages
        self._max_seconds = max_seconds
        self._max_announcements = max_announcements

    async def sweep(self) -> SweepReport:
        """Check the runs that are due, longest overdue first, and send the notifications that are due beside that.

        Raises:
            Unavailable: the store does not answer. If Batch does not answer, the report counts it and the runs stay due.
        """
        sends: list[asyncio.Task[None]] = []
        try:
            return await self._check_due(sends)
        finally:  # nothing continues after the response
            for error in await asyncio.gather(*sends, return_exceptions=True):
                if error is not None:
                    logs.log(Severity.ERROR, "unexpected error", error=error)

    async def _check_due(self, sends: list[asyncio.Task[None]]) -> SweepReport:
        report, end = SweepReport(), time.monotonic() + self._max_seconds
        for _ in range(self._max_pages):
            due = await self._store.due(self._clock(), limit=PAGE)
            for start in range(0, len(due), CONCURRENT_CHECKS):
                if time.monotonic() >= end:
                    return report
                batch = due[start : start + CONCURRENT_CHECKS]
                # Wait for all of them, whatever one of them raises, so that nothing continues after the response.
                checked = await asyncio.gather(*map(self._check, batch), return_exceptions=True)
                latest = [new if isinstance(new, Run) else old for old, new in zip(batch, checked, strict=True)]
                await self._announce(latest, sends)
                if not report.add(batch, checked):
                    return report
            if len(due) < PAGE:
                break
        return report

    async def notified(self, job_name: str) -> Run | None:
        """Take a Batch notification as a hint to check a run; return None if the job is not one of ours.

        Args:
            job_name: `projects/P/locations/R/jobs/ID`, as in the notification. The states in the notification are not trusted.

        Raises:
            Unavailable: the store or Batch does not answer; Pub/Sub delivers again.
        """
        job_id = job_name.rpartition("/")[2]
        run_id = states.run_id_of_job(job_id)
        run = await self._store.get(run_id) if run_id else None
        if run is None or run.compute.job_id != job_id:
            return run
        if run.compute.state is not ComputeState.RELEASED:
            run = await self._reconciler.reconcile(run)
        if self._notifier.is_due(run):
            await self._notifier.send(*await self._notifier.claim(run))
        return run

    async def _check(self, run: Run) -> Run | None:
        """Reconcile a run of a sweep; return None if Batch did not answer, or the check failed unexpectedly."""
        if run.compute.state is ComputeState.RELEASED:
            return run  # due for its notifications alone
        try:
            return await self._reconciler.reconcile(run)
        except RunNotFound:
            return run  # deleted in the meantime
        except Unavailable as error:
            if error.service != "Batch":
                raise
            logs.log(Severity.WARNING, "Batch did not answer for a run", error=error, run_id=run.run_id)
            return None
        except Exception as error:  # noqa: BLE001  # it stays due, and would keep the runs behind it from their checks
            logs.log(Severity.ERROR, "unexpected error", error=error, run_id=run.run_id)
            return None

    async def _announce(self, runs: Sequence[Run], sends: list[asyncio.Task[None]]) -> None:
        """Start to send the notifications of runs that are due; the checks of other runs do not wait for them."""
        due = [run for run in runs if self._notifier.is_due(run)]
        room = max(self._max_announcements - len(sends), 0)
        claimed = await asyncio.gather(*map(self._notifier.claim, due[:room]), return_exceptions=True)
        sends += [asyncio.create_task(self._notifier.send(*each)) for each in claimed if isinstance(each, tuple)]
        # Otherwise the next page would have the same runs.
        postponed = await asyncio.gather(*map(self._notifier.postpone, due[room:]), return_exceptions=True)
        for result in (*claimed, *postponed):
            if isinstance(result, BaseException):
                raise result
