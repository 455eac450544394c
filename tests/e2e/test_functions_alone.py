"""Each function in a process of its own, started by the framework's own command."""

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest

from local import processes
from shared import routes

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


def test_each_function_is_asked() -> None:
    assert set(ASKED) == set(routes.FUNCTIONS)


@pytest.mark.parametrize("name", ASKED)
async def test_a_function_runs_alone_by_the_command_of_the_readme(name: str, tmp_path: Path) -> None:
    method, path, expected = ASKED[name]
    port = processes.free_port()
    settings = {
        "ENVIRONMENT": "development",
        "PROJECT": "p",
        "REGION": "r",
        "RESULTS_BUCKET": "b",
        "STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "runs.db"),
        "PATH": os.environ["PATH"],
    }
    framework = str(Path(sys.executable).parent / "functions-framework")
    command = [framework, "--target", "handle", "--source", f"functions/{name}/main.py"]
    child = await processes.start(
        [*command, "--host", "127.0.0.1", "--port", str(port)], log=tmp_path / "log", env=settings, cwd=ROOT
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for _ in range(200):
                try:
                    answer = await client.request(method, path)
                    break
                except httpx.TransportError:
                    assert child.running, child.tail()
                    await asyncio.sleep(0.1)
        assert answer.status_code == expected, answer.text + child.tail()
    finally:
        await child.stop()
