"""A process of the job stops once the run belongs to another one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.main import Exit, Ports, run_job
from orchestrator.progress import Progress, Stopped
from shared.catalog.entries import DatasetEntry
from shared.runs.lifecycle import RunLease
from shared.runs.records import Run
from shared.runs.states import Phase, RunState
from tests.support.builders import lease, make_run
from tests.support.orchestrator.world import FolderFiles, ListedCatalog, MemoryRuns

Clock = Callable[[], datetime]


class Job:
    """A run that one process began, with its lease and its progress."""

    def __init__(self, store: MemoryRuns, run: Run, clock: Clock) -> None:
        self.store, self.run = store, run
        self.lease: RunLease = lease(run.run_id, owner="one", store=store, clock=clock)
        self.progress = Progress(run.run_id, self.lease, store)

    async def taken_over(self) -> Run:
        """Give the lease to another process."""
        return await self.store.update(self.run.run_id, led_by("two"))


def led_by(owner: str) -> Callable[[Run], Run]:
    """Return a change that gives the lease of a run to a process."""
    return lambda run: run.model_copy(
        update={"status": RunState.RUNNING, "compute": run.compute.model_copy(update={"lease_owner": owner})}
    )


@pytest.fixture
async def job(ticking: Clock) -> Job:
    run = make_run()
    job = Job(MemoryRuns({run.run_id: run}), run, ticking)
    assert job.lease.owns(await job.lease.begin())
    return job


async def test_a_process_that_lost_its_lease_begins_no_further_phase(job: Job) -> None:
    """Regression: no test noticed a process that goes on to the end after another one took over its lease."""
    await job.progress.phase(Phase.QUERY_ANALYSIS, 0)
    taken = await job.taken_over()
    with pytest.raises(Stopped):
        await job.progress.phase(Phase.PROMPT_GENERATION, 1)
    assert job.store.runs[job.run.run_id] == taken


async def test_heartbeats_end_with_the_lease_and_no_phase_begins_after_them(job: Job) -> None:
    """Regression: no test noticed heartbeats that go on without the lease."""
    taken = await job.taken_over()
    async with asyncio.timeout(10):
        await job.progress.heartbeats(0.01)
    updates = job.store.updates
    with pytest.raises(Stopped):
        await job.progress.phase(Phase.INFERENCE, 1)
    assert (job.store.updates, job.store.runs[job.run.run_id]) == (updates, taken)


async def test_a_process_sees_within_a_phase_that_another_one_took_over(job: Job) -> None:
    """Regression: no test noticed a process that only the end of its run stops, not another process that leads it."""
    watching = asyncio.create_task(job.progress.until_stopped())
    await asyncio.sleep(0.1)
    assert not watching.done()
    await job.taken_over()
    async with asyncio.timeout(10):
        await watching


async def test_a_phase_that_moves_is_reported_before_the_next_heartbeat_is_due_and_seldom(job: Job) -> None:
    """Regression: a run stood at 17 % for as long as its evaluation took."""
    await job.progress.phase(Phase.EVALUATION, 1)
    on_step = job.progress.steps(100)
    beating = asyncio.create_task(job.progress.heartbeats(1000, 0.01))
    updates = job.store.updates
    for _ in range(9):
        on_step()
    await asyncio.sleep(0.1)
    assert job.store.updates == updates  # 9 % are not worth a write
    on_step()
    async with asyncio.timeout(10), aclosing(job.store.watch(job.run.run_id)) as changes:
        async for run in changes:
            if run is not None and run.phase_progress is not None:
                break
    await asyncio.sleep(0.1)
    assert job.store.updates == updates + 1
    assert job.store.runs[job.run.run_id].phase_progress == 0.1
    for _ in range(90):
        on_step()
        await asyncio.sleep(0.002)
    assert job.store.updates <= updates + 10
    await job.progress.phase(Phase.PROMPT_GENERATION, 2)
    assert job.store.runs[job.run.run_id].phase_progress is None
    beating.cancel()


async def test_steps_beyond_the_last_and_steps_of_an_earlier_phase_change_nothing(job: Job) -> None:
    await job.progress.phase(Phase.EVALUATION, 1)
    on_step = job.progress.steps(2)
    await job.progress.phase(Phase.OUTPUT_GENERATION, 1)
    for _ in range(3):
        on_step()
    updates = job.store.updates
    beating = asyncio.create_task(job.progress.heartbeats(1000, 0.01))
    await asyncio.sleep(0.1)
    assert (job.store.updates, job.store.runs[job.run.run_id].phase_progress) == (updates, None)
    beating.cancel()


class CatalogThatWaits(ListedCatalog):
    """A catalog that never answers."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked = asyncio.Event()

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def ports(job: Job, tmp_path: Path, ticking: Clock) -> Ports:
    return Ports(job.store, CatalogThatWaits(), FolderFiles(tmp_path), ticking, tmp_path)


async def test_a_second_copy_of_a_living_job_does_no_work(job: Job, ports: Ports) -> None:
    """Regression: no test noticed a copy of the job that works on without a lease."""
    before = job.store.runs[job.run.run_id]
    async with asyncio.timeout(10):
        assert await run_job(job.run.run_id, ports) is Exit.DONE
    assert isinstance(ports.catalog, CatalogThatWaits)
    assert not ports.catalog.asked.is_set()
    assert job.store.runs[job.run.run_id] == before


async def test_a_job_that_loses_its_lease_abandons_its_work_and_leaves_the_run_alone(job: Job, ports: Ports) -> None:
    """Regression: no test noticed a job that works on after it lost its lease, or fails the run of its successor."""
    pending = make_run(job.run.run_id)
    job.store.runs[pending.run_id] = pending
    working = asyncio.create_task(run_job(pending.run_id, ports))
    assert isinstance(ports.catalog, CatalogThatWaits)
    await asyncio.wait_for(ports.catalog.asked.wait(), 30)
    taken = await job.taken_over()
    async with asyncio.timeout(10):
        assert await working is Exit.DONE
    assert job.store.runs[pending.run_id] == taken
