"""The scheduler at moments that no client can time: a job that is released before it runs, or while it starts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import batch_v1
from google.protobuf.duration_pb2 import Duration

from local.batch.faults import StayQueued
from local.batch.jobs import JobRecord, new_job
from local.batch.mounts import Mounts
from local.batch.scheduler import RUN_SECONDS, Scheduler, time_limit
from shared.runs.jobs import JobState


def wanted() -> batch_v1.Job:
    container = batch_v1.Runnable.Container(image_uri="job:1", commands=["python", "-c", "import time; time.sleep(60)"])
    spec = batch_v1.TaskSpec(runnables=[batch_v1.Runnable(container=container)])
    return batch_v1.Job(task_groups=[batch_v1.TaskGroup(task_spec=spec)])


class Watched:
    """A scheduler for one job at a time, and a record that cancels itself when it reaches a state."""

    def __init__(self, folder: Path, leave_at: JobState | None = None) -> None:
        self.scheduler = Scheduler(
            log_dir=folder, job_env={}, cwd=folder, max_parallel=1, grace_seconds=1, mounts=Mounts({}, folder)
        )
        self.states: list[JobState] = []
        self.leave_at = leave_at
        self.left = asyncio.Event()
        self.record = JobRecord(new_job("projects/p/locations/l/jobs/j", wanted()), self.told)

    def told(self, record: JobRecord, _old: JobState) -> None:
        self.states.append(record.state)
        if record.released:
            self.left.set()
        if record.state is self.leave_at:
            asyncio.get_running_loop().call_soon(record.move, JobState.CANCELLATION_IN_PROGRESS)


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that nothing here counts as an error of the emulator."""
    yield
    assert caplog.get_records("call") == []


async def test_a_job_taken_away_before_its_turn_never_starts(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.scheduler.admit(watched.record)
    watched.record.move(JobState.CANCELLATION_IN_PROGRESS)
    async with asyncio.timeout(10):
        await watched.scheduler.release(watched.record)
    assert watched.states == [JobState.CANCELLATION_IN_PROGRESS]
    assert not watched.scheduler.log_path("j").exists()


async def test_a_job_taken_away_while_it_starts_never_counts_as_running(tmp_path: Path) -> None:
    watched = Watched(tmp_path, leave_at=JobState.SCHEDULED)
    watched.scheduler.admit(watched.record)
    async with asyncio.timeout(10):
        await watched.left.wait()
        await watched.scheduler.release(watched.record)
    assert watched.states == [JobState.SCHEDULED, JobState.CANCELLATION_IN_PROGRESS]


async def test_a_job_that_is_just_starting_does_not_hold_up_the_end(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.scheduler.admit(watched.record)
    async with asyncio.timeout(10):
        await watched.scheduler.close()
    assert watched.states[0] is JobState.SCHEDULED
    assert JobState.RUNNING not in watched.states


async def test_a_job_that_is_cancelled_just_before_it_has_waited_too_long_does_not_fail(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.record.fault = StayQueued(seconds=0.01)
    watched.scheduler.admit(watched.record)
    watched.record.move(JobState.CANCELLATION_IN_PROGRESS)
    await asyncio.sleep(0.05)
    await watched.scheduler.release(watched.record)
    assert watched.states == [JobState.CANCELLATION_IN_PROGRESS]


@pytest.mark.parametrize(
    ("task", "runnable", "limit"),
    [(0, 0, RUN_SECONDS), (5, 0, 5), (0, 3, 3), (5, 3, 3), (2, 3, 2), (10**9, 0, RUN_SECONDS)],
)
def test_the_shortest_of_the_limits_that_are_set_and_fourteen_days_holds(
    task: int, runnable: int, limit: float
) -> None:
    job = wanted()
    spec = job.task_groups[0].task_spec
    spec.max_run_duration = Duration(seconds=task)
    spec.runnables[0].timeout = Duration(seconds=runnable)
    assert time_limit(job) == limit
