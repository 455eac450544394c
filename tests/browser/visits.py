"""Visits of the built-in page with a browser that complains of nothing."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page

from tests.e2e.conftest import Service

MEASURED = "How would CD14 monocytes respond to IFN-beta?"
SIMULATED = "What does TNF do to CD8 T cells?"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """A page of the service, with what the browser complained of."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def text(self) -> str:
        return await self.page.inner_text("main")


@asynccontextmanager
async def visiting(
    browser: Browser,
    service: Service,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1100,
    expected: str = "^$",
) -> AsyncIterator[Visit]:
    """Open a page; in the end, nothing on the console but what is expected."""
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    context.set_default_timeout(20_000)
    page = await context.new_page()
    visit = Visit(context, page, service.url)
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    assert [each for each in visit.complaints if not re.search(expected, each)] == []
    await context.close()


async def nothing_to_complain_of(page: Page) -> None:
    """Check that axe finds no violation, and that nothing is wider than the screen."""
    # The report inside is tested by itself; `eval` of a string is what the policy forbids to the page, not to this protocol.
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("axe.run({exclude: ['iframe']}, {iframes: false})")
    violations = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
    assert (page.url, violations) == (page.url, [])
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, page.url
