"""A permission that Batch denies: retries end, the failure is not retryable, and the operators are alerted."""

import json

import pytest

from shared.errors import PermissionMissing
from shared.runs import lifecycle
from shared.runs.jobs import JobReport, JobRequest, JobState
from shared.runs.states import ComputeState, FailureReason, RunState
from shared.runs.submission import NOT_PERMITTED
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.shared.runs.test_reconciler import Service
from tests.support.builders import ADA, lease
from tests.support.fakes import FakeBatch, TestClock

DENIED = PermissionMissing("Google Cloud Batch")
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def service(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Service:
    return Service(SqliteRunStore(sqlite), batch, clock)


def alerts(capsys: Captured) -> list[str]:
    """Return the runs of the lines that the alert policy matches."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    wanted = {"severity": "ERROR", "message": "Batch denied permission"}
    return [line["run_id"] for line in lines if wanted.items() <= line.items()]


async def test_a_denied_submit_fails_the_run_at_once_and_alerts(service: Service, capsys: Captured) -> None:
    service.jobs.fault = DENIED
    run = await service.pending()
    assert run.status is RunState.FAILED
    assert run.failure is not None
    assert (run.failure.reason, run.failure.retryable) == (FailureReason.CONFIGURATION, False)
    assert "tell the operators" in run.failure.advice
    assert run.error_message == NOT_PERMITTED
    assert alerts(capsys) == [run.run_id]


async def test_a_denied_submit_of_the_sweep_fails_the_run(service: Service, capsys: Captured) -> None:
    await service.pending()
    await service.jobs.forget()

    class MayOnlyRead(FakeBatch):
        async def submit(self, request: JobRequest) -> None:
            assert request.job_id.endswith("-1")
            raise DENIED

    service.jobs = MayOnlyRead()
    assert (await service.sweep(minutes=3)).failed == [service.run_id]
    assert await service.reason() is FailureReason.CONFIGURATION
    assert alerts(capsys) == [service.run_id]


async def test_a_cancel_holds_although_its_job_cannot_be_cancelled(service: Service, capsys: Captured) -> None:
    run = await service.running()
    service.jobs.fault = DENIED
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    assert cancelled.status is RunState.CANCELLED
    assert alerts(capsys) == [run.run_id]


async def test_a_job_that_gives_signs_of_life_goes_on_unseen(service: Service, capsys: Captured) -> None:
    run = await service.running()
    service.jobs.fault = DENIED
    for _ in range(30):
        service.clock.move(minutes=1)
        await lease(run.run_id, store=service.store, clock=service.clock).heartbeat()
        await service.notify()
    assert (await service.now()).status is RunState.RUNNING
    assert set(alerts(capsys)) == {run.run_id}


@pytest.mark.parametrize("begun", [True, False])
async def test_a_silent_run_whose_job_cannot_be_seen_fails_after_a_quarter_of_an_hour(
    service: Service, begun: bool
) -> None:
    run = await service.running() if begun else await service.pending()
    service.jobs.fault = DENIED
    sweeps = 0
    while not (await service.now()).status.done:
        sweeps += (await service.sweep(minutes=1)).looked_at
    assert await service.reason() is FailureReason.CONFIGURATION
    assert (await service.now()).error_message == NOT_PERMITTED
    assert sweeps <= 5
    assert 15 * 60 < (service.clock() - run.updated_at).total_seconds() <= 22 * 60


async def test_a_job_that_gives_a_sign_of_life_at_the_last_moment_goes_on(service: Service) -> None:
    run = await service.running()
    service.clock.move(minutes=16)
    clock = service.clock

    class HeartbeatMeanwhile(FakeBatch):
        async def describe(self, job_id: str) -> JobReport | None:
            assert job_id == run.compute.job_id
            await lease(run.run_id, store=service.store, clock=clock).heartbeat()
            raise DENIED

    service.jobs = HeartbeatMeanwhile()
    await service.sweep()
    assert (await service.now()).status is RunState.RUNNING


@pytest.mark.parametrize("begun", [True, False])
async def test_the_release_of_a_job_that_cannot_be_cancelled_ends_when_the_job_must_be_gone(
    service: Service, begun: bool
) -> None:
    run = await service.running() if begun else await service.pending()
    service.clock.move(hours=10)
    service.jobs.fault = DENIED
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    looked_at = released_after = 0
    for hour in range(100):
        looked_at += (await service.sweep(hours=1)).looked_at
        if not released_after and (await service.now()).compute.state is ComputeState.RELEASED:
            released_after = hour + 1
    assert (await service.now()).check_at is None
    assert released_after == 73
    assert looked_at <= 73


async def test_a_permission_that_is_restored_is_used_again(service: Service) -> None:
    run = await service.running()
    service.jobs.fault = DENIED
    await service.sweep(minutes=6)
    service.jobs.fault = None
    service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
    await service.sweep(minutes=6)
    assert await service.reason() is FailureReason.ORCHESTRATOR_ERROR
