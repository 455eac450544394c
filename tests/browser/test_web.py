"""The built-in page in a real browser, end to end through the local service."""

import asyncio
import itertools
import json
import re
import time
from typing import Literal

import pytest
from playwright.async_api import Browser, Route, expect

from haystack_client.evidence import sentences
from shared.http.site import BUILT_IN, DOCS
from tests.browser.visits import MEASURED, SIMULATED, nothing_to_complain_of, visiting
from tests.e2e.conftest import Service

KNOCKOUT = "How do IFNAR1-/- NK cells respond to IFN-beta?"
NOTED = "How do monocytes from lupus patients respond to 10 ng/ml IL-15?"
MARKUP = '<img src=x onerror="window.hurt = 1"><script>window.hurt = 1</script>'
SECONDS = 50_000.0


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
        run_id = page.url.rpartition("/")[2]
        # Regression: the page printed another baseline than the command line, and not the observed correlation.
        said = list(sentences((await service.result(run_id))["evidence"]))
        assert len(said) == 3
        order = [text.index(part) for part in ("How the question was read", *said, "Grounding score:")]
        assert order == sorted(order)
        await page.locator("iframe.report").scroll_into_view_if_needed()
        await expect(page.frame_locator("iframe.report").locator("h1")).to_have_text(MEASURED)
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


async def test_gene_sets_keep_the_capitals_of_abbreviations(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        await visit.open("/")
        names = [
            "HALLMARK_TNFA_SIGNALING_VIA_NFKB",
            "HALLMARK_IL6_JAK_STAT3_SIGNALING",
            "REACTOME_INTERFERON_SIGNALING",
        ]
        shown = await visit.page.evaluate("async (names) => names.map((await import('/words.js')).geneSet)", names)
        assert shown == ["TNFA signaling via NFKB", "IL6 JAK STAT3 signaling", "interferon signaling"]


async def test_what_is_not_taken_into_account_is_shown_while_typing(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        await visit.open("/")
        await visit.page.fill("#question", "How do monocytes")
        await expect(visit.page.locator("#reading h2")).to_have_text("This question is not complete yet")
        await visit.page.fill("#question", NOTED)
        await expect(visit.page.locator(".note.ignored")).to_contain_text("10 ng/ml")
        await expect(visit.page.locator(".note.ignored")).to_contain_text("lupus patients")


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        (MEASURED, "measured in other cell types of the atlas"),
        ("How would B cells respond to IFN-beta?", "measured in B cells"),
        # Regression: simulated cells were called measured.
        (SIMULATED, "simulated in CD8_T"),
        ("How do NK cells respond to IL-15?", "IL-15 was not measured; inferred from IL-2"),
        # Regression: "not measured; inferred from IFN-alpha1" stood below "Perturbation: IFN-alpha1".
        ("How do NK cells respond to IFN-alpha2b?", "“IFN-alpha2b” was not measured; inferred from IFN-alpha1"),
    ],
)
async def test_the_evidence_says_where_it_was_measured_or_simulated(
    browser: Browser, service: Service, question: str, evidence: str
) -> None:
    async with visiting(browser, service) as visit:
        await visit.open("/")
        await visit.page.fill("#question", question)
        await expect(visit.page.locator("#reading dl")).to_contain_text(evidence)
        if "not measured" in evidence:
            await expect(visit.page.locator("#reading dl")).to_contain_text(f"low: {evidence.partition(';')[0]}")


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
            assert re.search("IFN-beta|IFN-gamma|TNF-alpha", await buttons.nth(at).inner_text())
            await buttons.nth(at).click()
            await expect(visit.page.locator("#reading")).to_contain_text("Expected power")
            await visit.page.fill("#question", "")
            await expect(visit.page.locator("#reading h2")).to_have_count(0)


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
        page, seen, asked = visit.page, asyncio.Event(), list[float]()

        async def answer(route: Route) -> None:
            asked.append(time.monotonic())
            if seen.is_set():
                await route.fallback()
            else:
                problem = {"code": "too_many_requests", "detail": "You have sent 600 requests."}
                await route.fulfill(status=429, headers={"Retry-After": "3"}, json=problem)

        await page.route("**/api/v1/runs/validate-control-strategy", answer)
        await visit.open("/")
        await page.fill("#question", SIMULATED)
        await expect(page.locator("#connection")).to_contain_text(re.compile(r"Trying again in [348] s"))
        seen.set()
        await expect(page.locator("#reading h2")).to_have_text("This question can be answered", timeout=20_000)
        await expect(page.locator("#connection")).to_be_empty()
        assert all(later - earlier > 2.5 for earlier, later in itertools.pairwise(asked))
        assert len(asked) > 1


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
            await nothing_to_complain_of(page)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 360)])
async def test_the_documentation_of_the_api_is_accessible(
    browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    await page.goto((DOCS / "reference.html").as_uri())
    await nothing_to_complain_of(page)
    await context.close()


async def test_links_and_the_history_change_the_page_without_loading_it(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await page.evaluate("window.loaded = 'once'")
        await page.click("nav >> text=Atlases")
        await expect(page.locator(".card dd").first).to_have_text("11,000")
        await expect(page.locator("th", has_text="Cells in this atlas").first).to_be_attached()
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
