"""Each function in its own process, started with the command and the environment of a deployed function."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deploy.target import RUNTIME, START_COMMAND
from local import processes
from local.processes import Child
from shared import routes
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import DEVELOPER, make_run

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
    "web": ("GET", "/runs/run_0123456789ab", 200),
}


async def start(source: Path, folder: Path) -> tuple[Child, int]:
    """Start a function and return its process and port; its log and its runs are in `folder`.

    Args:
        source: its `main.py`.
        folder: contains `log` and `runs.db`.
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
        "PYTHONPATH": str(ROOT),  # a deployed folder contains `shared` beside `main.py`
        "FUNCTION_SOURCE": str(source),
        **RUNTIME,
    }
    words = START_COMMAND.replace("$PORT", str(port)).replace("0.0.0.0", "127.0.0.1").split()  # noqa: S104  # replaced
    return await processes.start([sys.executable, "-m", *words], log=folder / "log", env=environment, cwd=folder), port


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """Run a function and yield its process and a client."""
    child, port = await start(ROOT / "functions" / name / "main.py", folder)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:
            await listening(child, port)
            yield child, api
    finally:
        await child.stop()


async def listening(child: Child, port: int) -> None:
    """Wait until a process accepts connections."""
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
    """Return the running children of a process; none on systems without /proc."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def server_lines(lines: list[str]) -> set[str]:
    """Return the lines in which uvicorn reports its own start and stop."""
    return {line for line in lines if line.startswith("INFO: ")}


def test_each_function_is_asked() -> None:
    assert set(ASKED) == set(routes.FUNCTIONS)


@pytest.mark.parametrize("name", ASKED)
async def test_a_deployed_function_is_one_process_and_logs_json(name: str, tmp_path: Path) -> None:
    method, path, expected = ASKED[name]
    async with running(name, tmp_path) as (child, api):
        response = await api.request(method, path)
        assert response.status_code == expected, response.text + child.tail()
        assert children(child.pid) == set()
    lines = child.log.read_text().splitlines()
    entries = [json.loads(line) for line in lines if line not in server_lines(lines)]
    assert [entry["status"] for entry in entries if entry["message"] == "request"] == [expected]


async def test_a_main_that_raises_fails_the_start(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text('raise RuntimeError("this function cannot start")\n')
    child, _ = await start(tmp_path / "main.py", tmp_path)
    assert await asyncio.wait_for(child.wait(), 30) not in {0, 128 + signal.SIGTERM}
    assert "this function cannot start" in child.log.read_text()


async def test_the_response_to_an_unexpected_error_reveals_nothing(tmp_path: Path, sqlite: SqliteDatabase) -> None:
    run = make_run()
    await SqliteRunStore(sqlite).create(run)
    await sqlite.write(lambda connection: connection.execute("update runs set body = '{\"broken\": 1}'"))
    async with running("status", tmp_path) as (child, api):
        response = await api.get(f"/api/v1/runs/{run.run_id}")
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert not {word for word in ("broken", "validation", "Traceback", ".py") if word in response.text}
    lines = child.log.read_text().splitlines()
    [logged] = [json.loads(line) for line in lines if "stack_trace" in line]
    assert (logged["message"], "ValidationError" in logged["stack_trace"]) == ("unexpected error", True)


async def test_a_poll_in_progress_is_answered_before_the_process_ends(tmp_path: Path, sqlite: SqliteDatabase) -> None:
    run = make_run(owner=DEVELOPER)
    await SqliteRunStore(sqlite).create(run)
    async with running("status", tmp_path) as (child, api):
        await api.get(f"/api/v1/runs/{run.run_id}")
        poll = asyncio.create_task(api.get(f"/api/v1/runs/{run.run_id}?wait=3"))
        await asyncio.sleep(1)  # the request has arrived on the open connection
        ended = await child.stop()
        response = await poll
    assert (response.status_code, response.json()["status"]) == (200, "pending")
    assert ended == 128 + signal.SIGTERM
