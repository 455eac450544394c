"""The local service as a person starts it: `python -m local up` in a process of its own, on the demo atlas."""

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

from local import atlas, processes
from local.processes import Child

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
        """Where a run stands."""
        return await self._json("GET", f"{RUNS}/{run_id}")

    async def result(self, run_id: str) -> dict[str, Any]:
        """What a run found."""
        return await self._json("GET", f"{RUNS}/{run_id}/result")

    async def until(self, run_id: str, *wanted: str) -> dict[str, Any]:
        """Poll until the run's status or phase is one of those, or it is done."""
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            run = await self.status(run_id)
            if run["done"] or {run["status"], run["current_phase"]} & set(wanted):
                return run
            await asyncio.sleep(0.1)
        raise AssertionError(f"{run_id} did not get there in {RUN_SECONDS} s: {run}")

    def job_log(self, run_id: str) -> str:
        """What a run's job has written."""
        return (self.data_dir / "jobs" / f"haystack-{run_id.removeprefix('run_')}-1.log").read_text()

    async def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo atlas; it needs the package registry, so without one it is a skip, but in CI a failure."""
    folder = tmp_path_factory.mktemp("demo")
    try:
        atlas.make(folder)
    except (RuntimeError, SystemExit) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the demo atlas cannot be made here: {error}")
    return folder


def copy_of(ingested: Path, folder: Path) -> Path:
    """A data folder of one's own with the same atlas, by hard links."""
    shutil.copytree(ingested / "atlases", folder / "atlases", copy_function=os.link)
    return folder


async def start(data_dir: Path, store: str) -> Service:
    """Start the service and wait until it says that it is ready."""
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--store", store, "--data-dir", str(data_dir)]
    child = await processes.start(command, log=data_dir / "service.log")
    deadline = time.monotonic() + READY_SECONDS
    while child.running and time.monotonic() < deadline:
        for line in child.log.read_text().splitlines():
            if line.startswith("ready: "):
                url = line.removeprefix("ready: ")
                client = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False)
                return Service(url, child, data_dir, client)
        await asyncio.sleep(0.1)
    await child.stop()
    raise AssertionError(f"the service did not get ready: {child.tail(20)}")


@pytest.fixture(params=["sqlite", "firestore"], scope="session")
def store(request: pytest.FixtureRequest) -> str:
    """Each kind of store; Firestore is a skip, or in CI a failure, where there is no emulator."""
    kind: str = request.param
    if kind == "firestore":
        request.getfixturevalue("firestore_host")
    return kind


@pytest.fixture(scope="session")
async def service(store: str, ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The service, once on each store; it serves all tests of the session."""
    running = await start(copy_of(ingested, tmp_path_factory.mktemp(store)), store)
    yield running
    await running.client.aclose()
    await running.child.stop(grace_seconds=20.0)
