"""What finds and finishes the runs that something left half-way. Safe to run twice at once: every decision is a transaction.

Notifications are hints; the sweep is the truth. A run is compared with its Batch job, and an error while asking never counts as
"missing".
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared import logs
from shared.errors import RunNotFound, SubmitRejected, Unavailable
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import lifecycle, states, submission
from shared.runs.jobs import JobReport, JobState, failure, failure_of
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import Compute, Run
from shared.runs.schemas import Failure, FailureReason
from shared.runs.states import Actor, ComputeState, RunState

PAGE: Final = 100
MOST_PAGES: Final = 20
"""Pages of one sweep; the next sweep goes on where it stopped, since a run that was looked at is not due."""
MOST_SECONDS: Final = 45.0
"""No look begins later than this in a sweep: another sweep comes each minute."""
AT_ONCE: Final = 10
"""Runs looked at at the same time: a look is waiting for Batch and the store. When Batch answers none of them, it is left in peace."""
SUBMIT_GRACE: Final = timedelta(minutes=2)
"""A submit that was under way when a run ended has reached Batch by then, or never will."""


@dataclass
class SweepReport:
    """What a sweep did: runs looked at, those that failed by it, and those that Batch could not be asked about."""

    looked_at: int = 0
    failed: list[str] = field(default_factory=list)
    unanswered: int = 0

    def add(self, before: Sequence[Run], after: Sequence[Run | BaseException | None]) -> bool:
        """Count some runs as they were and as they are, None where Batch did not answer, and tell whether it answered at all.

        An error among them is raised, once all are counted.
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
        return after.count(None) < len(after)


async def sweep(
    *,
    max_run_seconds: int,
    store: RunStore,
    jobs: BatchJobs,
    clock: Clock,
    most_pages: int = MOST_PAGES,
    most_seconds: float = MOST_SECONDS,
) -> SweepReport:
    """Look at the runs that are due, the longest overdue first.

    Args:
        max_run_seconds: how long a job may run, should one be submitted again.
        store: where runs are kept.
        jobs: Batch.
        clock: the time.
        most_pages: pages of `PAGE` runs to look at.
        most_seconds: seconds after which no look begins.

    Raises:
        Unavailable: the store is away. Batch being away is counted in the report, and the runs stay due.
    """

    async def look(run: Run) -> Run | None:
        try:
            return await reconcile(run, max_run_seconds=max_run_seconds, store=store, jobs=jobs, clock=clock)
        except RunNotFound:
            return run  # it was deleted meanwhile
        except Unavailable as error:
            if error.service != "Batch":
                raise
            logs.log(Severity.WARNING, "Batch could not be asked about a run", error=error, run_id=run.run_id)
            return None

    report, ends = SweepReport(), time.monotonic() + most_seconds
    for _ in range(most_pages):
        due = await store.due(clock(), limit=PAGE)
        for start in range(0, len(due), AT_ONCE):
            if time.monotonic() >= ends:
                return report
            some = due[start : start + AT_ONCE]
            # All are waited for, whatever one of them meets, so that nothing goes on behind the answer's back.
            seen = await asyncio.gather(*map(look, some), return_exceptions=True)
            if not report.add(some, seen):
                return report
        if len(due) < PAGE:
            break
    return report


async def notified(
    job_name: str, *, max_run_seconds: int, store: RunStore, jobs: BatchJobs, clock: Clock
) -> Run | None:
    """Take a Batch notification as a hint to look at a run. None where the job is not one of ours.

    Args:
        job_name: `projects/P/locations/R/jobs/ID`, as the notification has it. What it says of states is not believed.
        max_run_seconds: how long a job may run, should it be submitted again.
        store: where runs are kept.
        jobs: Batch.
        clock: the time.

    Raises:
        Unavailable: the store or Batch is away; Pub/Sub delivers again.
    """
    job_id = job_name.rpartition("/")[2]
    run_id = states.run_id_of_job(job_id)
    run = await store.get(run_id) if run_id else None
    if run is None or run.compute.job_id != job_id or run.compute.state is ComputeState.RELEASED:
        return run
    return await reconcile(run, max_run_seconds=max_run_seconds, store=store, jobs=jobs, clock=clock)


async def reconcile(run: Run, *, max_run_seconds: int, store: RunStore, jobs: BatchJobs, clock: Clock) -> Run:
    """Compare a run with its Batch job and bring it to where it belongs.

    Raises:
        Unavailable: the store or Batch is away; nothing was decided.
    """
    report = await jobs.describe(run.compute.job_id)
    if run.status.done:
        return await _release(run, report, store, jobs, clock)
    never_came = run.status is RunState.PENDING or run.compute.state is ComputeState.REQUESTED
    if report is None and never_came:
        return await _submit(run, max_run_seconds, store, jobs, clock)
    fault = _fault(run, report, clock())
    if fault is None:
        return await _postpone(run, ComputeState.SUBMITTED, store, clock)
    if _deserves_another(run, fault):
        again = await _next_attempt(run, fault, store, clock)
        if again.compute.state is ComputeState.REQUESTED and not again.status.done:
            return await _submit(again, max_run_seconds, store, jobs, clock)
        return again
    # A job that Batch does not know now may yet turn up; it is looked for once more before its run is let go.
    over = report is not None and report.state.over
    return await lifecycle.fail(
        run.run_id, fault, _sentence(fault), actor=Actor.RECONCILER, release=not over, store=store, clock=clock
    )


def _fault(run: Run, report: JobReport | None, now: datetime) -> Failure | None:
    """Why an unfinished run cannot succeed any more, or None while its job may still bring it to an end."""
    silence = now - (run.heartbeat_at or run.updated_at)
    if report is None:
        # A notification may come while the job is alive: its heartbeat is believed more than a Batch that does not find it.
        beats = run.status is RunState.RUNNING and silence < states.HEARTBEAT_LIMIT
        return None if beats else failure(FailureReason.JOB_VANISHED)
    if report.state is JobState.FAILED:
        return failure_of(report)
    if report.state in {JobState.CANCELLED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}:
        return failure(FailureReason.JOB_VANISHED)
    if report.state is JobState.SUCCEEDED:
        # The job completes its run before it ends; one that ended without doing so lost its way.
        return failure(FailureReason.ORCHESTRATOR_ERROR)
    if run.status is RunState.RUNNING and silence > states.SILENCE_LIMIT:
        return failure(FailureReason.ORCHESTRATOR_ERROR)
    return None


def _deserves_another(run: Run, fault: Failure) -> bool:
    """Whether the run lost its machine, or never had one, and may use up another job.

    A job that somebody cancelled or deleted in Batch was ended on purpose, so it gets no successor.
    """
    if fault.reason is FailureReason.JOB_VANISHED or run.compute.attempt >= states.MAX_ATTEMPTS:
        return False
    return fault.reason is FailureReason.PREEMPTED or (run.status is RunState.PENDING and fault.retryable)


async def _next_attempt(seen: Run, fault: Failure, store: RunStore, clock: Clock) -> Run:
    """Give a run the next job's id, before that job exists; of two that try, the first does."""

    def change(run: Run) -> Run | None:
        if run.status is not seen.status or run.compute.attempt != seen.compute.attempt:
            return None
        attempt = run.compute.attempt + 1
        compute = Compute(job_id=states.job_id(run.run_id, attempt), attempt=attempt)
        return run.noted(
            now=clock(), actor=Actor.RECONCILER, reason=f"{fault.reason.value}: attempt {attempt}", compute=compute
        )

    return await store.update(seen.run_id, change)


async def _submit(run: Run, max_run_seconds: int, store: RunStore, jobs: BatchJobs, clock: Clock) -> Run:
    try:
        await submission.submit(run, max_run_seconds=max_run_seconds, jobs=jobs)
    except SubmitRejected as error:
        logs.log(Severity.ERROR, "Batch refused a job", error=error, run_id=run.run_id)
        return await submission.refuse(run, store=store, clock=clock)
    return await _postpone(run, ComputeState.SUBMITTED, store, clock)


def _sentence(fault: Failure) -> str:
    return {
        FailureReason.JOB_VANISHED: "The job disappeared from Google Cloud Batch before it finished.",
        FailureReason.ORCHESTRATOR_ERROR: "The job ended without a result.",
        FailureReason.PREEMPTED: "The machine of the job was taken away before it finished.",
        FailureReason.TIMEOUT: "The job took longer than it may.",
        FailureReason.OUT_OF_MEMORY: "The job ran out of memory.",
        FailureReason.IMAGE_PULL: "The container image of the job could not be fetched.",
        FailureReason.QUOTA: "Google Cloud had no quota left for the job.",
    }.get(fault.reason, "The job failed.")


async def _release(run: Run, report: JobReport | None, store: RunStore, jobs: BatchJobs, clock: Clock) -> Run:
    """See to it that a finished run holds no compute."""
    gone = report is None and clock() - run.updated_at > SUBMIT_GRACE
    if gone or (report is not None and report.state.over):
        return await _postpone(run, ComputeState.RELEASED, store, clock)
    if report is not None and report.state is not JobState.CANCELLATION_IN_PROGRESS:
        await jobs.cancel(run.compute.job_id)
    return await _postpone(run, run.compute.state, store, clock)


async def _postpone(seen: Run, state: ComputeState, store: RunStore, clock: Clock) -> Run:
    """Write down what is known of the job and when to look next; a run that moved meanwhile is left to its mover."""

    def change(run: Run) -> Run | None:
        if run.status is not seen.status or run.compute.attempt != seen.compute.attempt:
            return None
        return run.checked(clock(), compute=run.compute.model_copy(update={"state": state}))

    try:
        return await store.update(seen.run_id, change)
    except RunNotFound:
        return seen  # its owner's data was deleted meanwhile
