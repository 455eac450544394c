"""Which runs a sweep checks, and what a notification of Batch is taken for."""

from collections.abc import Callable

import pytest

from shared.errors import RunNotFound, Unavailable
from shared.runs import sweeper
from shared.runs.jobs import JobReport, JobState
from shared.runs.records import Run
from shared.runs.states import RunState
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.shared.runs.test_reconciler import Service
from tests.support.builders import make_sweeper
from tests.support.fakes import FakeBatch, TestClock


@pytest.fixture
def service(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Service:
    return Service(SqliteRunStore(sqlite), batch, clock)


async def test_a_sweep_is_bounded_and_the_next_one_goes_on_where_it_stopped(service: Service) -> None:
    for _ in range(2 * sweeper.PAGE + 3):
        await service.pending()
    assert (await service.sweep(minutes=3, max_pages=1)).looked_at == sweeper.PAGE
    assert (await service.sweep(max_seconds=0)).looked_at == 0
    assert (await service.sweep()).looked_at == sweeper.PAGE + 3
    assert (await service.sweep()).looked_at == 0


async def test_a_sweep_reports_the_failed_runs_of_all_its_parts(service: Service) -> None:
    failed = set()
    for _ in range(sweeper.CONCURRENT_CHECKS + 2):
        run = await service.running()
        service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
        failed.add(run.run_id)
    assert set((await service.sweep(minutes=6)).failed) == failed


async def test_a_sweep_leaves_a_batch_that_does_not_answer_in_peace(service: Service) -> None:
    for _ in range(sweeper.CONCURRENT_CHECKS + 1):
        await service.pending()
    service.jobs.fault = Unavailable("Batch")
    assert (await service.sweep(minutes=3)).unanswered == sweeper.CONCURRENT_CHECKS


async def test_a_deleted_run_does_not_stop_the_sweep_of_the_others(service: Service, sqlite: SqliteDatabase) -> None:
    class Deleting(SqliteRunStore):
        async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
            if run_id == deleted.run_id:
                raise RunNotFound(run_id)
            return await super().update(run_id, change)

    deleted, other = await service.running(), await service.running()
    for run in (deleted, other):
        service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
    service.store = Deleting(sqlite)
    assert (await service.sweep(minutes=6)).failed == [other.run_id]


async def test_a_notification_is_only_a_hint(service: Service) -> None:
    await service.running()
    after = await service.notify()
    assert after is not None
    assert after.status is RunState.RUNNING


@pytest.mark.parametrize(
    "name", ["", "projects/p/locations/r/jobs/other", "projects/p/locations/r/jobs/haystack-0123456789ab-1"]
)
async def test_a_notification_of_a_job_that_is_not_ours_is_let_go(service: Service, name: str) -> None:
    assert await make_sweeper(service.store, service.jobs, service.clock).notified(name) is None


async def test_a_late_notification_about_the_first_attempt_says_nothing_about_the_second(service: Service) -> None:
    """Regression: no test noticed when a repeated notification counted for the present job, which Batch does not know yet."""
    first = await service.running()
    service.jobs.put(first.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.sweep(minutes=6)
    second = await service.now()
    assert second.compute.attempt == 2
    service.clock.move(minutes=6)
    late = f"projects/p/locations/r/jobs/{first.compute.job_id}"
    made = make_sweeper(service.store, service.jobs, service.clock)
    del service.jobs.jobs[second.compute.job_id]
    assert await made.notified(late) == second
    service.jobs.fault = Unavailable("Batch")  # it is not even asked
    assert await made.notified(late) == second == await service.now()


async def test_regression_a_run_whose_check_fails_unexpectedly_keeps_no_other_from_its_check(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: the sweep ended at that run, each time, and never came to those that were due later."""

    class Broken(FakeBatch):
        async def describe(self, job_id: str) -> JobReport | None:
            if job_id == first.compute.job_id:
                raise ZeroDivisionError
            return await super().describe(job_id)

    service.jobs = Broken()
    first = await service.running()
    for _ in range(sweeper.CONCURRENT_CHECKS):
        service.clock.move(seconds=1)
        last = await service.running()
    service.jobs.put(last.compute.job_id, JobState.FAILED, exit_codes=(1,))
    report = await service.sweep(minutes=6)
    assert (report.failed, report.unanswered) == ([last.run_id], 1)
    assert f'"run_id": "{first.run_id}"' in capsys.readouterr().err
