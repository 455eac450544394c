"""Runs on the built-in page: followed, cancelled, labeled, deleted and compared."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.visits import MEASURED, nothing_to_complain_of, visiting
from tests.e2e.conftest import Service

LABEL = "screen 7 & more"


@pytest.mark.usefixtures("queued")
async def test_a_waiting_run_is_cancelled_in_one_tab_and_seen_in_two_others(browser: Browser, service: Service) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        run = await service.create("How do NK cells respond to IFN-beta?")
        other, third = await visit.context.new_page(), await visit.context.new_page()
        await visit.open(f"/runs/{run['run_id']}")
        await other.goto(f"{service.url}/runs")
        await third.goto(f"{service.url}/runs/{run['run_id']}")
        await expect(page.locator(".waiting")).to_contain_text("The run waits for its turn in the queue")
        await expect(page.locator(".waiting")).to_contain_text("Elapsed:")
        row = other.locator("ul.runs li", has_text=run["query"]).first
        await expect(row.locator(".chip").first).to_have_text("waiting")
        await page.click("button.danger")
        assert (await service.status(run["run_id"]))["status"] == "pending"  # it asks once more
        await page.click("text=Really cancel?")
        await expect(page.locator(".chip").first).to_have_text("cancelled")
        await expect(third.locator(".chip").first).to_have_text("cancelled")
        await expect(row.locator(".chip").first).to_have_text("cancelled")
        await row.locator("text=Ask again").click()
        await expect(other.locator("#question")).to_have_value(run["query"])


@pytest.mark.usefixtures("queued")
async def test_a_label_is_set_when_asking_shown_and_filters_the_list(browser: Browser, service: Service) -> None:
    other = await service.create("How do B cells respond to IFN-beta?")
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/")
        await page.fill("#question", MEASURED)
        await page.click("text=Options")
        await page.fill("[name=label]", f" {LABEL} ")
        await page.click("button.primary")
        await page.wait_for_url(re.compile(r"/runs/run_[0-9a-f]{12}$"))
        await expect(page.locator("a.label")).to_have_text(f"Label: {LABEL}")
        run_id = page.url.rpartition("/")[2]
        assert (await service.status(run_id))["label"] == LABEL
        await page.click("a.label")
        await expect(page.locator("#label")).to_have_value(LABEL)
        await expect(page.locator("ul.runs li")).to_have_count(1)
        await expect(page.locator(f"ul.runs a[href='/runs/{run_id}']")).to_be_visible()
        await expect(page.locator("#labels option")).to_have_attribute("value", LABEL)
        await page.select_option("#filter", "failed")
        await expect(page.locator("ul.runs li")).to_have_text(f"No failed run with the label “{LABEL}”. Show all runs")
        await page.click("text=Show all runs")
        await expect(page.locator(f"ul.runs a[href='/runs/{other['run_id']}']")).to_be_visible()
        await page.fill("#label", "none")
        await page.keyboard.press("Enter")
        await expect(page.locator("ul.runs li")).to_contain_text("No run with the label “none”.")


async def test_a_finished_run_is_deleted_after_a_dialog_that_says_what_is_lost(
    browser: Browser, service: Service
) -> None:
    asked = [await service.create(MEASURED, max_iterations=1, random_seed=seed) for seed in (2, 3)]
    first, second = [(await service.until(run["run_id"]))["run_id"] for run in asked]
    async with visiting(browser, service, expected="409|404") as visit:
        page = visit.page
        dialog = page.get_by_role("dialog", name="Delete this run?")
        await visit.open("/runs")
        row = page.locator("ul.runs li", has=page.locator(f"a[href='/runs/{first}']"))
        await row.locator("input").check()
        await row.get_by_role("button", name="Delete").click()
        await expect(dialog).to_contain_text("Its result, its report and all its files are deleted with it.")
        await expect(dialog).to_contain_text("Links to the run stop working. This cannot be undone.")
        await expect(dialog).to_contain_text(MEASURED)
        await expect(page.get_by_role("button", name="Keep the run")).to_be_focused()
        await nothing_to_complain_of(page)
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(row.get_by_role("button", name="Delete")).to_be_focused()
        assert (await service.status(first))["status"] == "completed"
        await row.get_by_role("button", name="Delete").click()
        await page.get_by_role("button", name="Delete for good").click()
        await expect(row).to_have_count(0)
        await expect(page.locator("#said")).to_have_text("The run is deleted")
        assert (await service.client.get(f"/api/v1/runs/{first}/result")).status_code == 404

        await visit.open(f"/runs/{second}")
        await expect(page.get_by_text("Copy the link")).to_have_attribute("title", "The link opens only for you")
        await page.click("text=Delete")
        detail = f"Run {second} still has a machine, which is being released. Try again in a minute."
        refusal = {"status": 409, "code": "run_not_finished", "detail": detail}

        async def refuse(route: Route) -> None:
            await route.fulfill(status=409, content_type="application/problem+json", body=json.dumps(refusal))

        await page.route(f"**/api/v1/runs/{second}", refuse)
        await page.get_by_role("button", name="Delete for good").click()
        await expect(dialog.get_by_role("alert")).to_have_text(detail)
        await page.unroute(f"**/api/v1/runs/{second}")
        await page.get_by_role("button", name="Delete for good").click()
        await page.wait_for_url("**/runs")
        assert (await service.client.get(f"/api/v1/runs/{second}")).status_code == 404


def always(run: Mapping[str, Any], listed: Mapping[str, Any]) -> Callable[[Route], Awaitable[None]]:
    """Return an answer of the service: a list, or a run."""

    async def answer(route: Route) -> None:
        await route.fulfill(json=listed if "page_size" in route.request.url else run)

    return answer


async def test_a_run_shows_what_it_waits_for_and_how_much_of_a_phase_is_done(
    browser: Browser, service: Service, completed: list[str]
) -> None:
    waiting = {"reason": "quota", "text": "All 8 CPUs of the project are in use. The run starts when one is free."}
    states = [
        {"status": "pending", "done": False, "current_phase": None, "waiting_for": waiting},
        {
            "status": "running",
            "done": False,
            "current_phase": "evaluation",
            "current_iteration": 1,
            "phase_progress": 0.4,
        },
    ]
    stored = await service.status(completed[0])
    async with visiting(browser, service) as visit:
        page = visit.page
        for state, said in zip(states, (waiting["text"], "Working: evaluate (40 % done), iteration 1 of"), strict=True):
            run = stored | state
            listed = {"runs": [run], "total": 1, "page": 1, "page_size": 20, "next_page_token": None}

            await page.route("**/api/v1/runs**", always(run, listed))
            await visit.open(f"/runs/{run['run_id']}")
            await expect(page.locator(".waiting")).to_contain_text(said)
            if state["status"] == "running":
                await expect(page.locator("[aria-current=step]")).to_have_text("Evaluate")
                await expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.4")
                await nothing_to_complain_of(page)
            await visit.open("/runs")
            await expect(page.locator("ul.runs .state")).to_contain_text(said)
            await page.unroute("**/api/v1/runs**")


async def test_an_answer_about_one_gene_is_not_repeated(
    browser: Browser, service: Service, completed: list[str]
) -> None:
    stored = await service.result(completed[0])
    change = {"direction": "up", "answer": "yes", "log2_fold_change": 2.0, "adjusted_p_value": 0.01}
    genes = [change | {"gene": name, "text": f"Yes: IFN-beta raises {name}."} for name in ("CXCL10", "ISG15")]
    async with visiting(browser, service) as visit:
        for answer, listed in ((f"{genes[0]['text']} It raises more.", 1), ("It raises both.", 2)):
            found = stored | {"answer": answer, "gene_answers": genes}
            await visit.page.route("**/result", always(found, found))
            await visit.open(f"/runs/{completed[0]}")
            await expect(visit.page.locator(".answer")).to_have_text(answer)
            await expect(visit.page.locator(".gene-answers li")).to_have_count(listed)
            await visit.page.unroute("**/result")


async def test_two_runs_are_compared(browser: Browser, service: Service, completed: list[str]) -> None:
    async with visiting(browser, service) as visit:
        page = visit.page
        await visit.open("/runs?status=completed&page=99")
        await page.wait_for_url("**/runs?status=completed")
        for run_id, simulated in zip(completed, (0, 1), strict=True):
            row = page.locator("ul.runs li", has=page.locator(f"a[href='/runs/{run_id}']"))
            await expect(row.locator("text=simulated")).to_have_count(simulated)
        for run_id in completed:
            await page.locator("ul.runs li", has=page.locator(f"a[href='/runs/{run_id}']")).locator("input").check()
        await page.click("text=Compare two runs")
        await expect(page.locator("figcaption")).to_contain_text(
            re.compile(r"of \d+ genes in A and B; correlation r = ")
        )
        assert await page.locator("svg circle").count() > 100
        assert await page.locator("table").count() == 2
        await expect(page.locator("figcaption")).to_contain_text("Colored dots are called changed in A or B.")
        await expect(page.locator(".card").nth(0)).to_contain_text("in demo_kang_ifnb")
        await expect(page.locator(".card").nth(1)).to_contain_text("are simulated: the answer shows")
        await page.reload()
        await expect(page.locator("svg circle").first).to_be_attached()
        await visit.open(f"/compare?a={completed[0]}")
        await expect(page.locator("main")).to_contain_text("Choose two runs to compare.")
