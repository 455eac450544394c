"""Responses and connections that fail: exit codes, messages and retries."""

import asyncio

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from local.processes import free_port
from tests.haystack_client.conftest import QUESTION, Haystack, Script, problem

EMPTY = Response('{"runs":[],"total":0,"page":1,"page_size":20,"next_page_token":null}', media_type="application/json")
RUN = Response('{"run_id":"run_0123456789ab","interpretation":null}', media_type="application/json")
AWAY = problem(503, "Firestore is not available.", **{"Retry-After": "0"})
STRANGER = problem(401, "Sign in at the address of the service and try again.", "unauthenticated")


async def test_a_service_that_is_not_running_is_reported_without_retries() -> None:
    done = await Haystack(f"http://127.0.0.1:{free_port()}")("list", "--json")
    assert (done.code, done.out) == (5, "")
    assert "make up" in done.err
    assert "HAYSTACK_URL" in done.err
    assert "Retrying" not in done.err


async def test_a_busy_service_is_retried() -> None:
    script = Script(AWAY, AWAY, EMPTY)
    async with script.served() as haystack:
        done = await haystack("list")
    assert (done.code, done.out) == (0, "no runs\n")
    assert done.err.count("Retrying in 0 s.") == 2
    assert len(script.requests) == 3


async def test_retries_end_after_five_attempts() -> None:
    script = Script(AWAY)
    async with script.served() as haystack:
        done = await haystack("list")
    assert (done.code, done.out) == (5, "")
    assert "error 503: Firestore is not available." in done.err
    assert len(script.requests) == 5


async def test_submit_retries_with_its_key_and_prints_the_key_when_no_response_arrives() -> None:
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


async def test_each_error_has_its_exit_code_and_message() -> None:
    async def expect(answer: Response, code: int, words: str, attempts: int) -> None:
        script = Script(answer)
        async with script.served() as haystack:
            done = await haystack("submit", QUESTION, "--json")
        assert (done.code, done.out, len(script.requests)) == (code, "", attempts), words
        assert words in done.err

    await asyncio.gather(
        expect(problem(429, "You have 20 active runs, which is the limit.", "too_many_runs"), 2, "20 active runs", 1),
        expect(PlainTextResponse("busy", 429, {"Retry-After": "0"}), 5, "error 429: Too Many Requests", 5),
        expect(problem(500, "Something went wrong on our side.", "internal"), 5, "request id: request-1", 1),
        expect(PlainTextResponse("<html>hello</html>"), 5, "does not answer like a HAYSTACK service", 1),
        expect(Response("[]", media_type="application/json"), 5, "does not answer like a HAYSTACK service", 1),
        expect(STRANGER, 4, "HAYSTACK_SERVICE_ACCOUNT", 1),
        expect(PlainTextResponse("You may not pass.", 403), 4, "error 403: Forbidden", 1),
        expect(RedirectResponse("https://accounts.google.com/o/oauth2"), 4, "requires you to sign in", 1),
    )
