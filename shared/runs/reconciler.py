"""Compares a run with its Batch job, and brings it to the right state. Safe to run twice at once: every decision is one transaction.

An error while asking Batch never counts as "missing". `shared/runs/sweeper.py` says which runs are reconciled, and when.
"""

from datetime import timedelta
from types import MappingProxyType
from typing import Final

from shared import logs
from shared.errors import PermissionMissing, RunNotFound, SubmitRejected
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import lifecycle, states, waiting
from shared.runs.clocks import ClockCheck
from shared.runs.jobs import LOST, JobReport, JobState, failure_for, failure_of
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import NO_PROGRESS, Compute, Failure, Run
from shared.runs.states import Actor, ComputeState, FailureReason, RunState, WaitingReason
from shared.runs.submission import NOT_PERMITTED, RunSubmission

# A submit that was in flight when its run ended has reached Batch after this time, or never will.
SUBMIT_GRACE: Final = timedelta(minutes=2)

_MESSAGES: Final = MappingProxyType(
    {
        FailureReason.JOB_VANISHED: "The job disappeared from Google Cloud Batch before it finished.",
        FailureReason.ORCHESTRATOR_ERROR: "The job ended without a result.",
        FailureReason.PREEMPTED: "The machine of the job was lost before the job finished.",
        FailureReason.INTERRUPTED: "The job was interrupted before it finished.",
        FailureReason.TIMEOUT: "The job reached its time limit.",
        FailureReason.OUT_OF_MEMORY: "The job ran out of memory.",
        FailureReason.IMAGE_PULL: "The container image of the job could not be pulled.",
        FailureReason.QUOTA: "Google Cloud had no quota left for the job.",
    }
)


class Reconciler:
    """Compares runs with their Batch jobs and brings them to the right state.

    Args:
        submission: submits jobs of runs whose job is missing or lost.
        queue_limit: how long a job may wait for its machine; None: as long as Batch lets it.
    """

    def __init__(
        self,
        store: RunStore,
        jobs: BatchJobs,
        submission: RunSubmission,
        clock: Clock,
        *,
        queue_limit: timedelta | None = states.QUEUE_LIMIT,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._submission = submission
        self._clock = clock
        self._queue_limit = queue_limit
        self._clock_check = ClockCheck("the process that wrote the run")

    async def reconcile(self, run: Run) -> Run:
        """Compare a run with its Batch job and bring it to the right state.

        Raises:
            Unavailable: the store or Batch does not answer; nothing was decided.
        """
        self._clock_check.compare_run(run, self._clock())
        try:
            return await self._compare(run)
        except PermissionMissing as error:
            logs.log(Severity.ERROR, "Batch denied permission", error=error, run_id=run.run_id)
            return await self._decide_without_batch(run)

    async def _compare(self, run: Run) -> Run:
        report = await self._jobs.describe(run.compute.job_id)
        if run.status.done:
            return await self._release(run, report)
        never_submitted = run.status is RunState.PENDING or run.compute.state is ComputeState.REQUESTED
        if report is None and never_submitted:
            return await self._submit(run)
        failure = self._failure(run, report)
        if failure is None:
            return await self._wait(run, report)
        if _may_retry(run, failure):
            retried = await self._next_attempt(run, failure)
            if retried.compute.state is ComputeState.REQUESTED and not retried.status.done:
                return await self._submit(retried)
            return retried
        # A job that Batch does not know now may still appear: it is looked up once more before the run releases it.
        over = report is not None and report.state.over
        return await lifecycle.fail(
            run.run_id,
            failure,
            _MESSAGES.get(failure.reason, "The job failed."),
            actor=Actor.RECONCILER,
            release=not over,
            seen=run,
            store=self._store,
            clock=self._clock,
        )

    def _failure(self, run: Run, report: JobReport | None) -> Failure | None:
        """Return why an unfinished run cannot succeed, or None while its job may still finish it."""
        silence = self._clock() - (run.heartbeat_at or run.updated_at)
        if report is None:
            # A notification may arrive while the job is alive: trust its heartbeat more than a Batch that does not find it.
            alive = run.status is RunState.RUNNING and silence < states.HEARTBEAT_LIMIT
            return None if alive else failure_for(FailureReason.JOB_VANISHED)
        if report.state.ending:
            return failure_of(report)
        # A job that waits for its machine is silent too; it has no lease yet.
        hangs = run.compute.lease_owner is not None and silence > states.SILENCE_LIMIT
        return failure_for(FailureReason.ORCHESTRATOR_ERROR) if hangs else None

    async def _wait(self, run: Run, report: JobReport | None) -> Run:
        """Check a run again later whose job may still finish it, unless the job has waited too long for its machine."""
        unstarted = run.compute.lease_owner is None and report is not None and waiting.waits_for_machine(report)
        if unstarted and states.waited_too_long(run.status, run.requested_at, self._clock(), self._queue_limit):
            return await self._give_up(run, report)
        return await self._postpone(run, ComputeState.SUBMITTED, report)

    async def _give_up(self, run: Run, report: JobReport | None) -> Run:
        """Fail a run whose job waited too long, unless the job begins at this moment; the next sweep cancels the job."""
        reason = _waiting_reason(run, report)
        logs.log(Severity.WARNING, "a job waited too long for its machine", run_id=run.run_id, waiting_for=reason)
        return await lifecycle.fail(
            run.run_id,
            waiting.given_up(reason),
            "The job waited too long for a machine of Google Cloud.",
            actor=Actor.RECONCILER,
            release=True,
            seen=run,
            store=self._store,
            clock=self._clock,
        )

    async def _next_attempt(self, seen: Run, failure: Failure) -> Run:
        """Store the id of the next job before that job exists; of two simultaneous calls, the first wins."""

        def change(run: Run) -> Run | None:
            if run.status is not seen.status or run.compute.attempt != seen.compute.attempt:
                return None
            attempt = run.compute.attempt + 1
            now = self._clock()
            compute = Compute(job_id=states.job_id(run.run_id, attempt), attempt=attempt, requested_at=now)
            note = f"{failure.reason.value}: attempt {attempt}"
            # Neither the progress nor the silence of the lost attempt counts for the next one.
            fields = {**NO_PROGRESS, "compute": compute, "heartbeat_at": None, "waiting_for": WaitingReason.QUEUE}
            return run.noted(now=now, actor=Actor.RECONCILER, reason=note, **fields)

        return await self._store.update(seen.run_id, change)

    async def _submit(self, run: Run) -> Run:
        try:
            await self._submission.submit(run)
        except (SubmitRejected, PermissionMissing) as error:
            return await self._submission.reject(run, error)
        # A job that reached Batch only now starts to wait only now.
        return await self._postpone(run, ComputeState.SUBMITTED, requested_at=self._clock())

    async def _decide_without_batch(self, run: Run) -> Run:
        """Decide on a run whose job Batch denies to show: a job that sends heartbeats goes on, and no run is checked forever."""
        silence = self._clock() - (run.updated_at if run.status.done else run.heartbeat_at or run.updated_at)
        if silence <= (states.RELEASE_LIMIT if run.status.done else states.SILENCE_LIMIT):
            return await self._postpone(run, run.compute.state, pause=states.DENIED_INTERVAL)
        if run.status.done:
            return await self._postpone(run, ComputeState.RELEASED)
        return await lifecycle.fail(
            run.run_id,
            failure_for(FailureReason.CONFIGURATION),
            NOT_PERMITTED,
            actor=Actor.RECONCILER,
            release=True,
            seen=run,
            store=self._store,
            clock=self._clock,
        )

    async def _release(self, run: Run, report: JobReport | None) -> Run:
        """Make sure that a finished run holds no compute."""
        gone = report is None and self._clock() - run.updated_at > SUBMIT_GRACE
        if gone or (report is not None and report.state.over):
            return await self._postpone(run, ComputeState.RELEASED)
        if report is not None and report.state is not JobState.CANCELLATION_IN_PROGRESS:
            await self._jobs.cancel(run.compute.job_id)
        return await self._postpone(run, run.compute.state)

    async def _postpone(
        self,
        seen: Run,
        state: ComputeState,
        report: JobReport | None = None,
        *,
        pause: timedelta | None = None,
        **compute_fields: object,
    ) -> Run:
        """Record the state of the job, what the run waits for, and when to check next, in one write.

        A run that changed in the meantime is unchanged. Its owner sees a change only if the run waits for something else than before.

        Args:
            pause: when to check next, if not as usual.
        """

        def change(run: Run) -> Run | None:
            if run.status is not seen.status or run.compute.attempt != seen.compute.attempt:
                return None
            compute = run.compute.model_copy(update={"state": state, **compute_fields})
            begun = run.status.done or run.compute.lease_owner is not None
            reason = None if begun else _waiting_reason(run, report)
            now = self._clock()
            if reason is not run.waiting_for:
                return run.changed(now, compute=compute, waiting_for=reason)
            checked = run.checked(now, compute=compute)
            return checked if pause is None else checked.model_copy(update={"check_at": now + pause})

        try:
            return await self._store.update(seen.run_id, change)
        except RunNotFound:
            return seen  # deleted in the meantime


def _waiting_reason(run: Run, report: JobReport | None) -> WaitingReason | None:
    """Return what a run waits for whose job has not begun: what was known before, if the report does not say."""
    return (None if report is None else waiting.waiting_reason(report)) or run.waiting_for


def _may_retry(run: Run, failure: Failure) -> bool:
    """Return whether the run lost its machine or its job, or never had one, and may use another job.

    A job that somebody cancelled or deleted in Batch was ended on purpose, so it gets no successor.
    """
    if failure.reason is FailureReason.JOB_VANISHED or run.compute.attempt >= states.MAX_ATTEMPTS:
        return False
    return failure.reason in LOST or (run.status is RunState.PENDING and failure.retryable)
