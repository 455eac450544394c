"""`python -m local rehearse`, through the admin call of a service that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from typer.testing import CliRunner, Result

from local.__main__ import app
from local.batch.admin import PATH, Admin
from local.batch.rehearsal import Code, Fail, LoseJob, Moment, Preempt, Rpc, StayQueued
from local.processes import free_port
from local.serving import serving

if TYPE_CHECKING:
    from tests.local.batch.conftest import World


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(Admin(world.stand_in, Starlette())) as served:
        yield served


async def rehearse(*words: str) -> Result:
    """What the command answers, typed in another process's place: it waits for a server that runs here."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["rehearse", *words])


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("preempt --times 2 --after 0.5", Preempt(times=2, after_seconds=0.5)),
        ("stay-queued --seconds 30", StayQueued(seconds=30)),
        ("lose-job", LoseJob()),
        (
            "error --code DEADLINE_EXCEEDED --rpc CreateJob --moment after",
            Fail(code=Code.DEADLINE_EXCEEDED, rpc=Rpc.CREATE, moment=Moment.AFTER),
        ),
    ],
)
async def test_an_order_reaches_the_stand_in_and_is_shown(
    world: World, url: str, words: str, order: Preempt | StayQueued | LoseJob | Fail
) -> None:
    given = await rehearse(*words.split(), "--url", url)
    assert given.exit_code == 0, given.output
    assert world.stand_in.rehearsal.order == order
    assert (await rehearse("show", "--url", url)).output == given.output
    assert given.output.startswith(f"{order.trouble} times={order.times}")


async def test_an_order_wears_off_and_the_next_jobs_are_well(
    world: World, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await rehearse("image-pull", "--url", url)
    await world.run("one", "pass")
    await world.until("one", "FAILED")
    await world.run("two", "pass")
    await world.until("two", "SUCCEEDED")
    assert "nothing goes wrong" in (await rehearse("show", "--url", url)).output
    assert f"rehearsal: image-pull for {world.name('one')}" in caplog.text


async def test_jobs_that_a_rehearsal_keeps_waiting_run_when_it_is_off(world: World, url: str) -> None:
    await rehearse("stay-queued", "--url", url)
    await world.run("one", "pass")
    await world.run("two", "pass")
    await world.until("two", "SUCCEEDED")
    assert (await world.get("one")).status.state.name == "QUEUED"
    assert "nothing goes wrong" in (await rehearse("off", "--url", url)).output
    await world.until("one", "SUCCEEDED")


@pytest.mark.parametrize(
    "words",
    [
        "explode",
        "preempt --times 0",
        "preempt --after -1",
        "image-pull --code UNAVAILABLE",
        "error --code OK",
        "error --rpc X",
    ],
)
async def test_nonsense_is_refused_by_the_command(world: World, url: str, words: str) -> None:
    given = await rehearse(*words.split(), "--url", url)
    assert given.exit_code == 2
    assert world.stand_in.rehearsal.order is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"trouble": "explode"}', "explode"),
        ('{"trouble": "preempt", "times": 0}', "preempt.times: Input should be greater than or equal to 1"),
        ('{"trouble": "preempt", "code": "UNAVAILABLE"}', "preempt.code: Extra inputs are not permitted"),
        ('{"times": 1}', "the order: Unable to extract tag"),
        ("preempt", "the order: Invalid JSON"),
    ],
)
async def test_nonsense_is_refused_by_the_service_and_changes_nothing(
    world: World, url: str, body: str, said: str
) -> None:
    before = Preempt()
    world.stand_in.rehearsal.begin(before)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.put(PATH, content=body)
    assert answer.status_code == 400
    assert said in answer.text
    assert world.stand_in.rehearsal.order == before


async def test_a_web_page_of_another_origin_is_not_told_that_it_may(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, headers={"Origin": "http://other.example"}) as client:
        asked = await client.options(PATH, headers={"Access-Control-Request-Method": "PUT"})
        assert (asked.status_code, asked.headers["allow"]) == (405, "GET, PUT, DELETE")
        assert not [name for name in asked.headers if name.startswith("access-control")]
        assert (await client.post(PATH, content='{"trouble": "preempt"}')).status_code == 405


async def test_without_a_service_or_at_another_one_the_command_says_so(url: str) -> None:
    away = await rehearse("show", "--url", f"http://127.0.0.1:{free_port()}")
    assert away.exit_code == 1
    assert "`python -m local up` starts one" in str(away.output)
    other = await rehearse("show", "--url", f"{url}/elsewhere")
    assert other.exit_code == 1
    assert "is it the local service? 404" in other.output
