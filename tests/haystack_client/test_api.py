"""The Python client: requests, errors and the documented example."""

import asyncio
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import haystack_client
from haystack_client import (
    Client,
    HaystackError,
    NotFound,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    Unavailable,
)
from haystack_client.download import Json
from tests.haystack_client.conftest import QUESTION, ROOT, Haystack, complete, ended

RUN_ID = "run_0123456789ab"


class Service(httpx.MockTransport):
    """A transport that records the requests and answers each with the next response, the last one repeatedly."""

    def __init__(self, *responses: httpx.Response) -> None:
        super().__init__(self._answer)
        self.requests: list[httpx.Request] = []
        self._responses = list(responses)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]

    def client(self) -> Client:
        """Return a client of this service that retries once, without a pause."""
        return Client("https://haystack.example.com", transport=self, retry_policy=RetryPolicy(pauses=(0.0,)))


def answer(content: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=content, headers=headers)


def problem(status: int, code: str) -> httpx.Response:
    content = {"detail": "Explanation.", "code": code, "request_id": "request-1"}
    return httpx.Response(status, json=content, headers={"Content-Type": "application/problem+json"})


async def test_the_documented_example_runs(haystack: Haystack, tmp_path: Path) -> None:
    assert haystack_client.__doc__ is not None
    _, _, rest = haystack_client.__doc__.partition("\n\n    from")
    example = textwrap.dedent("    from" + rest.partition("\n\n`result.genes`")[0])
    environment = {"HAYSTACK_URL": haystack.url, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", example),
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    listed: list[Json] = []
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as http:
        while not listed:
            listed = (await http.get("/api/v1/runs")).json()["runs"]
            await asyncio.sleep(0.1)  # the limit of requests a minute is lower than what a loop can ask
    await complete(listed[0]["run_id"], tmp_path)
    done = await ended(process)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Yes: IFN-gamma is predicted")
    report = tmp_path / "results" / f"{listed[0]['run_id']}_report.html"
    assert str(report.relative_to(tmp_path)) in done.out.splitlines()
    assert report.exists()


def test_submit_sends_the_options_that_have_a_value() -> None:
    service = Service(answer({"run_id": RUN_ID}))
    with service.client() as client:
        client.submit(QUESTION, idempotency_key="key", max_iterations=2, random_seed=None)
    (request,) = service.requests
    assert (request.method, request.url.path) == ("POST", "/api/v1/runs")
    assert request.headers["idempotency-key"] == "key"
    assert request.read() == httpx.Request("POST", "https://x", json={"query": QUESTION, "max_iterations": 2}).read()


def test_each_submission_has_a_new_key_that_its_retries_keep() -> None:
    service = Service(problem(503, "unavailable"), answer({"run_id": RUN_ID}))
    with service.client() as client:
        client.submit(QUESTION)
        client.submit(QUESTION)
    first, retried, second = (request.headers["idempotency-key"] for request in service.requests)
    assert first == retried != second


def test_follow_yields_changes_and_wait_returns_the_last_status() -> None:
    pending, done = {"run_id": RUN_ID, "done": False}, {"run_id": RUN_ID, "done": True}
    service = Service(answer(pending, ETag='"1"'), answer(done, ETag='"2"'))
    with service.client() as client:
        assert list(client.follow(RUN_ID)) == [pending, done]
        assert client.wait(RUN_ID) == done
    tags = [request.headers.get("if-none-match") for request in service.requests]
    assert tags == [None, '"1"', None]


def test_list_runs_follows_page_tokens_up_to_the_limit() -> None:
    def page(count: int, token: str | None) -> httpx.Response:
        return answer(
            {"runs": [{"run_id": RUN_ID}] * count, "total": 250, "page": 1, "page_size": 100, "next_page_token": token}
        )

    service = Service(page(100, "two"), page(20, "three"))
    with service.client() as client:
        listed = client.list_runs(limit=120, status=["failed", "cancelled"])
    assert (len(listed["runs"]), listed["page_size"], listed["total"]) == (120, 120, 250)
    first, second = (request.url.params for request in service.requests)
    assert first.get_list("status") == second.get_list("status") == ["failed", "cancelled"]
    assert (first["page_size"], second["page_size"], second["page_token"]) == ("100", "20", "two")
    assert "page_token" not in first


CALLS: list[Callable[[Client], Any]] = [
    lambda client: client.status(RUN_ID),
    lambda client: client.result(RUN_ID),
    lambda client: client.cancel(RUN_ID),
    lambda client: client.wait(RUN_ID),
    lambda client: client.dataset("nothing"),
    lambda client: client.cell_types("nothing"),
    lambda client: client.perturbations("nothing"),
]


@pytest.mark.parametrize("call", CALLS)
def test_errors_carry_the_code_and_the_request_id(call: Callable[[Client], Any]) -> None:
    with Service(problem(404, "not_found")).client() as client, pytest.raises(NotFound) as caught:
        call(client)
    assert (caught.value.message, caught.value.code) == ("error 404: Explanation.", "not_found")
    assert caught.value.request_id == "request-1"


def test_other_errors_carry_no_code() -> None:
    with (
        Service(httpx.Response(500)).client() as client,
        pytest.raises(Unavailable, match="gives no details") as caught,
    ):
        client.datasets()
    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == (None, None, False)


@pytest.mark.parametrize("run_id", ["", "..", "last", "run_1", f"{RUN_ID}/result", f"{RUN_ID}\n"])
def test_invalid_run_ids_are_refused_before_a_request_is_sent(run_id: str) -> None:
    service = Service(answer({}))
    with service.client() as client, pytest.raises(RequestRefused, match="not a valid run id"):
        client.status(run_id)
    assert not service.requests


def test_names_are_quoted() -> None:
    service = Service(answer({}))
    with service.client() as client:
        client.dataset("../runs?x")
    assert service.requests[0].url.raw_path == b"/api/v1/metadata/datasets/..%2Fruns%3Fx"


def test_a_connection_is_retried_only_after_the_service_has_answered() -> None:
    attempts: list[int] = []

    def refuse(_: httpx.Request) -> httpx.Response:
        attempts.append(1)
        if len(attempts) == 2:
            return answer([])
        raise httpx.ConnectError("refused")

    retry_policy = RetryPolicy(pauses=(0.0, 0.0))
    with Client(transport=httpx.MockTransport(refuse), retry_policy=retry_policy) as client:
        with pytest.raises(Unavailable, match="Nothing answers"):
            client.datasets()
        assert len(attempts) == 1
        assert client.datasets() == []
        with pytest.raises(HaystackError, match="Nothing answers"):
            client.datasets()
    assert len(attempts) == 5


def test_downloads_use_the_transport_too(tmp_path: Path) -> None:
    service = Service(httpx.Response(200, content=b"123456789"))
    file = {"name": "a.txt", "size": 9, "crc32c": "4waSgw==", "url": "https://storage.example.com/a.txt"}
    with service.client() as client:
        path = client.download(file, str(tmp_path))
    assert path.read_bytes() == b"123456789"
    assert service.requests[0].url.host == "storage.example.com"


def test_a_refused_question_carries_how_it_was_read_and_what_to_ask_instead() -> None:
    content = {
        "detail": "No atlas has a knockout of IFNGR1.",
        "code": "question_not_answerable",
        "request_id": "request-1",
        "interpretation": {"answerable": False},
        "reasons": ["No atlas has a knockout of IFNGR1."],
        "suggestions": [QUESTION],
    }
    headers = {"Content-Type": "application/problem+json"}
    service = Service(httpx.Response(422, json=content, headers=headers))
    with service.client() as client, pytest.raises(QuestionNotAnswerable) as caught:
        client.submit("IFNGR1 knockout in monocytes")
    error = caught.value
    assert (error.interpretation, error.reasons, error.suggestions, error.code) == (
        {"answerable": False},
        ("No atlas has a knockout of IFNGR1.",),
        (QUESTION,),
        "question_not_answerable",
    )
    assert str(error) == f"error 422: No atlas has a knockout of IFNGR1.\nYou could ask: {QUESTION}"


def test_lists_of_names_are_read_page_by_page() -> None:
    following = '</api/v1/metadata/perturbations?page=2>; rel="next"'
    service = Service(answer([{"name": "A"}], Link=following), answer([{"name": "B"}]))
    with service.client() as client:
        assert client.perturbations("small") == [{"name": "A"}, {"name": "B"}]
    assert [request.url.query.decode() for request in service.requests] == ["dataset=small", "dataset=small&page=2"]


@pytest.mark.parametrize(("everything", "query"), [(False, "dataset=small"), (True, "dataset=small&all=true")])
def test_lists_of_names_are_complete_only_on_request(everything: bool, query: str) -> None:
    service = Service(answer([]))
    with service.client() as client:
        client.perturbations("small", everything=everything)
        client.cell_types("small", everything=everything)
    assert [request.url.query.decode() for request in service.requests] == [query, query]
