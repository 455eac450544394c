"""The built-in page in a real browser, end to end through the local service."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from shared.http.site import BUILT_IN
from tests.e2e.conftest import Service, copy_of, start

MEASURED = "How would CD14 monocytes respond to IFN-beta?"
SIMULATED = "What does TNF do to CD8 T cells?"
KNOCKOUT = "How do IFNAR1-/- NK cells respond to IFN-beta?"
NOTED = "How do monocytes from lupus patients respond to 10 ng/ml IL-15?"
MARKUP = '<img src=x onerror="window.hurt = 1"><script>window.hurt = 1</script>'
FAULTS = "/local/faults"
SECONDS = 50_000.0
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
async def service(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    running = await start(copy_of(ingested, tmp_path_factory.mktemp("web")), "sqlite")
    yield running
    await running.stop()


@pytest.fixture(scope="module")
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


async def test_a_question_is_read_asked_followed_and_answered_with_confidence_first(
    browser: Browser, service: Service
) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await page.fill("#question", MEASURED)
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered")
        await expect(page.locator("#reading")).to_contain_text("200 control cells in demo_kang_ifnb")
        await expect(page.locator("#reading")).to_contain_text("two donors cannot show how much others differ")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile(r"/runs/run_[0-9a-f]{12}$"))
        await expect(page.locator(".chip")).to_have_text("completed", timeout=SECONDS)
        await expect(page.locator(".answer")).to_be_visible()
        text = await visit.text()
        order = [
            text.index(part)
            for part in ("How the question was read", "Confidence:", "Expected accuracy:", "Grounding score:")
        ]
        assert order == sorted(order)
        await page.locator("iframe.report").scroll_into_view_if_needed()
        await expect(page.frame_locator("iframe.report").locator("h1")).to_have_text(MEASURED)
        run_id = page.url.rpartition("/")[2]
        assert run_id in (await page.text_content("details pre >> nth=0") or "")
        await page.reload()
        await expect(page.locator("h1")).to_have_text(MEASURED)
        await page.click("nav >> text=Runs")
        row = page.locator("ul.runs li", has_text=MEASURED).first
        await expect(row).to_contain_text("confidence: ")


async def test_a_refused_question_says_why_and_a_click_on_a_suggestion_helps(
    browser: Browser, service: Service
) -> None:
    async with visiting(browser, service, expected="422") as visit:
        page = visit.page
        await visit.open("/")
        await page.fill("#question", KNOCKOUT)
        await page.click("button.primary")
        await expect(page.locator("#reading h2")).to_have_text("This question cannot be answered")
        await expect(page.locator(".note.blocking")).to_contain_text("IFNAR1-/-")
        assert page.url == f"{service.url}/"
        await page.click(".suggestions button")
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered")
        assert await page.input_value("#question") == "How would NK cells respond to IFN-beta?"


async def test_what_is_not_taken_into_account_is_shown_while_typing(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        await visit.open("/")
        await visit.page.fill("#question", "How do monocytes")
        await expect(visit.page.locator("#reading h2")).to_have_text("This question is not complete yet")
        await visit.page.fill("#question", NOTED)
        await expect(visit.page.locator(".note.ignored")).to_contain_text("10 ng/ml")
        await expect(visit.page.locator(".note.ignored")).to_contain_text("lupus patients")


async def test_names_of_the_catalog_are_completed_with_the_keyboard(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await expect(page.locator(".examples button").first).to_be_visible()
        await page.locator("#question").press_sequentially("What does TNF do to CD8-pos")
        await expect(page.locator("#completions li")).to_have_count(1)
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        assert await page.input_value("#question") == "What does TNF do to CD8-positive, alpha-beta T cells"
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered")


async def test_an_example_can_be_answered(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        await visit.open("/")
        buttons = visit.page.locator(".examples button")
        await expect(buttons.first).to_be_visible()
        for at in range(await buttons.count()):
            await buttons.nth(at).click()
            await expect(visit.page.locator("#reading")).to_contain_text("Expected power")
            await visit.page.fill("#question", "")
            await expect(visit.page.locator("#reading h2")).to_have_count(0)


@pytest.mark.usefixtures("queued")
async def test_a_waiting_run_is_cancelled_in_one_tab_and_seen_in_two_others(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        run = await service.create("How do NK cells respond to IFN-beta?")
        other, third = await visit.context.new_page(), await visit.context.new_page()
        await visit.open(f"/runs/{run['run_id']}")
        await other.goto(f"{service.url}/runs")
        await third.goto(f"{service.url}/runs/{run['run_id']}")
        await expect(page.locator(".waiting")).to_contain_text("Waiting in the queue for a machine")
        await expect(page.locator(".waiting")).to_contain_text("Elapsed:")
        row = other.locator("ul.runs li", has_text=run["query"]).first
        await expect(row.locator(".chip")).to_have_text("waiting")
        await page.click("button.danger")
        assert (await service.status(run["run_id"]))["status"] == "pending"  # it asks once more
        await page.click("text=Really cancel?")
        await expect(page.locator(".chip")).to_have_text("cancelled")
        await expect(third.locator(".chip")).to_have_text("cancelled")
        await expect(row.locator(".chip")).to_have_text("cancelled")
        await row.locator("text=Ask again").click()
        await expect(other.locator("#question")).to_have_value(run["query"])


async def test_two_runs_are_compared(browser: Browser, service: Service, completed: list[str]) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/runs?status=completed")
        for run_id in completed:
            await page.locator("ul.runs li", has=page.locator(f"a[href='/runs/{run_id}']")).locator("input").check()
        await page.click("text=Compare two runs")
        await expect(page.locator("figcaption")).to_contain_text(
            re.compile(r"of \d+ genes in A and B; correlation r = ")
        )
        assert await page.locator("svg circle").count() > 100
        assert await page.locator("table").count() == 2
        await page.reload()
        await expect(page.locator("svg circle").first).to_be_attached()


async def test_without_a_connection_the_page_says_so_and_goes_on_afterwards(browser: Browser, service: Service) -> None:
    async with visiting(browser, service, expected="ERR_INTERNET_DISCONNECTED") as visit:
        page = visit.page
        await visit.open("/")
        await visit.context.set_offline(True)
        await page.fill("#question", SIMULATED)
        await expect(page.locator("#connection")).to_contain_text("No connection to the service. Trying again")
        await visit.context.set_offline(False)
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered")
        await expect(page.locator("#connection")).to_be_empty()


async def test_a_refused_request_too_many_is_repeated_after_its_pause(browser: Browser, service: Service) -> None:
    async with visiting(browser, service, expected="429") as visit:
        page, refused = visit.page, [1, 2]

        async def answer(route: Route) -> None:
            if refused:
                refused.pop()
                problem = {"code": "too_many_requests", "detail": "You have sent 600 requests."}
                await route.fulfill(status=429, headers={"Retry-After": "1"}, json=problem)
            else:
                await route.fallback()

        await page.route("**/api/v1/runs/validate-control-strategy", answer)
        await visit.open("/")
        await page.fill("#question", SIMULATED)
        await expect(page.locator("#connection")).to_contain_text("Trying again in 1 s")
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered")
        await expect(page.locator("#connection")).to_be_empty()
        assert not refused


@pytest.mark.parametrize("status", [401, 302])
async def test_a_signed_out_session_leads_to_the_sign_in(browser: Browser, service: Service, status: int) -> None:
    async with visiting(browser, service, expected="401") as visit:

        async def answer(route: Route) -> None:
            assert route.request.headers["x-requested-with"] == "XMLHttpRequest"
            headers = {"Location": "https://accounts.google.com/"} if status == 302 else {}
            await route.fulfill(status=status, headers=headers)

        await visit.page.route("**/api/v1/**", answer)
        await visit.open("/runs")
        await expect(visit.page.locator("main [role=alert]")).to_contain_text("You are signed out")
        assert await visit.page.locator("main >> text=Sign in >> nth=-1").get_attribute("href") == f"{service.url}/runs"


async def test_a_run_of_somebody_else_or_none_is_a_sentence(browser: Browser, service: Service) -> None:
    async with visiting(browser, service, expected="404") as visit:
        await visit.open("/runs/run_000000000000")
        await expect(visit.page.locator("[role=alert]")).to_contain_text("You have no run run_000000000000.")
        response = await visit.page.goto(f"{service.url}/none")
        assert response is not None
        assert response.status == 404
        await expect(visit.page.locator("h1")).to_have_text("This page does not exist")


@pytest.mark.usefixtures("queued")
async def test_markup_in_a_question_is_text_everywhere(browser: Browser, service: Service) -> None:
    question = f"How do B cells respond to IFN-beta? {MARKUP}"
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await page.fill("#question", question)
        await expect(page.locator("#reading h2")).to_be_visible()
        run = await service.create(question)
        for path in (f"/runs/{run['run_id']}", "/runs", f"/?q={question}"):
            await visit.open(path)
            await expect(page.locator("main >> text=onerror").first).to_be_attached()
        assert await page.evaluate("window.hurt") is None
        assert await page.locator("main img, main script").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 360)])
async def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, service: Service, completed: list[str], scheme: Literal["light", "dark"], width: int
) -> None:
    a, b = completed
    async with visiting(browser, service, scheme=scheme, width=width, expected="404") as visit:
        page = visit.page
        for path, ready in {
            f"/?q={NOTED}": "#reading dl",
            f"/?q={KNOCKOUT}": ".suggestions button",
            "/runs": "ul.runs li a",
            f"/runs/{a}": ".result ul a",
            f"/compare?a={a}&b={b}": "table",
            "/atlases": ".card",
            "/none": "h1",
        }.items():
            await visit.open(path)
            await page.locator(ready).first.wait_for()
            await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
            # The report inside is tested by itself; `eval` of a string is what the policy forbids to the page, not to this protocol.
            await page.evaluate(AXE)
            found: dict[str, Any] = await page.evaluate("axe.run({exclude: ['iframe']}, {iframes: false})")
            violations = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
            assert (path, violations) == (path, [])
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


async def test_links_and_the_history_change_the_page_without_loading_it(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await page.evaluate("window.loaded = 'once'")
        await page.click("nav >> text=Atlases")
        await expect(page.locator(".card dd").first).to_have_text("11,000")
        await page.click("nav >> text=Runs")
        await expect(page.locator("h1")).to_have_text("Runs")
        await page.go_back()
        await expect(page.locator("h1")).to_have_text("Atlases")
        await expect(page).to_have_title("Atlases · HAYSTACK")
        assert await page.locator("nav [aria-current]").inner_text() == "Atlases"
        assert await page.evaluate("window.loaded") == "once"


def test_the_page_is_short_loads_nothing_from_elsewhere_and_never_writes_html() -> None:
    sources = {path.name: path.read_text() for path in BUILT_IN.iterdir()}
    assert sum(len(text.splitlines()) for text in sources.values()) <= 1500
    assert max(len(line) for name, text in sources.items() if name.endswith(".js") for line in text.splitlines()) <= 160
    for name, text in sources.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, name
    assert json.loads(sources["frontend.json"])["rewrites"].keys() == {"/runs", "/runs/*", "/compare", "/atlases"}
