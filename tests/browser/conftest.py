"""A headless Chromium for tests of pages, and the local service that serves the built-in one."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.visits import MEASURED, SIMULATED
from tests.e2e.conftest import Service, copy_of, start

FAULTS = "/local/faults"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium; without one, tests are skipped locally and fail in CI."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        missing = f"no Chromium on the path ({', '.join(NAMES)})"
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a browser: {missing}")
        pytest.skip(missing)
    expect.set_options(timeout=15_000)  # a busy machine draws a page in seconds
    async with async_playwright() as playwright:
        # Root in a container has no user namespace for the sandbox; only our own pages are opened.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        chromium = await playwright.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
async def service(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    running = await start(copy_of(ingested, tmp_path_factory.mktemp("web")), "sqlite")
    yield running
    await running.stop()


@pytest.fixture(scope="session")
async def completed(service: Service) -> list[str]:
    """Two completed runs, the first about measured cells."""
    asked = [await service.create(query, max_iterations=1, random_seed=1) for query in (MEASURED, SIMULATED)]
    done = [await service.until(run["run_id"]) for run in asked]
    assert [run["status"] for run in done] == ["completed", "completed"]
    return [run["run_id"] for run in done]


@pytest.fixture
async def queued(service: Service) -> AsyncIterator[None]:
    """Let new runs wait in the queue until the end of the test."""
    fault = {"kind": "stay-queued", "times": 10}
    assert (await service.client.put(FAULTS, json=fault)).status_code < 300
    yield
    for run in (await service.client.get("/api/v1/runs?status=pending&status=running")).json()["runs"]:
        await service.client.post(f"/api/v1/runs/{run['run_id']}/cancel")
    await service.client.delete(FAULTS)
