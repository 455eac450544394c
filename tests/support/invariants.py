"""Invariants that hold whatever fails, and a world to check them in: a store, a Batch, users, jobs, the reconciler and time.

Each run ends, by itself or by the reconciler. It leaves nothing in Batch, never has two live jobs at once, and completes at most once.
A cancel that was confirmed holds. A failed run has a reason. A caller sees only errors of the domain.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from shared.errors import HaystackError
from shared.http.problems import KINDS
from shared.runs import lifecycle, states
from shared.runs.jobs import JobReport, JobState
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import ComputeState, Phase, RunState
from shared.runs.submission import RunLimits, RunSubmission
from tests.support.builders import ADA, ANSWERABLE, lease, make_sweeper, outcome, runs_of
from tests.support.fakes import TestClock
from tests.support.faults import Died, Fault

QUESTION = CreateRunRequest(query="How would CD14 monocytes respond to IFN-gamma?")
ROUNDS = 14


class CommandedBatch(BatchJobs, Protocol):
    """Batch whose jobs the test controls."""

    @property
    def jobs(self) -> Mapping[str, JobReport]:
        """All jobs by id."""

    def put(self, job_id: str, state: JobState, *, exit_codes: tuple[int, ...] = ()) -> None:
        """Set the state of a job."""

    async def forget(self) -> None:
        """Lose all jobs."""


class World:
    """A store, a Batch whose jobs do what the real job does, and a clock."""

    def __init__(self, store: RunStore, batch: CommandedBatch) -> None:
        self.store, self.batch, self.clock = store, batch, TestClock()
        self.finished: list[str] = []

    async def create(self, store: RunStore, jobs: BatchJobs, key: str | None = None) -> Run:
        """Create a run of a user who may have one unfinished run."""
        return await RunSubmission(store, jobs, self.clock, RunLimits(max_active=1)).create(
            QUESTION, ANSWERABLE, ADA, key
        )

    async def submitted(self) -> Run:
        """Create a run whose job is queued."""
        return await RunSubmission(self.store, self.batch, self.clock).create(QUESTION, ANSWERABLE, ADA)

    async def begun(self) -> Run:
        """Create a run whose job has begun."""
        run = await self.submitted()
        self.batch.put(run.compute.job_id, JobState.RUNNING)
        return await lease(run.run_id, owner="process", store=self.store, clock=self.clock).begin()

    async def do_job(self, job_id: str, store: RunStore, *, reports: bool = False) -> None:
        """Do what the process of a job does, from start to end, with or without progress reports."""
        run_id, owner = states.run_id_of_job(job_id), f"process of {job_id}"
        assert run_id is not None
        self.batch.put(job_id, JobState.RUNNING)
        attempt = int(job_id.rpartition("-")[2])
        run = await lease(run_id, attempt=attempt, owner=owner, store=store, clock=self.clock).begin()
        if run.compute.lease_owner == owner:
            if reports:
                phase = Phase.INFERENCE
                await lease(run_id, owner=owner, store=store, clock=self.clock).progress(phase=phase, iteration=1)
                await lease(run_id, owner=owner, store=store, clock=self.clock).heartbeat()
            run = await lease(run_id, owner=owner, store=store, clock=self.clock).complete(outcome(run_id))
            if run.status is RunState.COMPLETED:
                self.finished.append(run_id)
        self.batch.put(job_id, JobState.SUCCEEDED)

    async def sweep(self, store: RunStore, jobs: BatchJobs) -> None:
        """Run a sweep."""
        await make_sweeper(store, jobs, self.clock).sweep()

    async def settle(self) -> list[Run]:
        """Advance time, jobs and sweeps without faults until nothing is left to do, and return all runs."""
        for _ in range(ROUNDS):
            runs = await runs_of(self.store, ADA)
            if all(run.check_at is None for run in runs) and all(job.state.over for job in self.batch.jobs.values()):
                return runs
            self.clock.move(minutes=3)
            await self.sweep(self.store, self.batch)
            for job_id, report in list(self.batch.jobs.items()):
                if report.state is JobState.QUEUED:
                    await self.do_job(job_id, self.store)
            self.check_one_live_job()
        raise AssertionError(f"not settled: {runs} {self.batch.jobs}")

    def check_one_live_job(self) -> None:
        """Check that no run has two live jobs."""
        live = Counter(states.run_id_of_job(job_id) for job_id, job in self.batch.jobs.items() if not job.state.over)
        assert max(live.values(), default=0) <= 1, live

    def check(self, runs: Sequence[Run]) -> None:
        """Check the invariants on all runs of the settled world."""
        for run in runs:
            assert run.status.done, run
            assert run.compute.state is ComputeState.RELEASED, run
            assert run.waiting_for is None, run
            assert (run.outcome is not None) == (run.status is RunState.COMPLETED)
            assert (run.failure is not None) == (run.status is RunState.FAILED)
            assert self.finished.count(run.run_id) <= 1
            moves = [(entry.from_status, entry.to_status) for entry in run.transitions]
            assert all(old is None or old is new or new in states.TRANSITIONS[old] for old, new in moves)
        assert len(self.batch.jobs) <= states.MAX_ATTEMPTS * len(runs)


Operation = Callable[[World, RunStore, BatchJobs], Awaitable[object]]


async def create(world: World, store: RunStore, jobs: BatchJobs) -> None:
    await world.create(store, jobs)


async def create_with_a_key_and_retry_it(world: World, store: RunStore, jobs: BatchJobs) -> None:
    try:
        await world.create(store, jobs, "k1")
    finally:  # the client retries after any error
        await world.create(world.store, world.batch, "k1")


async def cancel_a_pending_run(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.submitted()
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=jobs, clock=world.clock)


async def cancel_a_running_run(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.begun()
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=jobs, clock=world.clock)


async def job(world: World, store: RunStore, _: BatchJobs) -> None:
    run = await world.submitted()
    try:
        await world.do_job(run.compute.job_id, store, reports=True)
    except BaseException:
        # Batch sees the process end; a lost machine is the case that gets another attempt.
        world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
        raise


async def sweep_what_was_never_submitted(world: World, store: RunStore, jobs: BatchJobs) -> None:
    await world.submitted()
    await world.batch.forget()
    world.clock.move(minutes=3)
    await world.sweep(store, jobs)


async def sweep_what_was_preempted(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.begun()
    world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    world.clock.move(minutes=6)
    await world.sweep(store, jobs)


async def sweep_what_was_cancelled_but_not_released(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.submitted()
    away = Fault(at=0).wrap(world.batch, "Batch")
    await lifecycle.cancel(run.run_id, ADA, store=world.store, jobs=away, clock=world.clock)
    world.clock.move(minutes=3)
    await world.sweep(store, jobs)


async def notify_of_a_failed_job(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.begun()
    world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    await make_sweeper(store, jobs, world.clock).notified(name)


async def notify_of_a_working_job(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.begun()
    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    try:
        await make_sweeper(store, jobs, world.clock).notified(name)
    finally:
        done = await lease(run.run_id, store=world.store, clock=world.clock).complete(outcome(run.run_id))
        world.batch.put(run.compute.job_id, JobState.SUCCEEDED)
        assert done.status is RunState.COMPLETED


# Possible final states of an operation's runs, whatever fault strikes.
ENDS: dict[Operation, set[RunState]] = {
    create: {RunState.COMPLETED, RunState.FAILED},  # failed if its client saw an error
    create_with_a_key_and_retry_it: {RunState.COMPLETED},
    cancel_a_pending_run: {RunState.CANCELLED, RunState.COMPLETED},  # completed if the cancel was never stored
    cancel_a_running_run: {RunState.CANCELLED, RunState.FAILED},  # its process does not exist, so otherwise it fails
    job: {RunState.COMPLETED},
    sweep_what_was_never_submitted: {RunState.COMPLETED},
    sweep_what_was_preempted: {RunState.COMPLETED},
    sweep_what_was_cancelled_but_not_released: {RunState.CANCELLED},
    notify_of_a_failed_job: {RunState.FAILED},
    notify_of_a_working_job: {RunState.COMPLETED},
}
# Final states if the operation succeeded in spite of the fault.
ANSWERED: dict[Operation, set[RunState]] = {
    **ENDS,
    create: {RunState.COMPLETED},
    cancel_a_pending_run: {RunState.CANCELLED},
    cancel_a_running_run: {RunState.CANCELLED},
}


async def live_through(
    operation: Operation, world: World, store: RunStore, jobs: BatchJobs, *, also: Collection[RunState] = ()
) -> BaseException | None:
    """Run an operation on ports that may fail, let the world settle, check the invariants, and return the error seen.

    Args:
        operation: operation to run.
        world: world on ports without faults.
        store: store that the operation uses.
        jobs: Batch that the operation uses.
        also: final states that are allowed besides the usual ones.
    """
    error: BaseException | None = None
    try:
        await operation(world, store, jobs)
    except Died as death:
        error = death
    except HaystackError as raised:
        error = raised
    if isinstance(error, HaystackError):
        assert KINDS.get(error.slug, KINDS["internal"]).status != 500, repr(error)
    world.check_one_live_job()
    runs = await world.settle()
    world.check(runs)
    ends = {run.status for run in runs}
    assert ends <= (ANSWERED if error is None else ENDS)[operation].union(also), ends
    return error
