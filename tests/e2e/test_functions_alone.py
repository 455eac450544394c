"""Each function in a process of its own, started by the framework's own command: as in the README, and as it is deployed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks import made_runs
from local import processes
from local.processes import Child
from shared import routes
from shared.routes import RUNTIME
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore

ROOT = Path(__file__).parent.parent.parent
ASKED = {
    "create": ("POST", "/api/v1/runs", 415),
    "list": ("GET", "/api/v1/runs", 200),
    "status": ("GET", "/api/v1/runs/run_0123456789ab", 404),
    "result": ("GET", "/api/v1/runs/run_0123456789ab/result", 404),
    "cancel": ("POST", "/api/v1/runs/run_0123456789ab/cancel", 404),
    "validate": ("POST", "/api/v1/runs/validate-control-strategy", 415),
    "metadata": ("GET", "/api/v1/metadata/datasets", 200),
    "health": ("GET", "/api/v1/health/ready", 200),
    "reconcile": ("POST", "/api/v1/reconcile", 401),
}


@asynccontextmanager
async def alone(
    name: str, folder: Path, runtime: Mapping[str, str], **settings: str
) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """A function that listens, and who asks it; its log and its runs are in this folder.

    Args:
        name: the function.
        folder: takes `log` and `runs.db`.
        runtime: what its environment tells the libraries.
        settings: others than these tests' own.
    """
    port = processes.free_port()
    environment = {
        "ENVIRONMENT": "development",
        "PROJECT": "p",
        "REGION": "r",
        "RESULTS_BUCKET": "b",
        "STORE": "sqlite",
        "SQLITE_PATH": str(folder / "runs.db"),
        "PATH": os.environ["PATH"],
        **runtime,
        **settings,
    }
    framework = str(Path(sys.executable).parent / "functions-framework")
    command = [framework, "--target", "handle", "--source", f"functions/{name}/main.py"]
    child = await processes.start(
        [*command, "--host", "127.0.0.1", "--port", str(port)], log=folder / "log", env=environment, cwd=ROOT
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:
            await listening(child, port)
            yield child, api
    finally:
        await child.stop()


async def listening(child: Child, port: int) -> None:
    """Wait until a process takes connections."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert child.running, child.tail()
            await asyncio.sleep(0.1)
        else:
            writer.close()
            await writer.wait_closed()
            return
    pytest.fail(f"nothing listens: {child.tail()}")


def children(pid: int) -> set[int]:
    """The processes that a process has started, and that live; none where the system does not tell."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def test_each_function_is_asked() -> None:
    assert set(ASKED) == set(routes.FUNCTIONS)


@pytest.mark.parametrize("name", ASKED)
async def test_a_function_runs_alone_by_the_command_of_the_readme(name: str, tmp_path: Path) -> None:
    method, path, expected = ASKED[name]
    async with alone(name, tmp_path, {}) as (child, api):
        answer = await api.request(method, path)
        assert answer.status_code == expected, answer.text + child.tail()


@pytest.mark.parametrize("name", ASKED)
async def test_as_it_is_deployed_a_function_is_one_process_and_every_line_is_its_own(name: str, tmp_path: Path) -> None:
    method, path, expected = ASKED[name]
    async with alone(name, tmp_path, RUNTIME) as (child, api):
        answer = await api.request(method, path)
        assert answer.status_code == expected, answer.text + child.tail()
        assert children(child.pid) == set()
    lines = [json.loads(line) for line in child.log.read_text().splitlines()]
    assert [line["status"] for line in lines if line["message"] == "request"] == [expected]


async def test_as_it_is_deployed_an_answer_to_an_unexpected_error_tells_nothing_of_it(
    tmp_path: Path, sqlite: SqliteDatabase
) -> None:
    run = made_runs.waiting()
    await SqliteRunStore(sqlite).create(run)
    await sqlite.write(lambda connection: connection.execute("update runs set body = '{\"broken\": 1}'"))
    async with alone("status", tmp_path, RUNTIME) as (child, api):
        answer = await api.get(f"/api/v1/runs/{run.run_id}")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert not {word for word in ("broken", "validation", "Traceback", ".py") if word in answer.text}
    [told] = [line for line in map(json.loads, child.log.read_text().splitlines()) if "stack_trace" in line]
    assert (told["message"], "ValidationError" in told["stack_trace"]) == ("unexpected error", True)


async def test_as_it_is_deployed_a_poll_under_way_is_answered_before_the_process_ends(
    tmp_path: Path, sqlite: SqliteDatabase
) -> None:
    run = made_runs.waiting().model_copy(update={"user_email": "dev@example.com"})
    await SqliteRunStore(sqlite).create(run)
    async with alone("status", tmp_path, RUNTIME) as (child, api):
        await api.get(f"/api/v1/runs/{run.run_id}")
        poll = asyncio.create_task(api.get(f"/api/v1/runs/{run.run_id}?wait=3"))
        await asyncio.sleep(1)  # it is on its way, on the connection that is open
        ended = await child.stop()
        answer = await poll
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert ended == 128 + signal.SIGTERM
