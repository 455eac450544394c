"""The gateway refuses websockets; its documentation page loads nothing from elsewhere, and a browser shows it."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml

from local.gateway import OPENAPI, Gateway
from local.processes import start
from local.serving import serving

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=10000 --dump-dom"
)


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with serving(Gateway({})) as served:
        yield served


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as made:
        yield made


async def test_the_document_is_served_in_both_forms(client: httpx.AsyncClient) -> None:
    as_json, as_yaml = await client.get("/openapi.json"), await client.get("/openapi.yaml")
    assert as_json.headers["content-type"] == "application/json"
    assert as_yaml.headers["content-type"].startswith("application/yaml")
    assert as_json.json() == yaml.safe_load(as_yaml.text)
    assert as_yaml.text == OPENAPI.read_text()


async def test_the_page_and_all_that_it_names_come_from_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs/", follow_redirects=True)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) >= 4
    for path in named:
        assert path.startswith("/")
        answer = await client.get(path)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs/none.js", "/docs/../gateway.py", "/docs/%2e%2e/gateway.py"])
async def test_nothing_else_is_below_the_page(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_page_takes_no_other_method(client: httpx.AsyncClient) -> None:
    assert (await client.head("/docs")).status_code == 200
    assert (await client.post("/docs")).status_code == 405


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
async def test_a_browser_shows_every_operation_and_blocks_nothing(url: str, tmp_path: Path) -> None:
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", f"{url}/docs#/Runs/createRun"]
    child = await start(command, log=tmp_path / "browser.log")
    await child.wait()
    child.kill()
    shown = child.log.read_text(errors="replace")
    for path in yaml.safe_load(OPENAPI.read_text())["paths"]:
        assert f'data-path="{path}"' in shown, path
    assert "Idempotency-Key" in shown  # the operation that the address names is open
    assert "Content Security Policy" not in shown
    assert "CONSOLE" not in shown


async def test_a_websocket_is_refused_as_in_production(client: httpx.AsyncClient) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert (await client.get("/api/v1/health", headers=upgrade)).status_code == 403
