"""A front end of one's own, built as a Next.js static export: its inline start script calls the API as the specification's does."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.conftest import Service, copy_of, start

QUESTION = "What does TNF do to CD8 T cells?"
# The calls of the specification's client: axios with the base `/api/v1`, which sends and expects these headers, and a status poll every
# 15 s (here: every half second) until the run has ended.
CLIENT = """
const api = (method, path, body) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();  // axios in a browser
  request.open(method, `/api/v1${path}`);
  request.setRequestHeader('Accept', 'application/json, text/plain, */*');
  if (body) request.setRequestHeader('Content-Type', 'application/json');
  request.onload = () => request.status < 300 ? resolve(JSON.parse(request.responseText)) : reject(new Error(request.responseText));
  request.onerror = () => reject(new Error('network'));
  request.send(body && JSON.stringify(body));
});
const seen = {};
const say = (text) => { document.getElementById('state').textContent = text; };
(async () => {
  seen.health = await api('GET', '/health');
  seen.perturbations = (await api('GET', '/metadata/perturbations')).length;
  seen.cellTypes = (await api('GET', '/metadata/cell-types')).length;
  seen.datasets = (await api('GET', '/metadata/datasets')).length;
  const query = QUESTION;
  seen.validation = await api('POST', '/runs/validate-control-strategy', { query, control_strategy: 'synthetic_control' });
  const created = await api('POST', '/runs', { query, control_strategy: 'synthetic_control', max_iterations: 1, score_threshold: 7 });
  const other = await api('POST', '/runs', { query: query + ' Again.', max_iterations: 1 });
  seen.cancelled = await api('POST', `/runs/${other.run_id}/cancel`);
  let status = created;
  while (!['completed', 'failed', 'cancelled'].includes(status.status)) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    status = await api('GET', `/runs/${created.run_id}`);
  }
  seen.status = status;
  seen.result = await api('GET', `/runs/${created.run_id}/result`);
  seen.list = await api('GET', '/runs?page=1&page_size=20');
  window.seen = seen;
  say(status.status);
})().catch((error) => say(`failed: ${error.message}`));
"""
FILES = {
    "index.html": '<!doctype html><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/_next/static/css/a1b2.css">'
    f'<h1>own</h1><p id="state"></p><script>{CLIENT.replace("QUESTION", json.dumps(QUESTION))}</script>',
    "runs.html": '<!doctype html><link rel="icon" href="/icon.svg"><h1>own runs</h1>',
    "about/index.html": '<!doctype html><link rel="icon" href="/icon.svg"><h1>about</h1>',
    "404.html": '<!doctype html><link rel="icon" href="/icon.svg"><h1>own 404</h1>',
    "icon.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "_next/static/css/a1b2.css": "h1 { color: rgb(1, 2, 3) }",
}


@pytest.fixture
async def service(ingested: Path, tmp_path: Path) -> AsyncIterator[Service]:
    for name, content in FILES.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    running = await start(copy_of(ingested, tmp_path / "data"), "sqlite", "--frontend", str(tmp_path / "out"))
    yield running
    await running.stop()


async def test_the_specification_s_front_end_works(browser: Browser, service: Service) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(service.url)
    await expect(page.locator("#state")).to_have_text(re.compile("completed|failed"), timeout=50_000)
    assert await page.inner_text("#state") == "completed"
    seen = await page.evaluate("window.seen")
    assert seen["health"] == {"status": "healthy"}
    assert min(seen["perturbations"], seen["cellTypes"], seen["datasets"]) > 1
    assert seen["validation"]["synthetic_control_available"]
    assert seen["cancelled"]["status"] == "cancelled"
    assert {"run_id", "current_phase", "grounding_scores", "created_at"} <= seen["status"].keys()
    assert {"anndata_url", "report_url", "log_url", "top_upregulated", "grounding_score"} <= seen["result"].keys()
    assert (seen["list"]["total"], seen["list"]["page"]) == (2, 1)
    assert await page.eval_on_selector("h1", "each => getComputedStyle(each).color") == "rgb(1, 2, 3)"
    assert complaints == []
    for path, status, title in (("/runs", 200, "own runs"), ("/about", 200, "about"), ("/runs/none", 404, "own 404")):
        response = await page.goto(service.url + path)
        assert response is not None
        assert (response.status, await page.inner_text("h1")) == (status, title)
    unknown = await service.client.get("/api/none")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    await context.close()
