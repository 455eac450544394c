"""The emulator keeps its jobs across a restart, whether it was stopped or killed."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1

from local.batch.faults import LoseJob, StayQueued
from shared.runs.jobs import JobReport, JobState, failure_of
from shared.runs.states import FailureReason

if TYPE_CHECKING:
    from tests.local.batch.conftest import World

    Start = Callable[..., Awaitable[World]]

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "batch.db"


def crashed(journal: Path) -> Path:
    """Return a copy of the journal as a process killed at this moment would leave it, write-ahead log included."""
    copy = journal.with_name("crashed.db")
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{journal}{suffix}", f"{copy}{suffix}")
    return copy


async def test_jobs_that_ended_stay_as_they_were(start: Start, journal: Path) -> None:
    first = await start(journal=journal)
    await first.run("good", "print('done')")
    await first.run("bad", "raise SystemExit(3)")
    before = [await first.until("good", "SUCCEEDED"), await first.until("bad", "FAILED")]
    await first.emulator.stop()
    second = await start(journal=journal)
    assert [await second.get("good"), await second.get("bad")] == before
    assert 'with exit code 3."' in before[1].status.status_events[-1].description
    listed = await second.client.list_jobs(parent=second.parent)
    assert [job.name async for job in listed] == [second.name("bad"), second.name("good")]


async def test_a_queued_job_runs_after_a_restart(start: Start, journal: Path) -> None:
    first = await start(journal=journal, max_parallel=0)
    created = await first.run("one", "print('ran')", environment={"RUN_ID": "run_1"})
    await first.emulator.stop()
    second = await start(journal=journal)
    done = await second.until("one", "SUCCEEDED", "FAILED")
    assert (done.status.state.name, done.uid) == ("SUCCEEDED", created.uid)
    assert second.emulator.log_path("one").read_text() == "ran\n"


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_running_job_is_failed_as_one_whose_machine_was_lost_and_is_retried(
    start: Start, journal: Path, how: str
) -> None:
    first = await start(journal=journal)
    await first.run("one", SLEEPS, topic=first.topic)
    await first.log_says("one", "up")
    await first.until("one", "RUNNING")
    if how == "killed":
        journal = crashed(journal)
    await first.emulator.stop()
    second = await start(journal=journal)
    job = await second.get("one")
    assert job.status.state.name == "FAILED"
    description = job.status.status_events[-1].description
    assert "due to Batch no longer receives VM updates with exit code 50002." in description
    failure = failure_of(JobReport("one", JobState.FAILED, (description,), (50002,)))
    assert (failure.reason, failure.retryable) == (FailureReason.PREEMPTED, True)
    await second.eventually(lambda: bool(second.published))
    assert [(sent["OldJobState"], sent["NewJobState"]) for sent in second.published] == [("RUNNING", "FAILED")]


async def test_a_job_that_was_being_cancelled_is_cancelled(start: Start, journal: Path) -> None:
    first = await start(journal=journal)
    ignores_sigterm = SLEEPS.replace("import time;", "import signal, time; signal.signal(15, signal.SIG_IGN);")
    await first.run("one", ignores_sigterm)
    await first.log_says("one", "up")
    await first.client.cancel_job(name=first.name("one"))
    second = await start(journal=crashed(journal))
    assert (await second.get("one")).status.state.name == "CANCELLED"


async def test_a_deleted_job_stays_deleted(start: Start, journal: Path) -> None:
    first = await start(journal=journal)
    ignores_sigterm = SLEEPS.replace("import time;", "import signal, time; signal.signal(15, signal.SIG_IGN);")
    await first.run("gone", "pass")
    await first.until("gone", "SUCCEEDED")
    await first.delete("gone")
    await first.run("going", ignores_sigterm)
    await first.log_says("going", "up")
    await first.client.delete_job(name=first.name("going"))
    second = await start(journal=crashed(journal))
    for job_id in ("gone", "going"):
        with pytest.raises(exceptions.NotFound):
            await second.get(job_id)


async def test_a_request_id_is_remembered(start: Start, journal: Path) -> None:
    request_id = str(uuid4())
    first = await start(journal=journal)
    created = await first.create("one", first.job("true"), request_id)
    await first.until("one", "SUCCEEDED")
    await first.emulator.stop()
    second = await start(journal=journal)
    again = await second.create("one", second.job("true"), request_id)
    assert (again.uid, again.status.state) == (created.uid, batch_v1.JobStatus.State.SUCCEEDED)
    with pytest.raises(exceptions.AlreadyExists):
        await second.create("one", second.job("true"), str(uuid4()))


async def test_faults_end_with_the_emulator(start: Start, journal: Path) -> None:
    first = await start(journal=journal)
    first.emulator.faults.begin(StayQueued())
    await first.run("waits", "pass")
    first.emulator.faults.begin(LoseJob(after_seconds=0.2))
    await first.run("lost", SLEEPS)
    await first.until("lost", "RUNNING")
    await first.emulator.stop()
    second = await start(journal=journal)
    assert second.emulator.faults.spec is None
    await second.until("waits", "SUCCEEDED")
    assert (await second.get("lost")).status.state.name == "FAILED"


async def test_without_a_journal_jobs_end_with_the_emulator(start: Start) -> None:
    first = await start()
    await first.run("one", "pass")
    await first.until("one", "SUCCEEDED")
    await first.emulator.stop()
    with pytest.raises(exceptions.NotFound):
        await (await start()).get("one")
