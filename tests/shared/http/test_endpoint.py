"""The decorator around every function adds compression, CORS, timing and log lines, and handles every error."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route

from shared import wiring
from shared.errors import Forbidden, Unavailable
from shared.fields import Model
from shared.http import cors
from shared.http.endpoint import Call, FrameworkHandler, Handler, endpoint
from shared.http.responses import json_response
from shared.runs.schemas import CancelAnswer
from shared.runs.states import RunState

PATH = "/api/v1/runs/run_0123456789ab"
ORIGIN = "https://haystack.example.com"
SETTINGS = {
    "ENVIRONMENT": "development",
    "PROJECT": "p",
    "REGION": "r",
    "RESULTS_BUCKET": "b",
    "CORS_ORIGINS": f"{ORIGIN}, https://two.example.com",
}


class Long(Model):
    """A response that is worth compressing."""

    text: str


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> object:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    wiring.replace(None)
    yield
    wiring.replace(None)


def client(handler: Handler) -> httpx.AsyncClient:
    """Return a client of a function with this handler."""
    handle: FrameworkHandler = endpoint("status")(handler)
    methods = ["GET", "HEAD", "OPTIONS", "POST"]
    app = Starlette(routes=[Route("/{path:path}", handle, methods=methods)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def long_response(call: Call) -> Response:
    return json_response(call.request, Long(text="grounding " * 500))


async def short_response(call: Call) -> Response:
    return json_response(call.request, CancelAnswer(status=RunState.CANCELLED, run_id="run_0123456789ab"))


@pytest.fixture
async def long() -> AsyncIterator[httpx.AsyncClient]:
    async with client(long_response) as made:
        yield made


@pytest.fixture
async def short() -> AsyncIterator[httpx.AsyncClient]:
    async with client(short_response) as made:
        yield made


async def test_a_long_response_is_compressed_if_the_client_accepts_it(long: httpx.AsyncClient) -> None:
    zipped = await long.get(PATH, headers={"Accept-Encoding": "br, gzip"})
    plain = await long.get(PATH, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 10
    assert zipped.json() == plain.json()
    assert "Accept-Encoding" in plain.headers["vary"]
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("refused", ["", "br", "gzip;q=0", "gzip; q=0.0, br"])
async def test_a_client_that_does_not_accept_gzip_gets_none(long: httpx.AsyncClient, refused: str) -> None:
    answered = await long.get(PATH, headers={"Accept-Encoding": refused})
    assert "content-encoding" not in answered.headers


async def test_a_short_response_is_not_compressed(short: httpx.AsyncClient) -> None:
    assert "content-encoding" not in (await short.get(PATH)).headers


async def test_the_etag_of_either_form_saves_the_body(long: httpx.AsyncClient) -> None:
    zipped = await long.get(PATH, headers={"Accept-Encoding": "gzip"})
    plain = await long.get(PATH, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["etag"] != plain.headers["etag"]
    for tag in (zipped.headers["etag"], plain.headers["etag"], f'"other", W/{plain.headers["etag"]}', "*"):
        again = await long.get(PATH, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


async def test_an_allowed_origin_may_read_the_response(short: httpx.AsyncClient) -> None:
    answered = await short.get(PATH, headers={"Origin": ORIGIN})
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert answered.headers["access-control-allow-credentials"] == "true"
    assert "ETag" in answered.headers["access-control-expose-headers"]
    assert "Origin" in answered.headers["vary"]


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", ORIGIN + ".evil.com"])
async def test_another_origin_may_not_read_it(short: httpx.AsyncClient, origin: str) -> None:
    answered = await short.get(PATH, headers={"Origin": origin})
    assert "access-control-allow-origin" not in answered.headers
    preflight = await short.options(PATH, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert not [name for name in preflight.headers if name.startswith("access-control")]


async def test_a_preflight_needs_no_identity_and_gets_methods_and_headers(short: httpx.AsyncClient) -> None:
    preflight = await short.options(PATH, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"})
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-methods"] == "DELETE, GET, HEAD"
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"Idempotency-Key", "If-Match", "X-Requested-With"} <= set(
        allowed
    )  # IAP answers the latter with 401, not with a redirect
    assert preflight.headers["access-control-allow-origin"] == ORIGIN


async def test_a_page_of_an_allowed_origin_may_post_from_another_site() -> None:
    headers = Headers({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"})
    cors.refuse_foreign_page("POST", headers, lambda: [ORIGIN])
    with pytest.raises(Forbidden):
        cors.refuse_foreign_page("POST", headers, list)


async def test_an_allowed_origin_may_read_an_error_too(short: httpx.AsyncClient) -> None:
    answered = await short.post(PATH, headers={"Origin": ORIGIN})
    assert answered.status_code == 405
    assert answered.headers["access-control-allow-origin"] == ORIGIN


async def test_every_response_has_its_duration_and_security_headers(short: httpx.AsyncClient) -> None:
    answered = await short.get(PATH)
    assert answered.headers["server-timing"].startswith("total;dur=")
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answered.headers["content-security-policy"]


async def test_repeated_identity_headers_are_joined(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    async def who(call: Call) -> Response:
        seen.append(call.user.email)
        return Response()

    async with client(who) as caller:
        name = "X-Goog-Authenticated-User-Email"
        await caller.get(PATH, headers=[(name, "ada@example.com"), (name, "eve@example.com")])
    assert seen == ["ada@example.com, eve@example.com"]  # an assertion like that is invalid
    assert capsys.readouterr().err


async def test_a_request_is_one_log_line_without_personal_data(
    short: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    headers = {
        "X-Cloud-Trace-Context": f"{trace}/1;o=1",
        "X-Request-Id": "r-1",
        "X-Goog-Authenticated-User-Email": "ada@example.com",
    }
    await short.get(PATH, headers=headers)
    written = capsys.readouterr().err
    line = json.loads(written)
    assert line.pop("ms") >= 0
    assert len(line.pop("user")) == 16
    assert line == {
        "severity": "INFO",
        "message": "request",
        "request_id": "r-1",
        "function": "status",
        "logging.googleapis.com/trace": f"projects/p/traces/{trace}",
        "route": "/api/v1/runs/{run_id}",
        "run_id": "run_0123456789ab",
        "method": "GET",
        "status": 200,
    }
    assert "ada" not in written


async def test_a_bug_is_a_500_with_the_request_id_and_no_details(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(_: Call) -> Response:
        raise ZeroDivisionError("an internal secret")

    async with client(broken) as caller:
        answered = await caller.get(PATH, headers={"X-Request-Id": "r-1"})
    assert answered.status_code == 500
    assert answered.json() == {
        "type": "https://haystack.example.org/docs/api#internal",
        "title": "Unexpected failure",
        "status": 500,
        "detail": "The service failed unexpectedly. Try again; if it fails again, report the request_id.",
        "code": "internal",
        "request_id": "r-1",
    }
    assert "an internal secret" in capsys.readouterr().err
    assert gc.isenabled()  # after a first response that failed, too


async def test_an_unavailable_service_is_a_503_and_its_cause_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    async def away(_: Call) -> Response:
        try:
            raise ConnectionError("the cable was cut")
        except ConnectionError as error:
            raise Unavailable("Firestore") from error

    async with client(away) as caller:
        answered = await caller.get(PATH)
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "5")
    assert "cable" not in answered.text
    assert "the cable was cut" in capsys.readouterr().err


async def test_a_request_that_a_stopping_server_cancels_gets_a_503() -> None:
    begun = asyncio.Event()

    async def patient(_: Call) -> Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("this wait never ends")

    async with client(patient) as caller:
        pending = asyncio.create_task(caller.get(PATH))
        await begun.wait()
        pending.cancel()  # as uvicorn does after its grace period
        answered = await pending
    assert answered.status_code == 503
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.headers["retry-after"].isdecimal()
    assert answered.json()["code"] == "unavailable"
