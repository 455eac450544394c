"""The crash matrix: whatever call of whatever operation fails or is the last one of its process, the law holds afterwards.

The law: each run ends, by itself or by the reconciler; nothing of it is left in Batch; it ran at most once to its end; a cancel that
was answered holds; a failed run says why.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from shared import lifecycle, reconciliation, runs, submission
from shared.errors import HaystackError, Unavailable
from shared.jobs import JobState
from shared.models import CreateRunRequest
from shared.ports import BatchJobs, Caller, RunFilter, RunStore
from shared.records import Run
from shared.runs import ComputeState, Phase, RunState
from shared.store.sqlite import SqliteRunStore
from shared.store.sqlite_database import SqliteDatabase
from tests.fakes import FakeBatch, TestClock
from tests.faults import Died, Fault, How, When
from tests.shared.test_lifecycle import outcome

ADA = Caller("ada@example.com")
QUESTION = CreateRunRequest(query="How would CD14 monocytes respond to IFN-gamma?")
ROUNDS = 14


class World:
    """A store, a Batch whose jobs do what the real job does, and time."""

    def __init__(self, store: RunStore) -> None:
        self.store, self.batch, self.clock = store, FakeBatch(), TestClock()
        self.finished: list[str] = []

    async def create(self, store: RunStore, jobs: BatchJobs, key: str | None = None) -> Run:
        """A user asks."""
        return await submission.create(
            QUESTION, ADA, idempotency_key=key, max_active_runs=5, store=store, jobs=jobs, clock=self.clock
        )

    async def do_job(self, job_id: str, store: RunStore) -> None:
        """What a job's process does, from its beginning to its end."""
        run_id, holder = runs.run_id_of_job(job_id), f"process of {job_id}"
        assert run_id is not None
        self.batch.put(job_id, JobState.RUNNING)
        attempt = int(job_id.rpartition("-")[2])
        run = await lifecycle.begin(run_id, attempt=attempt, holder=holder, store=store, clock=self.clock)
        if lifecycle.holds(run, holder):
            for phase in (Phase.INFERENCE, Phase.OUTPUT_GENERATION):
                run = await lifecycle.progress(
                    run_id, phase=phase, iteration=1, holder=holder, store=store, clock=self.clock
                )
                await lifecycle.heartbeat(run_id, holder=holder, store=store, clock=self.clock)
            run = await lifecycle.complete(run_id, outcome(run_id), holder=holder, store=store, clock=self.clock)
            if run.status is RunState.COMPLETED:
                self.finished.append(run_id)
        self.batch.put(job_id, JobState.SUCCEEDED)

    async def sweep(self, store: RunStore, jobs: BatchJobs) -> None:
        """The scheduler knocks."""
        await reconciliation.sweep(max_run_seconds=60, store=store, jobs=jobs, clock=self.clock)

    async def settle(self) -> None:
        """Let time pass, jobs run and the reconciler work, without faults."""
        for _ in range(ROUNDS):
            self.clock.move(minutes=3)
            await self.sweep(self.store, self.batch)
            for job_id, report in list(self.batch.jobs.items()):
                if report.state is JobState.QUEUED:
                    await self.do_job(job_id, self.store)

    async def check(self) -> list[Run]:
        """Hold the world against the law."""
        kept = list(await self.store.page(RunFilter(ADA.email), limit=100))
        for run in kept:
            assert run.status.done, run
            assert run.compute.state is ComputeState.RELEASED, run
            assert run.check_at is None
            assert (run.outcome is not None) == (run.status is RunState.COMPLETED)
            assert (run.failure is not None) == (run.status is RunState.FAILED)
            assert self.finished.count(run.run_id) <= 1
            moves = [(entry.from_status, entry.to_status) for entry in run.transitions]
            assert all(old is None or old is new or new in runs.TRANSITIONS[old] for old, new in moves)
        live = [report for report in self.batch.jobs.values() if not report.state.over]
        assert live == []
        assert len(self.batch.jobs) <= runs.MAX_ATTEMPTS * len(kept)
        return kept


Operation = Callable[[World, RunStore, BatchJobs], Awaitable[None]]


async def create(world: World, store: RunStore, jobs: BatchJobs) -> None:
    await world.create(store, jobs)


async def create_with_a_key_and_retry_it(world: World, store: RunStore, jobs: BatchJobs) -> None:
    try:
        await world.create(store, jobs, "k1")
    finally:  # the client asks again, whatever it met
        await world.create(world.store, world.batch, "k1")


async def cancel_a_pending_run(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.create(world.store, world.batch)
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=jobs, clock=world.clock)


async def cancel_a_running_run(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.create(world.store, world.batch)
    world.batch.put(run.compute.job_id, JobState.RUNNING)
    await lifecycle.begin(run.run_id, holder="process", store=world.store, clock=world.clock)
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=jobs, clock=world.clock)


async def job(world: World, store: RunStore, _: BatchJobs) -> None:
    run = await world.create(world.store, world.batch)
    try:
        await world.do_job(run.compute.job_id, store)
    except BaseException:
        # Batch sees the process go; a machine that was taken away is the case that gets another attempt.
        world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
        raise


async def sweep_what_was_never_submitted(world: World, store: RunStore, jobs: BatchJobs) -> None:
    await world.create(world.store, world.batch)
    world.batch.jobs.clear()
    world.clock.move(minutes=3)
    await world.sweep(store, jobs)


async def sweep_what_was_preempted(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.create(world.store, world.batch)
    await lifecycle.begin(run.run_id, holder="process", store=world.store, clock=world.clock)
    world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    world.clock.move(minutes=6)
    await world.sweep(store, jobs)


async def sweep_what_was_cancelled_but_not_released(world: World, store: RunStore, jobs: BatchJobs) -> None:
    run = await world.create(world.store, world.batch)
    world.batch.fault = Unavailable("Batch")
    await lifecycle.cancel(run.run_id, ADA, store=world.store, jobs=world.batch, clock=world.clock)
    world.batch.fault = None
    world.clock.move(minutes=3)
    await world.sweep(store, jobs)


ENDS: dict[Operation, set[RunState]] = {
    create: {RunState.COMPLETED, RunState.FAILED},  # failed where its client was told so
    create_with_a_key_and_retry_it: {RunState.COMPLETED},
    cancel_a_pending_run: {RunState.CANCELLED, RunState.COMPLETED},  # completed where the cancel was never decided
    cancel_a_running_run: {RunState.CANCELLED, RunState.FAILED},  # its process does not exist, so else it fails
    job: {RunState.COMPLETED},
    sweep_what_was_never_submitted: {RunState.COMPLETED},
    sweep_what_was_preempted: {RunState.COMPLETED},
    sweep_what_was_cancelled_but_not_released: {RunState.CANCELLED},
}


async def run_with(operation: Operation, fault: Fault, folder: Path) -> World:
    """Do an operation with a fault in it, let things settle, and hold the world against the law."""
    database = SqliteDatabase(folder)
    world = World(SqliteRunStore(database))
    with suppress(HaystackError, Died):  # what the client is told, or never is, is not what this is about
        await operation(world, fault.wrap(world.store, "The run store"), fault.wrap(world.batch, "Batch"))
    await world.settle()
    kept = await world.check()
    assert {run.status for run in kept} <= ENDS[operation]
    await database.close()
    return world


@pytest.mark.parametrize("operation", ENDS)
async def test_the_law_holds_whichever_call_fails_or_is_the_last(operation: Operation, tmp_path: Path) -> None:
    clean = Fault()
    await run_with(operation, clean, tmp_path / "clean.db")
    points = range(len(clean.calls))
    assert points
    for at, when, how in itertools.product(points, When, How):
        await run_with(operation, Fault(at, when, how), tmp_path / f"{at}-{when.name}-{how.name}.db")


async def test_a_keyed_create_is_one_run_whatever_its_first_try_met(tmp_path: Path) -> None:
    clean = Fault()
    await run_with(create_with_a_key_and_retry_it, clean, tmp_path / "clean.db")
    for at, when, how in itertools.product(range(len(clean.calls)), When, How):
        folder = tmp_path / f"{at}-{when.name}-{how.name}.db"
        world = await run_with(create_with_a_key_and_retry_it, Fault(at, when, how), folder)
        assert len(world.finished) == 1


async def test_a_cancel_that_was_answered_holds_against_a_job_that_finishes_at_the_same_time(tmp_path: Path) -> None:
    for number in range(20):
        database = SqliteDatabase(tmp_path / f"{number}.db")
        world = World(SqliteRunStore(database))
        run = await world.create(world.store, world.batch)

        async def cancel(world: World = world, run: Run = run, turns: int = number) -> bool:
            for _ in range(turns):
                await asyncio.sleep(0)
            try:
                await lifecycle.cancel(run.run_id, ADA, store=world.store, jobs=world.batch, clock=world.clock)
            except HaystackError:
                return False
            return True

        cancelled, _ = await asyncio.gather(cancel(), world.do_job(run.compute.job_id, world.store))
        await world.settle()
        (kept,) = await world.check()
        assert kept.status is (RunState.CANCELLED if cancelled else RunState.COMPLETED)
        await database.close()
