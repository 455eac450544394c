"""Limits of one user: requests per minute, and requests that wait at the same time."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.gateway import Gateway
from local.serving import serving
from shared import wiring
from shared.auth.limits import CallerLimits
from shared.errors import TooManyRequests, TooManyWaitingRequests
from tests.functions.conftest import AUDIENCE, Cloud
from tests.functions.test_refusals import QUESTION, RUNS, assert_problem, body

HEALTH = "/api/v1/health"
BOB = {"X-Goog-Authenticated-User-Email": "accounts.google.com:bob@example.com"}
Limit = Callable[..., None]


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """Use one store: limits do not depend on it."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


@pytest.fixture
def limit(api: httpx.AsyncClient) -> Limit:
    """Replace the limits of the functions; the clock stands still."""
    assert api.headers["X-Request-Id"]

    def replace(*, requests: int = 0, waiting: int = 0) -> None:
        limits = CallerLimits(requests_per_minute=requests, waiting=waiting, clock=lambda: 0.0)
        wiring.container().caller_limits = limits

    return replace


async def run(api: httpx.AsyncClient, **headers: str) -> str:
    """Create a run, and return its path."""
    answer = await api.post(RUNS, json={"query": QUESTION}, headers=headers)
    return f"{RUNS}/{answer.json()['run_id']}"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that a request in this process brings about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # set by the functions
            await asyncio.sleep(0.02)


async def test_every_response_to_a_user_says_what_is_left(api: httpx.AsyncClient) -> None:
    listed = await api.get(RUNS)
    unchanged = await api.get(RUNS, headers={"If-None-Match": listed.headers["etag"]})
    missing = await api.get(f"{RUNS}/run_0123456789ab")
    invalid = await api.post(RUNS, content=b"{")
    statuses = [answer.status_code for answer in (listed, unchanged, missing, invalid)]
    assert statuses == [200, 304, 404, 415]
    for answer in (listed, unchanged, missing, invalid):
        assert answer.headers["ratelimit-policy"] == '"requests";q=600;w=60'
        assert re.fullmatch(r'"requests";r=59\d;t=1', answer.headers["ratelimit"])
    for path in (HEALTH, "/", "/api/v1/nothing"):
        assert "ratelimit" not in (await api.get(path)).headers


async def test_too_many_requests_are_refused_without_a_read_and_others_are_served(
    api: httpx.AsyncClient, limit: Limit
) -> None:
    limit(requests=30)
    for left in range(29, -1, -1):
        answer = await api.get(RUNS)
        assert answer.status_code == 200
        assert answer.headers["ratelimit"].startswith(f'"requests";r={left};')
    answer = await api.post(RUNS, json={"query": QUESTION})
    assert_problem(answer, body(429, "too_many_requests", TooManyRequests(30, 5).detail) | {"limit": 30})
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["ratelimit"] == '"requests";r=0;t=5'
    bob = await api.get(RUNS, headers=BOB)
    assert (bob.status_code, bob.json()["total"]) == (200, 0)
    assert (await api.get(HEALTH)).status_code == 200


async def test_batch_and_the_scheduler_have_no_limit(api: httpx.AsyncClient, limit: Limit, cloud: Cloud) -> None:
    limit(requests=1)
    token = {"Authorization": f"Bearer {cloud.issuer.token(AUDIENCE)}"}
    for _ in range(3):
        answer = await api.post("/api/v1/reconcile", json={}, headers=token)
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


async def test_a_user_who_waits_too_often_is_refused_and_others_wait(api: httpx.AsyncClient, limit: Limit) -> None:
    limit(waiting=2)
    path, other = await run(api), await run(api, **BOB)
    etag = (await api.get(path)).headers["etag"]
    known, waits = {"If-None-Match": etag}, {"wait": 30}
    waiting = [asyncio.create_task(api.get(path, params=waits, headers=known, timeout=60)) for _ in range(2)]
    await until(lambda: wiring.container().caller_limits._waiting.total() == 2)
    answer = await api.get(path, params=waits)
    assert_problem(answer, body(429, "too_many_waiting_requests", TooManyWaitingRequests(2).detail) | {"limit": 2})
    assert answer.headers["retry-after"] == "5"
    assert (await api.get(path)).status_code == 200  # without waiting
    assert (await api.get(other, params={"wait": 1}, headers=BOB)).status_code == 200
    await api.post(f"{path}/cancel")
    assert [(await task).json()["status"] for task in waiting] == ["cancelled"] * 2
    assert (await api.get(path, params=waits)).status_code == 200


async def test_a_client_that_leaves_no_longer_waits(api: httpx.AsyncClient) -> None:
    """Regression: a page that asks again and again, and leaves each request, had a request waiting for each."""
    path = await run(api)
    limits = wiring.container().caller_limits
    async with serving(Gateway({})) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        known = {"If-None-Match": (await client.get(path)).headers["etag"]}
        waiting = asyncio.create_task(client.get(path, params={"wait": 30}, headers=known, timeout=60))
        await until(lambda: limits._waiting.total() == 1)
        waiting.cancel()
        left = time.monotonic()
        await until(lambda: not limits._waiting)
        assert time.monotonic() - left < 20  # not at the end of the wait
