"""What happens to a run between its submission and its end.

Users cancel a run, and delete one that ended. The job begins, reports progress and finishes through its `RunLease`.
`shared/runs/submission.py` creates runs, and `shared/runs/reconciler.py` finishes what fails halfway.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from shared import logs
from shared.catalog.interpretation import Interpretation
from shared.errors import (
    PermissionMissing,
    RunAlreadyFinished,
    RunChanged,
    RunNotFinished,
    RunNotFound,
    Unavailable,
)
from shared.fields import Clock, ControlStrategy
from shared.logs import Severity
from shared.runs import states
from shared.runs.clocks import ClockCheck
from shared.runs.ports import BatchJobs, ResultFiles, RunStore
from shared.runs.records import NO_PROGRESS, Compute, Failure, Iteration, Run, RunOutcome
from shared.runs.states import Actor, ComputeState, Phase, RunState

if TYPE_CHECKING:  # the job has no callers, and need not import what verifies them
    from shared.auth.identity import Caller


async def cancel(
    run_id: str,
    caller: "Caller",
    *,
    is_known: Callable[[Run], bool] | None = None,
    store: RunStore,
    jobs: BatchJobs,
    clock: Clock,
) -> Run:
    """Cancel the caller's run in one transaction, then release its compute; the reconciler retries a failed release.

    Args:
        is_known: whether the caller knows this version of the run; None: any version may be cancelled. A cancelled run stays
            cancelled, so that a repeated request succeeds.

    Raises:
        RunNotFound: the caller has no such run.
        RunAlreadyFinished: it completed or failed before.
        RunChanged: the caller knows another version.
    """

    def change(run: Run) -> Run | None:
        if not run.belongs_to(caller):
            raise RunNotFound(run_id)
        if run.status is RunState.CANCELLED:
            return None
        if run.status.done:
            raise RunAlreadyFinished(run_id, run.status.value)
        if is_known is not None and not is_known(run):
            raise RunChanged(run_id)
        compute = _in_state(run, ComputeState.RELEASING)
        return run.moved(
            RunState.CANCELLED, now=clock(), actor=Actor.USER, reason="cancelled by its owner", compute=compute
        )

    if not states.RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    run = await store.update(run_id, change)
    if run.compute.state is ComputeState.RELEASING:
        try:
            await jobs.cancel(run.compute.job_id)
        except Unavailable as error:
            logs.log(Severity.WARNING, "the reconciler will release this job", error=error, run_id=run_id)
        except PermissionMissing as error:
            # The cancel holds all the same: the job sees it and ends.
            logs.log(Severity.ERROR, "Batch denied permission", error=error, run_id=run_id)
    return run


async def delete(run_id: str, caller: "Caller", *, store: RunStore, files: ResultFiles) -> None:
    """Delete the caller's finished run and its files.

    The files go first: if something fails between the two, the run is still listed, and deleting it again finishes the work.

    Raises:
        RunNotFound: the caller has no such run.
        RunNotFinished: it is active, or its machine may still be at work.
    """
    run = await store.get(run_id) if states.RUN_ID.fullmatch(run_id) else None
    if run is None or not run.belongs_to(caller):
        raise RunNotFound(run_id)
    if not run.status.done:
        raise RunNotFinished(run_id, f"is {run.status.value}. Cancel it first.")
    # A job that Batch has not stopped yet could write files that nobody would delete.
    if run.compute.state is not ComputeState.RELEASED:
        raise RunNotFinished(run_id, "still has a machine, which is being released. Try again in a minute.")
    await files.delete(run_id)
    await store.delete(run_id)


async def fail(
    run_id: str,
    failure: Failure,
    message: str,
    *,
    actor: Actor,
    release: bool,
    seen: Run | None = None,
    store: RunStore,
    clock: Clock,
) -> Run:
    """Fail a run that cannot succeed; after another end, only record the failure in its history.

    Args:
        message: one sentence for the owner.
        release: whether Batch may still hold a job for the run; the reconciler then releases it.
        seen: the run for which this was decided; a run that another attempt works on since is unchanged, and so is one whose job may
            be alive and gave a sign of life since.
    """

    def change(run: Run) -> Run | None:
        if seen is not None and run.compute.attempt != seen.compute.attempt:
            return None
        if seen is not None and release and (run.compute, run.heartbeat_at) != (seen.compute, seen.heartbeat_at):
            return None
        return _failed(run, failure, message, actor=actor, release=release, clock=clock)

    return await store.update(run_id, change)


class PhaseShare(NamedTuple):
    """How much of a phase of an iteration is done, from 0 to 1."""

    phase: Phase
    iteration: int
    done: float


class RunLease:
    """The right of one process of the job to work on a run.

    Every method checks the lease inside the store's write. A process that lost its lease changes nothing: the run was cancelled or
    failed, or another attempt or another copy of the job works on it. Every method returns the run as stored afterwards; check it
    with `owns`.

    Args:
        attempt: number of the attempt that this job is.
        owner: unique name of this process.
    """

    def __init__(self, run_id: str, *, attempt: int = 1, owner: str, store: RunStore, clock: Clock) -> None:
        self.run_id = run_id
        self._attempt = attempt
        self._owner = owner
        self._store = store
        self._clock = clock
        self._clock_check = ClockCheck("the process that wrote the run")

    def owns(self, run: Run) -> bool:
        """Return whether the run is running and this process owns its lease."""
        return run.status is RunState.RUNNING and run.compute.lease_owner == self._owner

    async def begin(self) -> Run:
        """Take the lease and start the run from the beginning.

        A finished run is unchanged, and so is a run that another attempt or another live process works on.

        Raises:
            RunNotFound: there is no such run.
        """

        def change(run: Run) -> Run | None:
            now = self._clock()
            self._clock_check.compare_run(run, now)
            if run.status.done or run.compute.attempt != self._attempt:
                return None
            silence = now - (run.heartbeat_at or run.updated_at)
            leased = run.compute.lease_owner is not None and silence <= states.LEASE
            if run.status is RunState.RUNNING and (leased or run.compute.lease_owner == self._owner):
                return None
            compute = run.compute.model_copy(update={"state": ComputeState.SUBMITTED, "lease_owner": self._owner})
            reason = "the job began" if run.status is RunState.PENDING else "another process took over the job"
            # An earlier process may have reported progress; this one starts over.
            fields = {**NO_PROGRESS, "compute": compute, "heartbeat_at": now}
            return run.moved(RunState.RUNNING, now=now, actor=Actor.JOB, reason=reason, **fields)

        return await self._store.update(self.run_id, change)

    async def progress(
        self,
        *,
        phase: Phase,
        iteration: int,
        interpretation: Interpretation | None = None,
        finished: Iteration | None = None,
        control_strategy_effective: ControlStrategy | None = None,
    ) -> Run:
        """Report the phase that begins.

        Args:
            iteration: its iteration, starting at 1; 0 before the first.
            interpretation: how the job reads the question, once it has; it replaces that of the request.
            finished: iteration that ended just before, if any.
            control_strategy_effective: control strategy that the run uses, once it is decided.
        """

        def change(run: Run) -> Run | None:
            if not self.owns(run):
                return None
            now = self._clock()
            iterations = run.iterations
            if finished is not None and all(each.number != finished.number for each in iterations):
                iterations = [*iterations, finished]
            return run.changed(
                now,
                current_phase=phase,
                current_iteration=iteration,
                phase_progress=None,
                interpretation=interpretation or run.interpretation,
                iterations=iterations,
                control_strategy_effective=control_strategy_effective or run.control_strategy_effective,
                heartbeat_at=now,
            )

        return await self._store.update(self.run_id, change)

    async def heartbeat(self, share: PhaseShare | None = None) -> Run:
        """Report that the process is alive; the owner of the run sees a change only of the share of the phase that is done."""

        def change(run: Run) -> Run | None:
            if not self.owns(run):
                return None
            now = self._clock()
            # The next phase may have begun after the share was taken.
            current = share is not None and (share.phase, share.iteration) == (run.current_phase, run.current_iteration)
            if share is None or not current or share.done == run.phase_progress:
                return run.checked(now, heartbeat_at=now)
            return run.changed(now, heartbeat_at=now, phase_progress=share.done)

        return await self._store.update(self.run_id, change)

    async def complete(self, outcome: RunOutcome) -> Run:
        """Complete the run after its results are uploaded; after a cancel or a failure, only record it in the history."""

        def change(run: Run) -> Run | None:
            now = self._clock()
            if run.status is RunState.COMPLETED or self._lost(run):
                return None
            if run.status.done:
                return run.remarked(RunState.COMPLETED, now=now, actor=Actor.JOB, reason="the job finished")
            return run.moved(
                RunState.COMPLETED,
                now=now,
                actor=Actor.JOB,
                reason=outcome.termination_reason,
                outcome=outcome,
                confidence=None if outcome.evidence is None else outcome.evidence.confidence,
                control_strategy_effective=outcome.control_strategy_effective,
                current_phase=None,
                compute=_in_state(run, ComputeState.RELEASED),
            )

        return await self._store.update(self.run_id, change)

    async def fail(self, failure: Failure, message: str) -> Run:
        """Fail the run; after another end, only record the failure in the history."""

        def change(run: Run) -> Run | None:
            if self._lost(run):
                return None
            return _failed(run, failure, message, actor=Actor.JOB, release=False, clock=self._clock)

        return await self._store.update(self.run_id, change)

    def _lost(self, run: Run) -> bool:
        return run.status is RunState.RUNNING and not self.owns(run)


def _failed(run: Run, failure: Failure, message: str, *, actor: Actor, release: bool, clock: Clock) -> Run | None:
    now = clock()
    if run.status is RunState.FAILED:
        return None
    if run.status.done:
        return run.remarked(RunState.FAILED, now=now, actor=actor, reason=failure.reason.value)
    return run.moved(
        RunState.FAILED,
        now=now,
        actor=actor,
        reason=failure.reason.value,
        failure=failure,
        error_message=message,
        current_phase=None,
        compute=_in_state(run, ComputeState.RELEASING if release else ComputeState.RELEASED),
    )


def _in_state(run: Run, state: ComputeState) -> Compute:
    return run.compute.model_copy(update={"state": state})
