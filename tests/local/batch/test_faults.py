"""With each injectable fault a run ends as the invariants demand: real submission, reconciler, Batch client and store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.batch.faults import Because, Code, Fail, ImagePull, LoseJob, Preempt, StayQueued
from local.batch.service import BatchEmulator
from shared.errors import Unavailable
from shared.gcp.batch import GoogleBatchJobs
from shared.runs import lifecycle, states
from shared.runs.jobs import JobState
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import ComputeState, FailureReason, RunState, WaitingReason
from shared.runs.submission import RunSubmission
from shared.runs.sweeper import SweepReport
from shared.runs.waiting import sentence
from shared.settings import Settings
from shared.stores.sqlite import SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, NO_RUN, lease, make_sweeper, outcome

if TYPE_CHECKING:
    from shared.runs.records import Run
    from shared.stores.sqlite import SqliteDatabase
    from tests.support.fakes import TestClock

QUESTION = CreateRunRequest(query="How would NK cells respond to IL-15?")
OUTCOME = outcome(NO_RUN)
# Takes the place of the job's module: it occupies its machine, and the test writes what a job would write.
WAITS = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n"


class Service:
    """A run with its store and its Batch; notifications reach the reconciler by themselves.

    A lock keeps the clock and new jobs still while the reconciler works. Otherwise the speed of the machine decides the tests.
    """

    def __init__(self, folder: Path, store: SqliteRunStore, clock: TestClock) -> None:
        self.folder, self.store, self.clock = folder, store, clock
        self.reconciler = asyncio.Lock()
        self.batch = BatchEmulator(
            log_dir=folder / "logs",
            job_env={"PATH": os.environ["PATH"]},
            cwd=folder,
            on_notification=self._notified,
            grace_seconds=2.0,
        )
        self.run_id = ""
        self.jobs: GoogleBatchJobs

    async def start(self) -> None:
        host = f"127.0.0.1:{await self.batch.start()}"
        settings = Settings(
            project="p-local", region="r1", job_image="job:1", job_topic="projects/p/topics/t", batch_emulator_host=host
        )
        self.jobs = GoogleBatchJobs(settings, total_seconds=1.5)

    async def create(self, key: str | None = None) -> Run:
        """Submit the run."""
        run = await RunSubmission(self.store, self.jobs, self.clock).create(QUESTION, ANSWERABLE, ADA, key)
        self.run_id = run.run_id
        return run

    async def create_and_begin(self) -> Run:
        """Submit the run and begin it before the reconciler receives any notification."""
        async with self.reconciler:
            run = await self.create()
            return await lease(run.run_id, store=self.store, clock=self.clock).begin()

    async def begin(self, attempt: int = 1) -> None:
        """Begin the run as its job would, once Batch runs the job."""
        await self.until_job(attempt, JobState.RUNNING)
        await lease(self.run_id, attempt=attempt, store=self.store, clock=self.clock).begin()

    async def sweep(self, **later: float) -> SweepReport:
        """Move the clock and sweep."""
        async with self.reconciler:
            self.clock.move(**later)
            return await make_sweeper(self.store, self.jobs, self.clock).sweep()

    async def now(self) -> Run:
        """Return the stored run."""
        run = await self.store.get(self.run_id)
        assert run is not None
        return run

    async def until(self, status: RunState, attempt: int = 1) -> Run:
        """Wait until the run has this status in this attempt and return it."""
        async with asyncio.timeout(15):
            while True:
                run = await self.now()
                if (run.status, run.compute.attempt) == (status, attempt):
                    return run
                await asyncio.sleep(0.02)

    async def until_job(self, attempt: int, state: JobState | None) -> tuple[str, ...]:
        """Wait until the job is in this state (None: deleted) and return its events."""
        async with asyncio.timeout(15):
            while True:
                report = await self.jobs.describe(states.job_id(self.run_id, attempt))
                if (report.state if report else None) is state:
                    return report.events if report else ()
                await asyncio.sleep(0.02)

    async def _notified(self, attributes: dict[str, str]) -> None:
        async with self.reconciler:
            await make_sweeper(self.store, self.jobs, self.clock).notified(attributes["JobName"])


@pytest.fixture
async def service(tmp_path: Path, sqlite: SqliteDatabase, clock: TestClock) -> AsyncIterator[Service]:
    (tmp_path / "orchestrator").mkdir()
    (tmp_path / "orchestrator" / "__init__.py").touch()  # a package, which wins over the one of this project
    (tmp_path / "orchestrator" / "main.py").write_text(WAITS)
    async with AsyncExitStack() as ends:
        made = Service(tmp_path, SqliteRunStore(sqlite), clock)
        ends.push_async_callback(made.batch.stop)
        await made.start()
        ends.push_async_callback(made.jobs.close)
        yield made


async def test_a_run_that_loses_its_machine_once_is_done_by_a_second_job(service: Service) -> None:
    service.batch.faults.begin(Preempt(after_seconds=0.5))
    run = await service.create_and_begin()
    events = await service.until_job(1, JobState.FAILED)
    assert "due to Spot Preemption with exit code 50001." in events[-1]
    await service.until(RunState.RUNNING, attempt=2)
    await service.begin(attempt=2)
    await lease(run.run_id, store=service.store, clock=service.clock).complete(OUTCOME)
    (service.folder / "go").touch()
    await service.until_job(2, JobState.SUCCEEDED)
    done = await service.now()
    assert (done.status, done.compute.attempt) == (RunState.COMPLETED, 2)
    assert [entry.reason for entry in done.transitions if "PREEMPTED" in entry.reason] == ["PREEMPTED: attempt 2"]
    assert await service.jobs.describe(states.job_id(run.run_id, 3)) is None


async def test_a_run_that_loses_its_machine_twice_fails_and_says_to_submit_it_again(service: Service) -> None:
    service.batch.faults.begin(Preempt(times=2, after_seconds=0.2))
    await service.create()
    run = await service.until(RunState.FAILED, attempt=2)
    assert run.failure
    assert (run.failure.reason, run.failure.retryable) == (FailureReason.PREEMPTED, True)
    assert "submit it again" in run.failure.advice
    assert service.batch.faults.spec is None


async def test_a_job_that_ends_before_its_machine_is_lost_ends_as_it_would(service: Service) -> None:
    service.batch.faults.begin(Preempt(after_seconds=3600))
    (service.folder / "go").touch()
    await service.create()
    await service.until_job(1, JobState.SUCCEEDED)


async def test_an_image_that_is_not_there_fails_the_run_at_once_and_only_the_jobs_log_says_which(
    service: Service,
) -> None:
    service.batch.faults.begin(ImagePull())
    await service.create()
    run = await service.until(RunState.FAILED)
    assert run.failure
    assert (run.failure.reason, run.failure.retryable) == (FailureReason.IMAGE_PULL, False)
    [*_, last] = await service.until_job(1, JobState.FAILED)
    assert "Task state is updated from RUNNING to FAILED" in last
    assert "with exit code 125" in last
    assert "manifest for job:1 not found" in service.batch.log_path(states.job_id(run.run_id, 1)).read_text()


async def test_a_run_whose_job_waits_stays_pending_until_fault_injection_ends(service: Service) -> None:
    service.batch.faults.begin(StayQueued())
    await service.create()
    for _ in range(3):
        assert (await service.sweep(minutes=3)).looked_at == 1
    assert (await service.now()).status is RunState.PENDING
    events = await service.until_job(1, JobState.QUEUED)
    assert "decides to delay scheduling" in events[-1]
    assert "inadequate quotas [Quota: CPUS" in events[-1]
    service.batch.faults.end()
    await service.begin()
    assert (await service.now()).status is RunState.RUNNING


@pytest.mark.parametrize(
    ("because", "reason"),
    [
        ("quota", WaitingReason.QUOTA),
        ("quota-exceeded", WaitingReason.QUOTA),
        ("machines", WaitingReason.MACHINES),
        ("turn", WaitingReason.QUEUE),
    ],
)
async def test_a_run_tells_why_its_job_waits_and_is_given_up_after_a_day(
    service: Service, because: Because, reason: WaitingReason
) -> None:
    service.batch.faults.begin(StayQueued(because=because))
    await service.create()
    await service.sweep(minutes=3)
    assert (await service.now()).waiting_for is reason
    await service.sweep(hours=24)
    run = await service.now()
    assert run.failure
    assert (run.failure.reason, run.failure.retryable) == (FailureReason.QUOTA, True)
    assert sentence(reason) in run.failure.advice
    await service.sweep(minutes=1)
    await service.until_job(1, JobState.CANCELLED)


async def test_a_run_whose_jobs_wait_too_long_twice_fails_for_want_of_quota(service: Service) -> None:
    service.batch.faults.begin(StayQueued(times=2, seconds=0.2))
    await service.create()
    run = await service.until(RunState.FAILED, attempt=2)
    assert run.failure
    assert (run.failure.reason, run.failure.retryable) == (FailureReason.QUOTA, True)


async def test_a_run_that_waits_can_be_cancelled(service: Service) -> None:
    service.batch.faults.begin(StayQueued())
    await service.create()
    await lifecycle.cancel(service.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    await service.until_job(1, JobState.CANCELLED)
    await service.sweep(minutes=1)
    assert (await service.now()).compute.state is ComputeState.RELEASED


async def test_a_run_whose_job_somebody_deletes_fails_and_gets_no_other(service: Service) -> None:
    service.batch.faults.begin(LoseJob(after_seconds=0.3))
    run = await service.create_and_begin()
    await service.until_job(1, None)
    # The notification may have come when the job was gone already; then its heartbeat is believed until it is stale.
    await service.sweep(minutes=6)
    run = await service.until(RunState.FAILED)
    assert run.failure
    assert run.failure.reason is FailureReason.JOB_VANISHED
    assert await service.jobs.describe(states.job_id(run.run_id, 2)) is None


async def test_a_passing_error_is_not_noticed(service: Service) -> None:
    service.batch.faults.begin(Fail(rpc="CreateJob"))
    await service.create()
    await service.begin()
    assert service.batch.faults.spec is None


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL"])
async def test_when_batch_answers_with_errors_only_nothing_is_promised_and_nothing_runs_twice(
    service: Service, code: Code
) -> None:
    service.batch.faults.begin(Fail(times=1000, code=code))
    with pytest.raises(Unavailable):
        await service.create(key="k")
    service.batch.faults.end()
    run = await service.create(key="k")
    await service.begin()
    assert run.compute.attempt == 1


@pytest.mark.parametrize("code", ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
async def test_an_answer_that_is_lost_leaves_one_job_and_the_retry_adopts_it(service: Service, code: Code) -> None:
    service.batch.faults.begin(Fail(times=1000, code=code, rpc="CreateJob", moment="after"))
    with pytest.raises(Unavailable):
        await service.create(key="k")
    service.batch.faults.end()
    run = await service.create(key="k")
    await service.begin()
    assert [path.name for path in (service.folder / "logs").iterdir()] == [f"{states.job_id(run.run_id, 1)}.log"]


@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        ("INVALID_ARGUMENT", FailureReason.SUBMIT_FAILED, True),
        ("PERMISSION_DENIED", FailureReason.CONFIGURATION, False),
    ],
)
async def test_a_job_that_batch_refuses_fails_its_run(
    service: Service, code: Code, reason: FailureReason, retryable: bool
) -> None:
    service.batch.faults.begin(Fail(code=code, rpc="CreateJob"))
    run = await service.create("a key changes nothing")
    assert run.failure
    assert (run.failure.reason, run.failure.retryable) == (reason, retryable)


async def test_an_error_while_asking_never_counts_as_a_lost_job(service: Service) -> None:
    await service.create()
    await service.begin()
    service.batch.faults.begin(Fail(times=1000, code="RESOURCE_EXHAUSTED", rpc="GetJob"))
    assert (await service.sweep(minutes=6)).unanswered == 1
    assert (await service.now()).status is RunState.RUNNING
    service.batch.faults.end()
    assert (await service.sweep(seconds=1)).unanswered == 0
    assert (await service.now()).status is RunState.RUNNING
