"""The local service as a user starts it: `python -m local up` in its own process, on the demo atlases."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import processes
from local.processes import Child

ROOT = Path(__file__).parent.parent.parent
READY_SECONDS = 30.0
RUN_SECONDS = 50.0
RUNS = "/api/v1/runs"


@dataclass(frozen=True)
class Service:
    """A running local service."""

    url: str
    child: Child
    data_dir: Path
    client: httpx.AsyncClient

    async def create(self, query: str, **fields: object) -> dict[str, Any]:
        """Submit a run."""
        return await self._json("POST", RUNS, {"query": query, **fields})

    async def status(self, run_id: str) -> dict[str, Any]:
        """Return a run's status."""
        return await self._json("GET", f"{RUNS}/{run_id}")

    async def result(self, run_id: str) -> dict[str, Any]:
        """Return a run's result."""
        return await self._json("GET", f"{RUNS}/{run_id}/result")

    async def download(self, run_id: str) -> dict[str, bytes]:
        """Return a run's result files by name, from their signed URLs."""
        files = {}
        async with httpx.AsyncClient(trust_env=False) as client:
            for file in (await self.result(run_id))["files"]:
                response = await client.get(file["url"])
                assert response.status_code == 200, response.text
                files[file["name"]] = response.content
        return files

    async def until(self, run_id: str, *wanted: str, seconds: float = RUN_SECONDS) -> dict[str, Any]:
        """Poll until the run's status or phase is one of those, or the run is done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = await self.status(run_id)
            if run["done"] or {run["status"], run["current_phase"]} & set(wanted):
                return run
            await asyncio.sleep(0.1)
        raise AssertionError(f"{run_id} did not get there in {seconds} s: {run}")

    def job_log(self, run_id: str) -> str:
        """Return the output of a run's first job."""
        return (self.data_dir / "jobs" / f"haystack-{run_id.removeprefix('run_')}-1.log").read_text()

    async def stop(self) -> None:
        """Stop the service as Ctrl-C does."""
        await self.client.aclose()
        await self.child.stop(grace_seconds=20.0)

    async def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = await self.client.request(method, path, json=body)
        assert response.status_code == 200, response.text
        content: dict[str, Any] = response.json()
        return content


def copy_of(ingested: Path, folder: Path) -> Path:
    """Return another data folder with the same atlases, by hard links."""
    shutil.copytree(ingested / "atlases", folder / "atlases", copy_function=os.link)
    return folder


def command(*arguments: str) -> list[str]:
    """Return a command of the local service, to be run in `ROOT`."""
    return [sys.executable, "-m", "local", *arguments]


async def start(data_dir: Path, store: str, *options: str, emulator: str | None = None) -> Service:
    """Start the service and wait until it prints that it is ready.

    Args:
        emulator: `host:port` of a Firestore emulator that already runs.
    """
    up = command("up", "--port", "0", "--store", store, "--data-dir", str(data_dir), *options)
    env = None if emulator is None else {**os.environ, "FIRESTORE_EMULATOR_HOST": emulator}
    child = await processes.start(up, log=data_dir / "service.log", cwd=ROOT, env=env)
    deadline = time.monotonic() + READY_SECONDS
    while child.running and time.monotonic() < deadline:
        for line in child.log.read_text().splitlines():
            if line.startswith("ready: "):
                url = line.removeprefix("ready: ")
                client = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False)
                return Service(url, child, data_dir, client)
        await asyncio.sleep(0.1)
    await child.stop()
    raise AssertionError(f"the service did not start: {child.tail(20)}")


@pytest.fixture(params=["sqlite", "firestore"], scope="session")
def store(request: pytest.FixtureRequest) -> str:
    """Each kind of store. Without the Firestore emulator its tests are skipped, but in CI they fail."""
    kind: str = request.param
    if kind == "firestore":
        request.getfixturevalue("firestore_host")
    return kind


@pytest.fixture(scope="session")
async def service(store: str, ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The service, once per store, for all tests of the session."""
    running = await start(copy_of(ingested, tmp_path_factory.mktemp(store)), store)
    yield running
    await running.stop()
