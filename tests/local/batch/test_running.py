"""Jobs of the emulator are real processes: they run, report, can be stopped, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.cloud import batch_v1

if TYPE_CHECKING:
    from tests.local.batch.conftest import World

    Start = Callable[..., Awaitable[World]]

REPO = Path(__file__).parents[3]
STUBBORN = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', os.getpid(), flush=True); time.sleep(60)"
POLITE = (
    "import os, signal, sys, time\n"
    "def leave(*_): print('asked to stop', flush=True); sys.exit(7)\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "print('up', os.getpid(), flush=True)\n"
    "time.sleep(60)"
)
PARENT_OF_ONE = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('up', child.pid, flush=True)\n"
)


def runs(pid: int) -> bool:
    """Return whether a process with this id runs; a zombie does not."""
    try:
        if Path("/proc/self/stat").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


async def pid_in_log(world: World, job_id: str) -> int:
    log = await world.log_says(job_id, "up ")
    return int(log.split("up ")[1].split()[0])


async def test_a_job_runs_its_command_with_its_environment_in_the_given_folder(start: Start, tmp_path: Path) -> None:
    world = await start(job_env={"PATH": os.environ["PATH"], "BOTH": "base", "BASE": "yes"})
    code = (
        "import os, sys\n"
        "print(os.getcwd(), *(os.environ[name] for name in ('BASE', 'BOTH', 'RUN_ID')), sys.executable, flush=True)\n"
        "print('bad', file=sys.stderr)"
    )
    await world.run("one", code, environment={"BOTH": "job", "RUN_ID": "run_1"})
    job = await world.until("one", "SUCCEEDED", "FAILED")
    assert job.status.state.name == "SUCCEEDED"
    log = (tmp_path / "logs" / "one.log").read_text()
    assert log == f"{tmp_path} yes job run_1 {sys.executable}\nbad\n"


async def test_a_job_sees_nothing_of_the_emulators_own_environment(world: World) -> None:
    os.environ["SECRET_OF_THE_STAND_IN"] = "x"
    try:
        await world.run("one", "import os; print('SECRET_OF_THE_STAND_IN' in os.environ)")
        await world.until("one", "SUCCEEDED")
    finally:
        del os.environ["SECRET_OF_THE_STAND_IN"]
    assert world.emulator.log_path("one").read_text() == "False\n"


async def test_a_job_that_succeeds_passes_through_all_its_states_and_tells_each(world: World) -> None:
    created = await world.run("one", "print('hello')")
    assert created.status.state.name == "QUEUED"
    assert created.uid
    job = await world.until("one", "SUCCEEDED")
    steps = [event.description.split(" for job ")[0] for event in job.status.status_events]
    assert steps == [
        "Job state is set from QUEUED to SCHEDULED",
        "Job state is set from SCHEDULED to RUNNING",
        "Job state is set from RUNNING to SUCCEEDED",
    ]
    times = [event.event_time.ToNanoseconds() for event in batch_v1.Job.pb(job).status.status_events]
    assert times == sorted(times)
    assert batch_v1.Job.pb(job).create_time.ToNanoseconds() <= times[0]
    assert job.update_time == job.status.status_events[-1].event_time


async def test_the_event_of_a_failed_job_has_the_exit_code_in_its_text_and_not_in_its_field(world: World) -> None:
    await world.run("one", "raise SystemExit(3)")
    event = (await world.until("one", "FAILED")).status.status_events[-1]
    assert "Task state is updated from RUNNING to FAILED on zones/" in event.description
    assert 'with exit code 3."' in event.description
    assert not event.task_execution.exit_code


async def test_a_program_that_is_not_there_fails_with_127_and_says_so(world: World) -> None:
    await world.create("one", world.job("no-such-program"))
    job = await world.until("one", "FAILED")
    assert "with exit code 127" in job.status.status_events[-1].description
    assert "no-such-program" in world.emulator.log_path("one").read_text()


async def test_a_job_whose_folder_is_gone_fails_without_having_run(start: Start, tmp_path: Path) -> None:
    world = await start(cwd=tmp_path / "gone")
    await world.run("one", "print('never')")
    job = await world.until("one", "FAILED")
    assert "from ASSIGNED to FAILED" in job.status.status_events[-1].description
    assert "with exit code 50000" in job.status.status_events[-1].description


@pytest.mark.parametrize(
    ("action", "codes", "attempts"),
    [("RETRY_TASK", [7], 3), ("RETRY_TASK", [8], 1), ("FAIL_TASK", [7], 1), ("FAIL_TASK", [8], 3), (None, [], 3)],
)
async def test_a_task_is_repeated_as_its_policy_says_and_at_most_as_often_as_its_limit(
    world: World, action: str | None, codes: list[int], attempts: int
) -> None:
    job = world.job("python", "-c", "import sys; sys.exit(7)")
    spec = job.task_groups[0].task_spec
    spec.max_retry_count = 2
    if action:
        policy = {"action": action, "action_condition": {"exit_codes": codes}}
        spec.lifecycle_policies = [batch_v1.LifecyclePolicy(policy)]
    await world.create("one", job)
    failed = await world.until("one", "FAILED")
    assert sum("with exit code 7." in event.description for event in failed.status.status_events) == attempts


async def test_a_repeated_task_knows_its_attempt_and_its_job_succeeds(world: World) -> None:
    code = "import os, sys; attempt = os.environ['BATCH_TASK_RETRY_ATTEMPT']; print(attempt); sys.exit(attempt == '0')"
    job = world.job("python", "-c", code)
    job.task_groups[0].task_spec.max_retry_count = 2
    await world.create("one", job)
    await world.until("one", "SUCCEEDED")
    assert world.emulator.log_path("one").read_text() == "1\n"


async def test_a_job_over_its_time_is_stopped_with_50005(world: World) -> None:
    await world.run("one", POLITE, seconds=0.6)
    pid = await pid_in_log(world, "one")
    job = await world.until("one", "FAILED", "SUCCEEDED")
    assert "task runs over the maximum runtime with exit code 50005" in job.status.status_events[-1].description
    assert "asked to stop" in world.emulator.log_path("one").read_text()
    assert not runs(pid)


async def test_a_cancelled_job_is_asked_to_stop_and_is_cancelled_when_it_has(world: World) -> None:
    await world.run("one", POLITE)
    pid = await pid_in_log(world, "one")
    await world.cancel("one")
    job = await world.get("one")
    assert job.status.state.name == "CANCELLED"
    assert "asked to stop" in world.emulator.log_path("one").read_text()
    assert not runs(pid)
    assert "FAILED" not in " ".join(event.description for event in job.status.status_events)


async def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_time(start: Start) -> None:
    world = await start(grace_seconds=0.4)
    await world.run("one", STUBBORN)
    pid = await pid_in_log(world, "one")
    began = asyncio.get_running_loop().time()
    await world.client.cancel_job(name=world.name("one"))
    await world.until("one", "CANCELLED")
    assert asyncio.get_running_loop().time() - began >= 0.4
    assert not runs(pid)


async def test_a_job_killed_from_outside_fails_with_137(world: World) -> None:
    await world.run("one", STUBBORN)
    os.kill(await pid_in_log(world, "one"), 9)
    job = await world.until("one", "FAILED")
    assert "with exit code 137" in job.status.status_events[-1].description


async def test_what_a_job_leaves_running_ends_with_it(world: World) -> None:
    await world.run("one", PARENT_OF_ONE)
    child = await pid_in_log(world, "one")
    await world.until("one", "SUCCEEDED")
    await world.eventually(lambda: not runs(child))


async def test_only_so_many_jobs_run_at_once_and_the_others_stay_queued(start: Start, tmp_path: Path) -> None:
    world = await start(max_parallel=2)
    waits = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)"
    for job_id in ("one", "two", "three"):
        await world.run(job_id, waits)
    await world.until("two", "RUNNING")
    assert (await world.get("three")).status.state.name == "QUEUED"
    (tmp_path / "go").touch()
    for job_id in ("one", "two", "three"):
        await world.until(job_id, "SUCCEEDED")


async def test_a_queued_job_is_cancelled_without_ever_running(start: Start) -> None:
    world = await start(max_parallel=1)
    await world.run("one", POLITE)
    await world.run("two", "print('never')")
    await world.cancel("two")
    assert (await world.get("two")).status.state.name == "CANCELLED"
    await world.cancel("one")
    assert not world.emulator.log_path("two").exists()


async def test_a_job_cancelled_at_once_ends_cancelled_whatever_it_was_doing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(8):
        await world.run(f"job-{number}", "import time; time.sleep(60)")
        await world.client.cancel_job(name=world.name(f"job-{number}"))
    for number in range(8):
        await world.until(f"job-{number}", "CANCELLED")
    assert caplog.text == ""


async def test_a_running_job_that_is_deleted_is_stopped_and_then_gone(world: World) -> None:
    await world.run("one", POLITE)
    pid = await pid_in_log(world, "one")
    await world.delete("one")
    assert not runs(pid)
    listed = await world.client.list_jobs(parent=world.parent)
    assert [job.name async for job in listed] == []


async def test_nothing_is_left_after_stop(start: Start) -> None:
    world = await start(grace_seconds=0.3)
    await world.run("one", STUBBORN)
    await world.run("two", PARENT_OF_ONE + "time.sleep(60)")
    await world.run("three", "print('never')")
    pids = [await pid_in_log(world, "one"), await pid_in_log(world, "two")]
    await world.emulator.stop()
    await world.eventually(lambda: not any(runs(pid) for pid in pids))
    assert not world.emulator.log_path("three").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
async def test_a_job_does_not_outlive_a_emulator_that_is_killed(world: World, tmp_path: Path) -> None:
    server = textwrap.dedent(
        """
        import asyncio, pathlib, sys
        from local import processes

        async def main():
            command = [sys.executable, "-c", sys.argv[2]]
            await (await processes.start(command, log=pathlib.Path(sys.argv[1]))).wait()

        asyncio.run(main())
        """
    )
    log = tmp_path / "job.log"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", server, log, STUBBORN, cwd=REPO)
    try:
        await world.eventually(lambda: log.exists() and "up" in log.read_text())
    finally:
        process.kill()
        await process.wait()
    await world.eventually(lambda: not runs(int(log.read_text().split()[1])))


async def test_a_topic_hears_each_change_of_state_in_order(world: World) -> None:
    job = await world.run("one", "raise SystemExit(1)", topic=world.topic)
    await world.until("one", "FAILED")
    await world.eventually(lambda: len(world.published) == 3)
    assert [message["NewJobState"] for message in world.published] == ["SCHEDULED", "RUNNING", "FAILED"]
    assert world.published[-1] == {
        "Type": "JOB_STATE_CHANGED",
        "JobName": world.name("one"),
        "JobUID": job.uid,
        "NewJobState": "FAILED",
        "OldJobState": "RUNNING",
        "Region": "europe-west1",
    }


async def test_a_topic_that_does_not_say_of_what_it_wants_to_hear_hears_nothing(world: World) -> None:
    silent = world.job("true", topic=world.topic)
    silent.notifications[0].message = batch_v1.JobNotification.Message()
    await world.create("one", silent)
    await world.until("one", "SUCCEEDED")
    await world.create("two", world.job("true", topic=world.topic))
    await world.eventually(lambda: len(world.published) == 3)
    assert {message["JobName"] for message in world.published} == {world.name("two")}


async def test_a_job_that_asks_for_no_topic_is_not_told_of(world: World) -> None:
    await world.run("one", "pass")
    await world.until("one", "SUCCEEDED")
    await world.run("two", "pass", topic=world.topic)
    await world.until("two", "SUCCEEDED")
    await world.eventually(lambda: len(world.published) == 3)
    assert {message["JobName"] for message in world.published} == {world.name("two")}


async def test_a_topic_that_asks_for_one_state_hears_of_that_only(world: World) -> None:
    wanted = world.job("python", "-c", "pass", topic=world.topic)
    wanted.notifications[0].message.new_job_state = 4  # type: ignore[assignment]  # SUCCEEDED; the client has no types for its enums
    await world.create("one", wanted)
    await world.until("one", "SUCCEEDED")
    await world.eventually(lambda: bool(world.published))
    assert [message["NewJobState"] for message in world.published] == ["SUCCEEDED"]


async def test_a_listener_that_fails_is_logged_and_neither_ends_the_job_nor_the_next_message(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    async def publish(attributes: dict[str, str]) -> None:
        heard.append(attributes["NewJobState"])
        if len(heard) == 1:
            message = "push endpoint is away"
            raise ConnectionError(message)

    world = await start(on_notification=publish)
    await world.run("one", "pass", topic=world.topic)
    await world.until("one", "SUCCEEDED")
    await world.eventually(lambda: len(heard) == 3)
    assert "push endpoint is away" in caplog.text
