"""What happens to a run between its submission and its end. Ports are passed in; nothing here knows who stands behind them.

Users cancel; the job begins, reports progress and finishes. How a run comes to be is in `shared/submission.py`, what its owner sees of it
in `shared/viewing.py`; what fails half-way is left so that `shared/reconciliation.py` finds it.
"""

from shared import logs
from shared.auth.identity import Caller
from shared.errors import RunAlreadyFinished, RunNotFound, Unavailable
from shared.fields import Clock, ControlStrategy
from shared.logs import Severity
from shared.runs import states
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import Compute, Iteration, Run, RunOutcome
from shared.runs.schemas import Failure
from shared.runs.states import Actor, ComputeState, Phase, RunState


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

    if not states.RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    run = await store.update(run_id, decide)
    if run.compute.state is ComputeState.RELEASING:
        try:
            await jobs.cancel(run.compute.job_id)
        except Unavailable as error:
            logs.log(Severity.WARNING, "the reconciler will release this job", error=error, run_id=run_id)
    return run


async def begin(run_id: str, *, attempt: int = 1, holder: str | None = None, store: RunStore, clock: Clock) -> Run:
    """A process of the job says that it has begun, and takes the run's lease. The caller must look whether it holds it: `holds`.

    A run that is over is given as it is, and so is one that another attempt, or another living process of this one, is doing.

    Args:
        run_id: which run.
        attempt: which attempt's job this is.
        holder: names the process; None: a job of which there is never a copy.
        store: where runs are kept.
        clock: the time.

    Raises:
        RunNotFound: the job was started for no run.
    """

    def change(run: Run) -> Run | None:
        now = clock()
        if run.status.done or run.compute.attempt != attempt:
            return None
        held = run.compute.holder is not None and now - (run.heartbeat_at or run.updated_at) <= states.LEASE
        if run.status is RunState.RUNNING and (held or run.compute.holder == holder):
            return None
        compute = run.compute.model_copy(update={"state": ComputeState.SUBMITTED, "holder": holder})
        reason = "the job began" if run.status is RunState.PENDING else "the job goes on in another process"
        return run.moved(RunState.RUNNING, now=now, actor=Actor.JOB, reason=reason, compute=compute, heartbeat_at=now)

    return await store.update(run_id, change)


def holds(run: Run, holder: str | None) -> bool:
    """Whether a process of the job is the one that does this run, and the run is still to be done."""
    return run.status is RunState.RUNNING and run.compute.holder == holder


async def progress(
    run_id: str,
    *,
    phase: Phase,
    iteration: int,
    finished: Iteration | None = None,
    control_strategy_effective: ControlStrategy | None = None,
    holder: str | None = None,
    store: RunStore,
    clock: Clock,
) -> Run:
    """The job tells what it is busy with. A run that this process does not hold is left as it is, and the process must stop.

    Where an iteration begins that was kept already, it and those behind it are done anew, so what was kept of them goes.

    Args:
        run_id: which run.
        phase: the phase that begins.
        iteration: its iteration, 1-based; 0 before the first.
        finished: the iteration that ended just before, if one did.
        control_strategy_effective: what predictions are compared with after all, once it is known.
        holder: names the process, as at `begin`.
        store: where runs are kept.
        clock: the time.
    """

    def change(run: Run) -> Run | None:
        if not holds(run, holder):
            return None
        now = clock()
        anew = phase is Phase.PROMPT_GENERATION
        iterations = [kept for kept in run.iterations if kept.number < iteration] if anew else run.iterations
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


async def heartbeat(run_id: str, *, holder: str | None = None, store: RunStore, clock: Clock) -> Run:
    """The job's process says that it lives. Its owner sees no change."""

    def change(run: Run) -> Run | None:
        now = clock()
        return run.checked(now, heartbeat_at=now) if holds(run, holder) else None

    return await store.update(run_id, change)


async def complete(
    run_id: str, outcome: RunOutcome, *, holder: str | None = None, store: RunStore, clock: Clock
) -> Run:
    """The job has put its results in place. Too late after a cancel or a failure, it is recorded and changes nothing.

    A process that lost the lease completes nothing: the files that it wrote are of the same run, and who holds it writes them again.
    """

    def change(run: Run) -> Run | None:
        now = clock()
        if run.status is RunState.COMPLETED or (run.status is RunState.RUNNING and not holds(run, holder)):
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
    run_id: str,
    failure: Failure,
    message: str,
    *,
    actor: Actor,
    release: bool = False,
    holder: str | None = None,
    store: RunStore,
    clock: Clock,
) -> Run:
    """A run cannot succeed. Too late after another end, it is recorded and changes nothing.

    Args:
        run_id: which run.
        failure: the reason, with advice.
        message: one sentence for the owner.
        actor: who found out.
        release: whether Batch may still hold a job for it; the reconciler then releases it.
        holder: names the process, where the job speaks: one that lost the lease fails nothing.
        store: where runs are kept.
        clock: the time.
    """

    def change(run: Run) -> Run | None:
        now = clock()
        lost = actor is Actor.JOB and run.status is RunState.RUNNING and not holds(run, holder)
        if run.status is RunState.FAILED or lost:
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
