"""Connections that die without FIN or RST, as a caller of the functions notices them, with the deadlines of production."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shared.runs.ports import RunDatabase
from tests.functions.test_runs import QUESTION, RUNS, create, finish
from tests.support.proxies import BlackHoleProxy

Ask = Callable[[], Awaitable[httpx.Response]]
# Seconds that dead connections may keep a function away, and that its answer may take.
LIMIT = 20.0
PAUSE = 0.2


@pytest.fixture
def store_settings(firestore_settings: dict[str, str]) -> dict[str, str]:
    """Only Firestore: SQLite has no connections."""
    return firestore_settings


@pytest.fixture
async def proxies(settings: dict[str, str]) -> AsyncIterator[dict[str, BlackHoleProxy]]:
    """A proxy in front of each emulator, by the setting that names it; the settings point at the proxies."""
    proxies = {}
    for name in ("FIRESTORE_EMULATOR_HOST", "BATCH_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"):
        upstream = settings[name]
        proxies[name] = BlackHoleProxy(urlsplit(upstream).netloc or upstream)
        await proxies[name].start()
        settings[name] = upstream.replace(urlsplit(upstream).netloc or upstream, proxies[name].host)
    yield proxies
    for proxy in proxies.values():
        await proxy.stop()


async def until_it_succeeds(ask: Ask) -> tuple[float, float]:
    """Repeat a request until it succeeds; return the seconds until then, and those of the slowest answer."""
    began, slowest = time.monotonic(), 0.0
    async with asyncio.timeout(2 * LIMIT):
        while True:
            asked = time.monotonic()
            answer = await ask()
            slowest = max(slowest, time.monotonic() - asked)
            if answer.status_code < 400:
                return time.monotonic() - began, slowest
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"].isdecimal()
            await asyncio.sleep(PAUSE)


async def lose(*proxies: BlackHoleProxy, asking: dict[str, Ask]) -> None:
    """Lose the open connections, and expect that each function answers in time and is back in time."""
    before = [proxy.opened for proxy in proxies]
    for proxy in proxies:
        proxy.swallow()
    found = await asyncio.gather(*(until_it_succeeds(ask) for ask in asking.values()))
    for name, (seconds, slowest) in zip(asking, found, strict=True):
        print(f"{name}: back after {seconds:.1f} s, slowest answer {slowest:.1f} s")  # noqa: T201  # by `pytest -rP`
        assert seconds < LIMIT, name
    assert all(proxy.opened > count for proxy, count in zip(proxies, before, strict=True))


async def test_functions_answer_and_are_back_within_twenty_seconds(
    proxies: dict[str, BlackHoleProxy], api: httpx.AsyncClient, store: RunDatabase, tmp_path: Path
) -> None:
    firestore, batch, storage = proxies.values()
    waited, cancelled, finished = [str((await create(api))["run_id"]) for _ in range(3)]
    await finish(finished, store, tmp_path)
    etag = (await api.get(f"{RUNS}/{waited}")).headers["etag"]
    asking: dict[str, Ask] = {
        "list": lambda: api.get(RUNS),
        "status": lambda: api.get(f"{RUNS}/{waited}"),
        "result": lambda: api.get(f"{RUNS}/{finished}/result"),
        "validate": lambda: api.post(f"{RUNS}/validate-control-strategy", json={"query": QUESTION}),
        "metadata": lambda: api.get("/api/v1/metadata/datasets"),
        "health": lambda: api.get("/api/v1/health/ready"),
        "create": lambda: api.post(RUNS, json={"query": QUESTION}),
    }
    waiting = asyncio.create_task(
        api.get(f"{RUNS}/{waited}", params={"wait": 30}, headers={"If-None-Match": etag}, timeout=60)
    )
    await asyncio.sleep(0.5)  # it listens
    await lose(firestore, asking=asking)
    began = time.monotonic()
    assert (await api.post(f"{RUNS}/{waited}/cancel")).status_code == 200
    # The wait sees a change although its connection died before.
    assert (await waiting).json()["status"] == "cancelled"
    assert time.monotonic() - began < LIMIT
    await lose(
        batch,
        storage,
        asking={
            "create": lambda: api.post(RUNS, json={"query": QUESTION}),
            "cancel": lambda: api.post(f"{RUNS}/{cancelled}/cancel"),
            "delete": lambda: api.delete(f"{RUNS}/{finished}"),
        },
    )
