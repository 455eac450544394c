"""The report in a real browser, opened from a file: content, pointer and keyboard, and the security policy."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.async_api import Browser, Page

from orchestrator.atlas.atlas import Group
from orchestrator.outputs.report import write_report
from orchestrator.search.iteration import GroupUse
from orchestrator.search.search import SearchResult
from shared.runs.evidence import Confidence
from shared.runs.records import PathwayChange
from tests.support.orchestrator.changes import make_response
from tests.support.orchestrator.search_results import (
    FALLING,
    LONG_NAME,
    RISING,
    UNTESTED,
    make_expected,
    synthetic_result,
)
from tests.support.orchestrator.trust import result_of, unjudged, with_accuracy

SCRIPT = "<script>window.hurt = 1</script>"
IMAGE = '"><img src=x onerror="window.hurt = 1">'
CLOSING = "</script><script>window.hurt = 1</script>"
COMMENT = "<!--<script> {{ 7 * 7 }} <svg onload=window.hurt=1> <a href=javascript:window.hurt=1 onfocus=window.hurt=1 autofocus>"


@dataclass
class Opened:
    """A report in the browser, with its errors and its network requests."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def text(self, selector: str) -> str:
        return (await self.page.text_content(selector) or "").strip()

    async def genes_in_order(self) -> list[str]:
        rows = self.page.locator("table.sortable tbody th")
        return [await row.get_attribute("data-value") or "" for row in await rows.all()]


Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Open:
    """Write the report of a result and open it from its file."""

    @asynccontextmanager
    async def open_(
        result: SearchResult, *, scheme: Literal["light", "dark"] = "light", width: int = 1100
    ) -> AsyncIterator[Opened]:
        path = write_report(result, tmp_path)
        context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True)
        page = await context.new_page()
        here = Opened(page)
        page.on("console", lambda message: here.errors.append(message.text))
        page.on("pageerror", lambda error: here.errors.append(str(error)))
        page.on("request", lambda request: here.requests.append(request.url))
        await page.goto(path.as_uri())
        yield here
        assert here.errors == []
        assert here.requests == [path.as_uri()]
        await context.close()

    return open_


async def test_pointing_at_a_dot_names_its_gene_and_leaving_takes_the_name_away(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        await here.page.locator(f'circle[aria-label^="{RISING[0]}:"]').hover()
        assert await here.text("#tip") == RISING[0]
        assert await here.text("#readout") == "STAT1: log2 fold change +3.40, adjusted p 1.0e−40"
        await here.page.mouse.move(5, 5)
        assert await here.page.locator("#tip").is_hidden()


async def test_the_keyboard_goes_from_gene_to_gene_and_names_each(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        await here.page.focus("#search")
        await here.page.keyboard.press("Tab")
        read = [await here.text("#tip")]
        for key in ("ArrowLeft", "Home", "ArrowRight", "End"):
            await here.page.keyboard.press(key)
            read.append(await here.text("#tip"))
        assert read == [RISING[0], RISING[1], FALLING[0], FALLING[1], RISING[0]]
        focused = await here.page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "STAT1: log2 fold change +3.40, adjusted p 1.0e−40"
        await here.page.keyboard.press("Tab")
        assert await here.page.locator("#tip").is_hidden()


async def test_the_search_marks_a_gene_in_the_plot_and_in_the_table(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        assert await here.page.locator("#held").is_hidden()
        await here.page.fill("#search", "irf1")
        assert "IRF1: log2 fold change +2.98" in await here.text("#found")
        assert await here.page.locator("#held").is_visible()
        assert await here.page.locator("tr.found th").get_attribute("data-value") == "IRF1"
        point = here.page.locator('circle[aria-label^="IRF1:"]')
        assert await here.page.locator("#held").get_attribute("cx") == await point.get_attribute("cx")
        await here.page.fill("#search", "")
        assert await here.page.locator("#held").is_hidden()
        assert await here.page.locator("tr.found").count() == 0


async def test_the_search_finds_a_gene_that_is_not_drawn_and_tells_of_those_it_cannot_show(opened: Open) -> None:
    result = synthetic_result()
    found = result.best.differential
    async with opened(result) as here:
        drawn = await here.page.eval_on_selector_all(".dot", "dots => dots.map(dot => Number(dot.dataset.gene))")
        hidden = next(i for i in range(len(found.genes)) if i not in drawn and found.statistic[i])
        await here.page.fill("#search", found.genes[hidden])
        assert "not called changed" in await here.text("#found")
        assert await here.page.locator("#held").is_visible()
        await here.page.fill("#search", UNTESTED)
        assert "too few" in await here.text("#found")
        await here.page.fill("#search", "NOSUCHGENE")
        assert await here.text("#found") == "NOSUCHGENE is not measured in this atlas."
        await here.page.fill("#search", "CXC")
        assert re.fullmatch(r"\d+ genes start with this\.", await here.text("#found"))
        assert await here.page.locator('#suggestions option[value="CXCL10"]').count() == 1


async def test_headings_sort_the_genes_by_number_and_by_name(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        rising_first = [*RISING, *reversed(FALLING)]
        assert await here.genes_in_order() == rising_first
        heading = here.page.get_by_role("button", name="log2 fold change")
        await heading.click()
        assert await here.genes_in_order() == rising_first[::-1]
        await heading.click()
        assert await here.genes_in_order() == rising_first
        await here.page.get_by_role("button", name="Gene", exact=True).click()
        assert await here.genes_in_order() == sorted(rising_first)
        await here.page.get_by_role("button", name="Adjusted p").click()
        assert (await here.genes_in_order())[0] == "STAT1"
        sorted_by = here.page.locator("th[aria-sort]")
        assert await sorted_by.inner_text() == "Adjusted p"
        assert await sorted_by.get_attribute("aria-sort") == "ascending"


async def test_gene_links_open_apart_and_tell_nothing_of_this_page(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        links = await here.page.eval_on_selector_all("td.links a", "all => all.map(link => [link.rel, link.protocol])")
        assert links == [["noopener noreferrer", "https:"]] * 3 * (len(RISING) + len(FALLING))


async def test_each_plot_is_saved_as_a_file_that_needs_no_style_sheet(
    opened: Open, browser: Browser, tmp_path: Path
) -> None:
    async with opened(synthetic_result(), scheme="dark") as here:
        buttons = await here.page.get_by_role("button", name="Download SVG").all()
        saved = {}
        for button in buttons:
            async with here.page.expect_download() as waiting:
                await button.click()
            download = await waiting.value
            path = tmp_path / download.suggested_filename
            await download.save_as(path)
            saved[path.name.removeprefix("run_0123456789ab_")] = path
        assert await here.page.evaluate("document.documentElement.dataset.theme") is None
    assert set(saved) == {"score.svg", "iterations.svg", "volcano.svg", "donors.svg"}
    page = await browser.new_page()
    for path in saved.values():
        assert not re.search(r"class=|style=|var\(|<script|data-", path.read_text(encoding="utf-8"))
        await page.goto(path.as_uri())
        assert await page.evaluate("document.documentElement.localName") == "svg"
        assert await page.evaluate("document.querySelector('rect').getAttribute('fill')") == "rgb(255, 255, 255)"
    await page.goto(saved["volcano.svg"].as_uri())
    red = (
        "[...document.querySelectorAll('circle')].filter(dot => dot.getAttribute('fill') === 'rgb(179, 55, 30)').length"
    )
    assert await page.evaluate(red) == len(RISING)
    await page.close()


async def test_light_and_dark_follow_the_system_and_the_button_turns_them(opened: Open) -> None:
    async with opened(synthetic_result(), scheme="dark") as here:
        paper = "getComputedStyle(document.body).backgroundColor"
        dark = await here.page.evaluate(paper)
        assert await here.text("#theme") == "Light"
        await here.page.click("#theme")
        assert await here.page.evaluate(paper) == "rgb(255, 255, 255)" != dark
        assert await here.text("#theme") == "Dark"
        await here.page.emulate_media(color_scheme="light")
        await here.page.click("#theme")
        assert await here.page.evaluate(paper) == dark


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 380)])
async def test_axe_finds_nothing_to_complain_of(opened: Open, scheme: str, width: int) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    async with opened(synthetic_result(), scheme=scheme, width=width) as here:
        await here.page.fill("#search", "STAT1")
        await here.page.evaluate(axe)
        result = await here.page.evaluate("axe.run()")
        assert len(result["passes"]) > 20
        violations = [
            (violation["id"], [node["html"] for node in violation["nodes"]], violation["help"])
            for violation in result["violations"]
        ]
        assert violations == []


async def test_the_page_never_scrolls_sideways(opened: Open) -> None:
    async with opened(synthetic_result("How would CD14 monocytes respond to " + "IFNgamma" * 40)) as here:
        for width in (1100, 600, 340):
            await here.page.set_viewport_size({"width": width, "height": 800})
            assert await here.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_wide_screen_no_table_is_cut_off(opened: Open) -> None:
    async with opened(synthetic_result()) as here:
        rooms = await here.page.eval_on_selector_all(
            ".wide", "all => all.map(box => box.clientWidth - box.scrollWidth)"
        )
        assert len(rooms) == 7
        assert min(rooms) >= 0


async def test_on_paper_it_is_light_and_without_what_paper_cannot_do(opened: Open) -> None:
    async with opened(synthetic_result(), scheme="dark") as here:
        await here.page.emulate_media(media="print")
        assert await here.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        for selector in ("nav", ".find", "#theme", "#readout", "td.links", ".save"):
            assert await here.page.locator(selector).first.is_hidden(), selector
        assert await here.page.locator("#volcano").is_visible()
        assert (await here.page.pdf(format="A4")).startswith(b"%PDF")


def crowded(known: int = 40, donors: int = 30) -> SearchResult:
    """Return a result with more genes, gene sets, donors and known responses than a page has room for."""
    result = synthetic_result(scores=(4, 8, 6, 5, 7), notes=("A note that fills a line on paper. " * 4,) * 3)
    found = result.best.differential
    place = np.arange(len(found.genes))
    called = (place < 60) & (found.statistic != 0)
    many = replace(
        found,
        log2_fold_change=np.where(called, np.where(place < 30, 2.0, -2.0), found.log2_fold_change),
        adjusted_p=np.where(called, 1e-9, found.adjusted_p),
        is_de=called,
    )
    names = [f"donor {i}" for i in range(donors)]
    summary = replace(
        result.best.summary,
        prompt=replace(result.best.summary.prompt, groups=tuple(Group(name, "MDC", "IFNG") for name in names)),
        groups=tuple(GroupUse(name, "MDC", 100, 100, 1 / donors) for name in names),
        num_de_genes=int(called.sum()),
    )
    sets = [PathwayChange(name=f"REACTOME_{LONG_NAME}_{i}", score=5.0, adjusted_p_value=1e-5) for i in range(40)]
    best = replace(
        result.best,
        summary=summary,
        differential=many,
        response=make_response(many, donors=donors),
        enrichment=[*result.best.enrichment, *sets],
    )
    query = replace(result.query, donors=[names[i % donors] for i in range(len(result.query.donors))])
    return with_accuracy(replace(result, best=best, query=query), make_expected(n=known))


@pytest.mark.parametrize("result", [synthetic_result(), unjudged(), crowded()], ids=["usual", "unjudged", "crowded"])
async def test_it_prints_on_at_most_four_pages_of_a4(opened: Open, result: SearchResult) -> None:
    """Regression: the table of known responses had all its rows on paper, which made a fifth page."""
    async with opened(result) as here:
        paper = await here.page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 4
    sizes = {tuple(map(float, size.split())) for size in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", paper)}
    assert [size for size in sizes if size != pytest.approx((0, 0, 595, 842), abs=1)] == []


async def test_each_confidence_has_its_own_color(opened: Open) -> None:
    colors = {}
    for level in Confidence:
        async with opened(result_of(level)) as here:
            read = "getComputedStyle(document.querySelector('.answer')).borderLeftColor"
            colors[level] = await here.page.evaluate(read)
    assert colors == {
        Confidence.HIGH: "rgb(31, 122, 77)",
        Confidence.MODERATE: "rgb(20, 80, 158)",
        Confidence.LOW: "rgb(160, 90, 0)",
        Confidence.NONE: "rgb(163, 38, 42)",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_each_confidence_can_be_read(opened: Open, scheme: str) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    async with opened(synthetic_result(), scheme=scheme) as here:
        await here.page.evaluate(axe)
        for level in Confidence:
            await here.page.evaluate(f"document.querySelector('.answer').className = 'answer {level}'")
            found = await here.page.evaluate("axe.run('.answer', {runOnly: ['color-contrast']})")
            assert len(found["passes"]) == 1
            assert (level, found["violations"]) == (level, [])


@pytest.mark.parametrize("markup", [SCRIPT, IMAGE, CLOSING, COMMENT])
async def test_markup_in_a_question_a_gene_a_donor_a_type_or_a_note_is_text(opened: Open, markup: str) -> None:
    named = {"STAT1": markup, "donor 1": markup, "MDC": markup}
    result = synthetic_result(f"How would CD14 monocytes respond to {markup}", renamed=named, notes=(markup,))
    async with opened(result) as here:
        assert markup in await here.text("h1")
        assert markup in await here.text("table.sortable")
        await here.page.focus('circle[tabindex="0"]')
        assert markup in await here.text("#readout")
        await here.page.fill("#search", markup)
        assert markup in await here.text("#found")
        assert await here.page.locator("img").count() == 0
        assert await here.page.locator("script").count() == 2
        assert await here.page.evaluate("window.hurt") is None


@pytest.mark.parametrize(
    "attack",
    [
        "const script = document.createElement('script'); script.textContent = 'window.hurt = 1'; document.body.append(script)",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hurt = 1\">')",
        "const frame = document.createElement('iframe'); frame.src = 'data:text/html,x'; document.body.append(frame)",
    ],
)
async def test_the_policy_refuses_what_is_not_the_reports_own(browser: Browser, tmp_path: Path, attack: str) -> None:
    page = await browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    await page.goto(write_report(synthetic_result(), tmp_path).as_uri())
    await page.evaluate(attack)
    await page.wait_for_timeout(200)
    assert any("Content Security Policy" in text for text in refused)
    assert await page.evaluate("window.hurt") is None
    await page.close()


async def test_a_run_that_calls_no_gene_has_a_report_all_the_same(opened: Open) -> None:
    async with opened(synthetic_result(scores=(1,), changed=False)) as here:
        assert "no gene is called changed" in await here.text(".answer")
        assert "No gene is called changed" in await here.text("table.sortable")
        await here.page.fill("#search", "STAT1")
        assert "not called changed" in await here.text("#found")
