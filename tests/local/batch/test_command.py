"""`python -m local faults` against the admin endpoint of a running service."""

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
from local.batch.faults import Fail, LoseJob, Preempt, StayQueued
from local.processes import free_port
from local.serving import serving

if TYPE_CHECKING:
    from tests.local.batch.conftest import World


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(Admin(world.emulator.faults, Starlette())) as served:
        yield served


async def invoke(*words: str) -> Result:
    """Run the command in a thread, because it waits for a server in this event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["faults", *words])


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        ("preempt --times 2 --after 0.5", Preempt(times=2, after_seconds=0.5)),
        ("stay-queued --seconds 30", StayQueued(seconds=30)),
        ("stay-queued --because machines", StayQueued(because="machines")),
        ("lose-job", LoseJob()),
        (
            "error --code DEADLINE_EXCEEDED --rpc CreateJob --moment after",
            Fail(code="DEADLINE_EXCEEDED", rpc="CreateJob", moment="after"),
        ),
    ],
)
async def test_a_fault_reaches_the_emulator_and_is_shown(
    world: World, url: str, words: str, spec: Preempt | StayQueued | LoseJob | Fail
) -> None:
    given = await invoke(*words.split(), "--url", url)
    assert given.exit_code == 0, given.output
    assert world.emulator.faults.spec == spec
    assert (await invoke("show", "--url", url)).stdout == given.stdout
    assert given.stdout.startswith(f"{spec.kind} times={spec.times}")


async def test_a_fault_ends_after_its_times_and_the_next_jobs_succeed(
    world: World, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await invoke("image-pull", "--url", url)
    await world.run("one", "pass")
    await world.until("one", "FAILED")
    await world.run("two", "pass")
    await world.until("two", "SUCCEEDED")
    assert "no faults" in (await invoke("show", "--url", url)).output
    assert f"fault injection: image-pull for {world.name('one')}" in caplog.text


async def test_jobs_that_wait_because_of_a_fault_run_when_it_is_off(world: World, url: str) -> None:
    await invoke("stay-queued", "--url", url)
    await world.run("one", "pass")
    await world.run("two", "pass")
    await world.until("two", "SUCCEEDED")
    assert (await world.get("one")).status.state.name == "QUEUED"
    assert "no faults" in (await invoke("off", "--url", url)).output
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
    given = await invoke(*words.split(), "--url", url)
    assert given.exit_code == 2
    assert world.emulator.faults.spec is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"kind": "explode"}', "explode"),
        ('{"kind": "preempt", "times": 0}', "preempt.times: Input should be greater than or equal to 1"),
        ('{"kind": "preempt", "code": "UNAVAILABLE"}', "preempt.code: Extra inputs are not permitted"),
        ('{"times": 1}', "body: Unable to extract tag"),
        ("preempt", "body: Invalid JSON"),
    ],
)
async def test_nonsense_is_refused_by_the_service_and_changes_nothing(
    world: World, url: str, body: str, said: str
) -> None:
    before = Preempt()
    world.emulator.faults.begin(before)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.put(PATH, content=body)
    assert answer.status_code == 400
    assert said in answer.text
    assert world.emulator.faults.spec == before


async def test_a_web_page_of_another_origin_is_not_told_that_it_may(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, headers={"Origin": "http://other.example"}) as client:
        asked = await client.options(PATH, headers={"Access-Control-Request-Method": "PUT"})
        assert (asked.status_code, asked.headers["allow"]) == (405, "GET, PUT, DELETE")
        assert not [name for name in asked.headers if name.startswith("access-control")]
        assert (await client.post(PATH, content='{"kind": "preempt"}')).status_code == 405


async def test_without_a_service_or_at_another_one_the_command_says_so(url: str) -> None:
    away = await invoke("show", "--url", f"http://127.0.0.1:{free_port()}")
    assert away.exit_code == 1
    assert "start one with `python -m local up`" in str(away.output)
    other = await invoke("show", "--url", f"{url}/elsewhere")
    assert other.exit_code == 1
    assert "is it the local service? 404" in other.output


async def test_the_address_of_the_environment_is_used_and_the_error_names_the_option(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAYSTACK_URL", url)
    assert (await invoke("show")).stdout == "no faults\n"
    monkeypatch.setenv("HAYSTACK_URL", f"http://127.0.0.1:{free_port()}")
    refused = await invoke("show")
    assert refused.exit_code != 0
    assert "--url" in refused.output
