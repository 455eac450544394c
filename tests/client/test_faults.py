"""What the command does when the service is away, busy, foreign, or wants another identity."""

import asyncio
import stat
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from client.api import Api
from client.failures import ExitCode, Failure
from client.identity import Bearer
from local.processes import free_port
from tests.client.conftest import QUESTION, Haystack, Script, problem

TOKEN = "header.payload.signature"
EMPTY = Response('{"runs":[],"total":0,"page":1,"page_size":20,"next_page_token":null}', media_type="application/json")
RUN = Response('{"run_id":"run_0123456789ab"}', media_type="application/json")
AWAY = problem(503, "Firestore is not answering just now.", **{"Retry-After": "0"})
STRANGER = problem(401, "Sign in through the service's address and try again.", "unauthenticated")


async def test_nothing_at_the_address_says_how_to_start_the_service() -> None:
    done = await Haystack(f"http://127.0.0.1:{free_port()}")("list", "--json")
    assert (done.code, done.out) == (5, "")
    assert "make up" in done.err
    assert "HAYSTACK_URL" in done.err
    assert "Trying again" not in done.err


async def test_a_busy_service_is_asked_again_and_the_answer_counts() -> None:
    script = Script(AWAY, AWAY, EMPTY)
    async with script.served() as haystack:
        done = await haystack("list")
    assert (done.code, done.out) == (0, "no runs\n")
    assert done.err.count("Trying again in 0 s.") == 2
    assert len(script.requests) == 3


async def test_a_service_that_stays_away_is_given_up_after_five_attempts() -> None:
    script = Script(AWAY)
    async with script.served() as haystack:
        done = await haystack("list")
    assert (done.code, done.out) == (5, "")
    assert "error 503: Firestore is not answering just now." in done.err
    assert len(script.requests) == 5


async def test_a_submit_repeats_its_own_key_and_tells_it_when_no_answer_comes() -> None:
    script = Script(AWAY, RUN)
    async with script.served() as haystack:
        assert (await haystack("submit", QUESTION)).code == 0
    first, second = [request.headers["idempotency-key"] for request in script.requests]
    assert first == second
    lost = Script(AWAY)
    async with lost.served() as haystack:
        done = await haystack("submit", QUESTION)
    assert done.code == 5
    assert f"--idempotency-key {lost.requests[0].headers['idempotency-key']}" in done.err
    assert lost.requests[0].headers["idempotency-key"] != first


async def test_each_refusal_has_its_exit_code_and_a_sentence() -> None:
    async def hold(answer: Response, code: int, words: str, attempts: int) -> None:
        script = Script(answer)
        async with script.served() as haystack:
            done = await haystack("submit", QUESTION, "--json")
        assert (done.code, done.out, len(script.requests)) == (code, "", attempts), words
        assert words in done.err

    await asyncio.gather(
        hold(problem(429, "You have 20 active runs, the most allowed.", "too_many_runs"), 2, "20 active runs", 1),
        hold(PlainTextResponse("busy", 429, {"Retry-After": "0"}), 5, "error 429: Too Many Requests", 5),
        hold(problem(500, "Something went wrong on our side.", "internal"), 5, "request id: request-1", 1),
        hold(PlainTextResponse("<html>hello</html>"), 5, "not as the HAYSTACK service does", 1),
        hold(Response("[]", media_type="application/json"), 5, "not as the HAYSTACK service does", 1),
        hold(STRANGER, 4, "HAYSTACK_AUDIENCE", 1),
        hold(PlainTextResponse("You may not pass.", 403), 4, "error 403: Forbidden", 1),
        hold(RedirectResponse("https://accounts.google.com/o/oauth2"), 4, "wants you to sign in", 1),
    )


async def test_a_token_of_the_environment_is_sent_and_never_shown() -> None:
    script = Script(STRANGER)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN=TOKEN)
    assert done.code == 4
    assert [request.headers["authorization"] for request in script.requests] == [f"Bearer {TOKEN}"]
    assert TOKEN not in done.out + done.err


async def test_what_cannot_be_a_token_is_refused_without_being_shown() -> None:
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN="Bearer my secret")
    assert (done.code, len(script.requests)) == (4, 0)
    assert "secret" not in done.out + done.err


async def test_gcloud_gives_the_token_for_an_audience(tmp_path: Path) -> None:
    gcloud(tmp_path, f'echo "$@" > {tmp_path}/asked; echo {TOKEN}')
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack(
            "list",
            PATH=f"{tmp_path}:/usr/bin:/bin",
            HAYSTACK_AUDIENCE="client-1",
            HAYSTACK_SERVICE_ACCOUNT="me@example.com",
        )
    assert done.code == 0, done.err
    assert script.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert (tmp_path / "asked").read_text().split() == [
        "auth",
        "print-identity-token",
        "--audiences=client-1",
        "--impersonate-service-account=me@example.com",
        "--include-email",
    ]


async def test_what_gcloud_says_is_passed_on(tmp_path: Path) -> None:
    gcloud(tmp_path, "echo 'Requires valid service account.' >&2; exit 1")
    async with Script(EMPTY).served() as haystack:
        done = await haystack("list", PATH=f"{tmp_path}:/usr/bin:/bin", HAYSTACK_AUDIENCE="client-1")
    assert done.code == 4
    assert "Requires valid service account." in done.err
    assert "HAYSTACK_SERVICE_ACCOUNT" in done.err


async def test_a_token_that_ran_out_is_renewed_once() -> None:
    given = iter(["old", "new"])
    script = Script(EMPTY, STRANGER, EMPTY)
    async with script.served() as haystack:

        def ask_twice() -> None:
            with Api(haystack.url, Bearer(lambda: next(given))) as api:
                list(api.pages({}, limit=1))
                list(api.pages({}, limit=1))

        await asyncio.to_thread(ask_twice)
    assert [request.headers["authorization"] for request in script.requests] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
    ]


def test_a_token_is_not_sent_unencrypted() -> None:
    with pytest.raises(Failure, match="unencrypted") as caught:
        Api("http://haystack.example.com", Bearer(lambda: TOKEN))
    assert caught.value.exit_code is ExitCode.REFUSED


def gcloud(folder: Path, script: str) -> None:
    """A gcloud that does what the test tells it."""
    program = folder / "gcloud"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)
