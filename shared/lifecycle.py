"""What happens to a run between its submission and its end. Ports are passed in; nothing here knows who stands behind them.

Users get, cancel and take results; the job begins, reports progress and finishes. How a run comes to be is in `shared/submission.py`;
what fails half-way is left so that `shared/reconciliation.py` finds it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from shared import logs, runs
from shared.errors import RunAlreadyFinished, RunNotCompleted, RunNotFound, Unavailable
from shared.logs import Severity
from shared.models import ControlStrategy, Failure, IterationSummary, RunResult
from shared.ports import BatchJobs, Caller, ResultFiles, RunStore
from shared.presentation import run_result
from shared.records import Compute, Run, RunOutcome
from shared.runs import Actor, ComputeState, Phase, RunState

Clock = Callable[[], datetime]
URL_LIFETIME: Final = timedelta(hours=1)


async def get(run_id: str, caller: Caller, *, store: RunStore) -> Run:
    """The caller's run.

    Raises:
        RunNotFound: no such run, or another user's: the two look the same.
    """
    run = await store.get(run_id) if runs.RUN_ID.fullmatch(run_id) else None
    if run is None or run.user_email != caller.email:
        raise RunNotFound(run_id)
    return run


async def cancel(run_id: str, caller: Caller, *, store: RunStore, jobs: BatchJobs, clock: Clock) -> Run:
    """Cancel the caller's run. The decision is one transaction; the compute is released after it, by the reconciler if need be.

    Raises:
        RunNotFound: no such run of this caller.
        RunAlreadyFinished: it completed or failed before.
    """

    def decide(run: Run) -> Run | None:
        if run.user_email != caller.email:
            raise RunNotFound(run_id)
        if run.status is RunState.CANCELLED:
            return None
        if run.status.done:
            raise RunAlreadyFinished(run_id, run.status.value)
        compute = run.compute.model_copy(update={"state": ComputeState.RELEASING})
        return run.moved(
            RunState.CANCELLED, now=clock(), actor=Actor.USER, reason="cancelled by its owner", compute=compute
        )

    if not runs.RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    run = await store.update(run_id, decide)
    if run.compute.state is ComputeState.RELEASING:
        try:
            await jobs.cancel(run.compute.job_id)
        except Unavailable as error:
            logs.log(Severity.WARNING, "the reconciler will release this job", error=error, run_id=run_id)
    return run


async def result(run_id: str, caller: Caller, *, store: RunStore, files: ResultFiles, clock: Clock) -> RunResult:
    """A completed run's result, its files signed for an hour.

    Raises:
        RunNotFound: no such run of this caller.
        RunNotCompleted: it has no result, yet or ever.
    """
    run = await get(run_id, caller, store=store)
    if run.outcome is None:
        advice = "Submit the question again." if run.status.done else f"Poll /api/v1/runs/{run_id} until it is done."
        raise RunNotCompleted(run_id, run.status.value, advice)
    expires_at = clock() + URL_LIFETIME
    return run_result(run, run.outcome, await files.sign(run.outcome.files, expires_at), expires_at)


async def begin(run_id: str, *, store: RunStore, clock: Clock) -> Run:
    """The job says that it has begun: pending becomes running. A run in another state is given as it is.

    Raises:
        RunNotFound: the job was started for no run.
    """

    def change(run: Run) -> Run | None:
        if run.status is not RunState.PENDING:
            return None
        now = clock()
        compute = run.compute.model_copy(update={"state": ComputeState.SUBMITTED})
        return run.moved(
            RunState.RUNNING, now=now, actor=Actor.JOB, reason="the job began", compute=compute, heartbeat_at=now
        )

    return await store.update(run_id, change)


async def progress(
    run_id: str,
    *,
    phase: Phase,
    iteration: int,
    finished: IterationSummary | None = None,
    control_strategy_effective: ControlStrategy | None = None,
    store: RunStore,
    clock: Clock,
) -> Run:
    """The job tells what it is busy with. A run that is not running any more is left as it is, and the job must stop.

    Args:
        run_id: which run.
        phase: the phase that begins.
        iteration: its iteration, 1-based; 0 before the first.
        finished: the iteration that ended just before, if one did.
        control_strategy_effective: what predictions are compared with after all, once it is known.
        store: where runs are kept.
        clock: the time.
    """

    def change(run: Run) -> Run | None:
        if run.status is not RunState.RUNNING:
            return None
        now = clock()
        iterations = run.iterations
        if finished is not None and all(kept.number != finished.number for kept in iterations):
            iterations = [*iterations, finished]
        return run.changed(
            now,
            current_phase=phase,
            current_iteration=iteration,
            iterations=iterations,
            control_strategy_effective=control_strategy_effective or run.control_strategy_effective,
            heartbeat_at=now,
        )

    return await store.update(run_id, change)


async def heartbeat(run_id: str, *, store: RunStore, clock: Clock) -> Run:
    """The job says that it lives. Its owner sees no change."""

    def change(run: Run) -> Run | None:
        now = clock()
        return run.checked(now, heartbeat_at=now) if run.status is RunState.RUNNING else None

    return await store.update(run_id, change)


async def complete(run_id: str, outcome: RunOutcome, *, store: RunStore, clock: Clock) -> Run:
    """The job has put its results in place. Too late after a cancel or a failure, it is recorded and changes nothing."""

    def change(run: Run) -> Run | None:
        now = clock()
        if run.status is RunState.COMPLETED:
            return None
        if run.status.done:
            return run.remarked(RunState.COMPLETED, now=now, actor=Actor.JOB, reason="the job finished")
        return run.moved(
            RunState.COMPLETED,
            now=now,
            actor=Actor.JOB,
            reason=outcome.termination_reason,
            outcome=outcome,
            control_strategy_effective=outcome.control_strategy_effective,
            current_phase=None,
            compute=_released(run),
        )

    return await store.update(run_id, change)


async def fail(
    run_id: str, failure: Failure, message: str, *, actor: Actor, release: bool = False, store: RunStore, clock: Clock
) -> Run:
    """A run cannot succeed. Too late after another end, it is recorded and changes nothing.

    Args:
        run_id: which run.
        failure: the reason, with advice.
        message: one sentence for the owner.
        actor: who found out.
        release: whether Batch may still hold a job for it; the reconciler then releases it.
        store: where runs are kept.
        clock: the time.
    """

    def change(run: Run) -> Run | None:
        now = clock()
        if run.status is RunState.FAILED:
            return None
        if run.status.done:
            return run.remarked(RunState.FAILED, now=now, actor=actor, reason=failure.reason.value)
        compute = run.compute.model_copy(update={"state": ComputeState.RELEASING}) if release else _released(run)
        return run.moved(
            RunState.FAILED,
            now=now,
            actor=actor,
            reason=failure.reason.value,
            failure=failure,
            error_message=message,
            current_phase=None,
            compute=compute,
        )

    return await store.update(run_id, change)


def _released(run: Run) -> Compute:
    return run.compute.model_copy(update={"state": ComputeState.RELEASED})
