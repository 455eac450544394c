"""A headless Chromium for tests of pages."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

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
    async with async_playwright() as playwright:
        # Root in a container has no user namespace for the sandbox; only our own pages are opened.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        chromium = await playwright.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        await chromium.close()
