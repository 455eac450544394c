"""Decisions of the reconciler about runs and their Batch jobs."""

import asyncio

import pytest

from shared.errors import SubmitRejected, Unavailable
from shared.runs import lifecycle
from shared.runs.jobs import JobReport, JobRequest, JobState
from shared.runs.records import Iteration, Run
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import ComputeState, FailureReason, Phase, RunState
from shared.runs.submission import RunSubmission
from shared.runs.sweeper import SweepReport
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, lease, make_sweeper
from tests.support.fakes import FakeBatch, TestClock


class Service:
    """A run, its ports, and the reconciler."""

    def __init__(self, store: SqliteRunStore, jobs: FakeBatch, clock: TestClock) -> None:
        self.store, self.jobs, self.clock = store, jobs, clock
        self.run_id = ""

    async def pending(self) -> Run:
        """Submit a run."""
        request = CreateRunRequest(query="How would NK cells respond to IL-15?")
        run = await RunSubmission(self.store, self.jobs, self.clock).create(request, ANSWERABLE, ADA)
        self.run_id = run.run_id
        return run

    async def running(self) -> Run:
        """Submit a run and begin its job."""
        run = await self.pending()
        self.jobs.put(run.compute.job_id, JobState.RUNNING)
        return await lease(run.run_id, store=self.store, clock=self.clock).begin()

    async def sweep(self, *, max_pages: int = 9, max_seconds: float = 60, **later: float) -> SweepReport:
        """Move the clock, then sweep."""
        self.clock.move(**later)
        made = make_sweeper(self.store, self.jobs, self.clock, max_pages=max_pages, max_seconds=max_seconds)
        return await made.sweep()

    async def notify(self) -> Run | None:
        """Deliver a notification about the run's job."""
        name = f"projects/p/locations/r/jobs/{(await self.now()).compute.job_id}"
        return await make_sweeper(self.store, self.jobs, self.clock).notified(name)

    async def now(self) -> Run:
        """Return the stored run."""
        run = await self.store.get(self.run_id)
        assert run is not None
        return run

    async def reason(self) -> FailureReason | None:
        """Return the reason why the run failed."""
        run = await self.now()
        return run.failure.reason if run.failure else None


@pytest.fixture
def service(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Service:
    return Service(SqliteRunStore(sqlite), batch, clock)


async def test_a_pending_run_is_stale_after_two_minutes_and_not_before(service: Service) -> None:
    await service.pending()
    assert (await service.sweep(minutes=1, seconds=59)).looked_at == 0
    assert (await service.sweep(seconds=1)).looked_at == 1


async def test_a_running_run_is_stale_five_minutes_after_its_last_heartbeat_and_not_before(service: Service) -> None:
    run = await service.running()
    service.clock.move(minutes=4)
    await lease(run.run_id, store=service.store, clock=service.clock).heartbeat()
    assert (await service.sweep(minutes=4, seconds=59)).looked_at == 0
    assert (await service.sweep(seconds=1)).looked_at == 1


async def test_a_cancelled_run_is_stale_while_its_job_is_not_confirmed_released(service: Service) -> None:
    run = await service.running()
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    assert (await service.sweep(seconds=29)).looked_at == 0
    assert (await service.sweep(seconds=1)).looked_at == 1
    assert (await service.now()).compute.state is ComputeState.RELEASED
    assert (await service.sweep(hours=1)).looked_at == 0


async def test_a_run_whose_job_never_appeared_is_submitted_again_under_the_same_id(service: Service) -> None:
    run = await service.pending()
    service.jobs.jobs.clear()
    await service.sweep(minutes=2)
    assert list(service.jobs.jobs) == [run.compute.job_id]
    assert (await service.now()).status is RunState.PENDING


async def test_a_run_whose_job_waits_is_left_and_looked_at_later(service: Service) -> None:
    await service.pending()
    assert (await service.sweep(minutes=2)).looked_at == 1
    assert (await service.sweep(seconds=30)).looked_at == 0
    assert (await service.now()).status is RunState.PENDING


async def test_a_job_that_batch_refuses_on_the_second_try_fails_its_run(service: Service) -> None:
    await service.pending()
    service.jobs.jobs.clear()

    class Refusing(FakeBatch):
        async def submit(self, request: JobRequest) -> None:
            raise SubmitRejected(f"{request.job_id}: no such image")

    service.jobs = Refusing()
    report = await service.sweep(minutes=2)
    assert report.failed == [service.run_id]
    assert await service.reason() is FailureReason.SUBMIT_FAILED


async def test_a_preempted_run_goes_on_in_another_job_and_fails_when_that_is_preempted_too(service: Service) -> None:
    first = await service.running()
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.sweep(minutes=6)
    second = await service.now()
    assert (second.status, second.compute.attempt) == (RunState.RUNNING, 2)
    assert service.jobs.requests[-1].job_id == second.compute.job_id != first.compute.job_id
    assert service.jobs.requests[-1].environment["ATTEMPT"] == "2"
    assert "PREEMPTED" in second.transitions[-1].reason
    service.jobs.put(second.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.sweep(minutes=6)
    after = await service.now()
    assert await service.reason() is FailureReason.PREEMPTED
    assert after.failure is not None
    assert after.failure.retryable
    assert after.check_at is None


async def test_the_next_attempts_job_that_batch_did_not_take_is_submitted_by_the_next_sweep(service: Service) -> None:
    first = await service.running()
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(50001,))

    class AwayForSubmits(FakeBatch):
        async def submit(self, request: JobRequest) -> None:
            assert request.job_id not in self.jobs
            raise Unavailable("Batch")

    away, service.jobs = service.jobs, AwayForSubmits()
    service.jobs.jobs = away.jobs
    assert (await service.sweep(minutes=6)).unanswered == 1
    assert (await service.now()).requested_at == service.clock.now
    service.jobs = away
    await service.sweep(minutes=6)
    after = await service.now()
    assert (after.status, after.compute.attempt) == (RunState.RUNNING, 2)
    assert after.compute.job_id in service.jobs.jobs


async def test_a_job_that_failed_before_it_began_gets_another_try(service: Service) -> None:
    first = await service.pending()
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(50002,))
    await service.sweep(minutes=2)
    after = await service.now()
    assert (after.status, after.compute.attempt) == (RunState.PENDING, 2)


@pytest.mark.parametrize("code", [75, 137, 143])
async def test_regression_an_interrupted_job_gets_another_try_and_the_run_is_told_so(
    service: Service, code: int
) -> None:
    """SIGTERM was an error of the service, SIGKILL a lack of memory, and neither got a second attempt."""
    first = await service.running()
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(code,))
    await service.sweep(minutes=6)
    second = await service.now()
    assert (second.status, second.compute.attempt) == (RunState.RUNNING, 2)
    service.jobs.put(second.compute.job_id, JobState.FAILED, exit_codes=(code,))
    await service.sweep(minutes=6)
    failed = await service.now()
    assert failed.failure is not None
    assert (failed.failure.reason, failed.failure.retryable) == (FailureReason.INTERRUPTED, True)
    assert failed.error_message == "The job was interrupted before it finished."


async def test_a_run_that_has_begun_gets_another_try_only_if_its_machine_was_lost(service: Service) -> None:
    run = await service.running()
    service.jobs.put(run.compute.job_id, JobState.FAILED, "Quota checking process decided to wait: CPUS quota exceeded")
    await service.sweep(minutes=6)
    assert await service.reason() is FailureReason.QUOTA
    assert (await service.now()).compute.attempt == 1


async def test_a_job_that_ran_out_of_memory_gets_no_other_try(service: Service) -> None:
    run = await service.running()
    service.jobs.put(run.compute.job_id, JobState.FAILED, "The container was OOMKilled.", exit_codes=(137,))
    await service.sweep(minutes=6)
    assert await service.reason() is FailureReason.OUT_OF_MEMORY


async def test_of_two_sweeps_at_once_one_gives_the_next_attempt(service: Service) -> None:
    run = await service.running()
    service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    service.clock.move(minutes=6)
    await asyncio.gather(service.sweep(), service.sweep())
    assert sorted(service.jobs.jobs) == [run.compute.job_id, f"{run.compute.job_id[:-1]}2"]
    assert (await service.now()).compute.attempt == 2


async def test_of_two_sweeps_at_once_one_fails_the_run(service: Service) -> None:
    run = await service.running()
    service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
    service.clock.move(minutes=6)
    reports = await asyncio.gather(service.sweep(), service.sweep())
    assert [report.looked_at for report in reports] == [1, 1]
    assert [entry.to_status for entry in (await service.now()).transitions].count(RunState.FAILED) == 1


@pytest.mark.parametrize("start", ["pending", "running"])
async def test_a_job_that_ended_without_completing_its_run_lost_its_way(service: Service, start: str) -> None:
    run = await (service.pending() if start == "pending" else service.running())
    service.jobs.put(run.compute.job_id, JobState.SUCCEEDED)
    await service.sweep(minutes=6)
    assert await service.reason() is FailureReason.ORCHESTRATOR_ERROR


async def test_a_running_run_without_a_job_is_a_vanished_one(service: Service) -> None:
    await service.running()
    service.jobs.jobs.clear()
    await service.sweep(minutes=6)
    assert await service.reason() is FailureReason.JOB_VANISHED


@pytest.mark.parametrize("start", ["pending", "running"])
async def test_an_error_while_asking_never_counts_as_missing(service: Service, start: str) -> None:
    before = await (service.pending() if start == "pending" else service.running())
    service.jobs.fault = Unavailable("Batch")
    assert (await service.sweep(minutes=6)).unanswered == 1
    with pytest.raises(Unavailable, match="Batch"):
        await service.notify()
    assert await service.now() == before
    assert len(service.jobs.requests) == 1


async def test_the_heartbeat_of_a_job_that_batch_does_not_find_is_believed_until_it_falls_silent(
    service: Service,
) -> None:
    run = await service.running()
    service.jobs.jobs.clear()
    service.clock.move(minutes=4)
    await service.notify()
    assert (await service.now()).status is RunState.RUNNING
    service.clock.move(minutes=1)
    await service.notify()
    assert await service.reason() is FailureReason.JOB_VANISHED
    service.jobs.put(run.compute.job_id, JobState.RUNNING)  # it turns up after all, and is released
    await service.sweep(minutes=1)
    assert service.jobs.cancelled == [run.compute.job_id]


async def test_a_second_attempt_shows_nothing_of_the_first_and_may_wait_long_for_its_machine(service: Service) -> None:
    first = await service.running()
    summary = Iteration(number=1, strategy="direct", score=6, components=[], duration_seconds=1.0)
    holder = lease(first.run_id, store=service.store, clock=service.clock)
    await holder.progress(phase=Phase.EVALUATION, iteration=2, finished=summary)
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.sweep(minutes=6)
    second = await service.now()
    assert (second.compute.attempt, second.iterations, second.heartbeat_at) == (2, [], None)
    assert (second.current_phase, second.current_iteration, second.control_strategy_effective) == (None, 0, None)
    for state in (JobState.QUEUED, JobState.RUNNING):  # silent for longer than a job that hangs
        service.jobs.put(second.compute.job_id, state)
        await service.sweep(minutes=20)
        assert (await service.now()).status is RunState.RUNNING
    await lease(first.run_id, attempt=2, owner="second", store=service.store, clock=service.clock).begin()
    await service.sweep(minutes=16)
    assert await service.reason() is FailureReason.ORCHESTRATOR_ERROR


async def test_a_silent_job_is_given_time_and_then_up(service: Service) -> None:
    run = await service.running()
    await service.sweep(minutes=6)
    assert (await service.now()).status is RunState.RUNNING
    await service.sweep(minutes=10)
    after = await service.now()
    assert await service.reason() is FailureReason.ORCHESTRATOR_ERROR
    assert after.compute.state is ComputeState.RELEASING
    await service.sweep(minutes=1)
    assert service.jobs.cancelled == [run.compute.job_id]


async def test_a_cancelled_run_is_released_when_batch_confirms(service: Service) -> None:
    run = await service.running()
    service.jobs.fault = Unavailable("Batch")
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    service.jobs.fault = None
    await service.sweep(minutes=1)
    assert service.jobs.cancelled == [run.compute.job_id]
    assert (await service.now()).compute.state is ComputeState.RELEASING
    await service.sweep(minutes=1)
    assert (await service.now()).compute.state is ComputeState.RELEASED
    assert (await service.sweep(hours=1)).looked_at == 0


async def test_a_submit_that_was_under_way_at_the_cancel_is_waited_for(service: Service) -> None:
    run = await service.pending()
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    service.jobs.jobs.clear()
    await service.sweep(seconds=40)
    assert (await service.now()).compute.state is ComputeState.RELEASING
    service.jobs.put(run.compute.job_id, JobState.QUEUED)  # the late submit arrives
    await service.sweep(minutes=1)
    assert service.jobs.cancelled[-1] == run.compute.job_id


async def test_a_cancelled_run_whose_job_never_came_is_released_in_the_end(service: Service) -> None:
    run = await service.pending()
    service.clock.move(hours=1)  # its age says nothing: a retry of the create may have been under way
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    service.jobs.jobs.clear()
    await service.sweep(minutes=1)
    assert (await service.now()).compute.state is ComputeState.RELEASING
    await service.sweep(minutes=2)
    assert (await service.now()).compute.state is ComputeState.RELEASED


async def test_a_cancel_that_batch_works_on_is_not_sent_again(service: Service) -> None:
    """Regression: no test noticed a sweep that sends another CancelJob until the job is gone."""
    run = await service.running()
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    for _ in range(3):
        service.jobs.put(run.compute.job_id, JobState.CANCELLATION_IN_PROGRESS)
        report = await service.sweep(seconds=30)
        assert (report.looked_at, report.unanswered) == (1, 0)
    assert service.jobs.cancelled == [run.compute.job_id]
    assert (await service.now()).compute.state is ComputeState.RELEASING


async def test_a_run_that_is_cancelled_while_batch_is_asked_keeps_its_job_to_be_released(service: Service) -> None:
    run = await service.running()

    class Slow(FakeBatch):
        async def describe(self, job_id: str) -> JobReport | None:
            await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
            return JobReport(job_id, JobState.RUNNING)

    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    await make_sweeper(service.store, Slow(), service.clock).notified(name)
    assert (await service.now()).compute.state is ComputeState.RELEASING


async def test_regression_a_late_decision_about_the_first_attempt_does_not_end_the_second(service: Service) -> None:
    """Regression: a slow check that saw the first job dead, without its exit code, failed the run and took the second job for gone."""
    first = await service.running()

    class Slow(FakeBatch):
        async def describe(self, job_id: str) -> JobReport | None:
            service.jobs.put(job_id, JobState.FAILED, exit_codes=(50001,))
            await service.sweep(minutes=6)
            return JobReport(job_id, JobState.FAILED)  # as it was before

    name = f"projects/p/locations/r/jobs/{first.compute.job_id}"
    await make_sweeper(service.store, Slow(), service.clock).notified(name)
    second = await service.now()
    assert (second.status, second.compute.attempt) == (RunState.RUNNING, 2)
    assert second.compute.state is ComputeState.SUBMITTED


@pytest.mark.parametrize("report", [JobReport("job", JobState.RUNNING), None])
async def test_regression_a_job_that_speaks_again_while_it_is_given_up_goes_on(
    service: Service, report: JobReport | None
) -> None:
    """Regression: its heartbeat between the question to Batch and the answer did not count."""
    run = await service.running()

    class Slow(FakeBatch):
        async def describe(self, _: str) -> JobReport | None:
            await lease(run.run_id, store=service.store, clock=service.clock).heartbeat()
            return report

    service.clock.move(minutes=16)
    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    await make_sweeper(service.store, Slow(), service.clock).notified(name)
    assert (await service.now()).status is RunState.RUNNING
