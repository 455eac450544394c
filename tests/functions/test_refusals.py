"""Every refusal of the contract, with its exact body."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.fields import utc_now
from shared.runs import lifecycle, states
from shared.runs.jobs import failure
from shared.runs.ports import RunDatabase
from shared.runs.states import Actor, FailureReason
from tests.support.builders import lease

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
RUNS = "/api/v1/runs"
NOBODYS = "run_0123456789ab"
VALIDATE = f"{RUNS}/validate-control-strategy"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """One store is enough: a refusal is the same whatever keeps the runs."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


def body(status: int, code: str, detail: str, *errors: tuple[list[object], str, str]) -> dict[str, Any]:
    """A whole problem body; each error is its place, its message and its type."""
    content: dict[str, Any] = {
        "type": f"urn:haystack:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "request-1",
    }
    if status == 422:
        content["errors"] = [{"loc": loc, "msg": msg, "type": kind} for loc, msg, kind in errors]
    return content


def assert_problem(answer: httpx.Response, expected: dict[str, Any]) -> None:
    """The answer is this problem, to the letter."""
    assert answer.json() == expected
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "request-1"


def invalid(field: str, msg: str, kind: str) -> dict[str, Any]:
    """The 422 for one field of a body."""
    return body(422, "invalid_request", f"Correct {field} and send the request again.", (["body", field], msg, kind))


STRATEGIES = "Input should be 'synthetic_control' or 'query_as_control'"
PROVIDERS = "Input should be 'anthropic', 'openai' or 'google_genai'"
BAD_BODIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"query": "too short"}, invalid("query", "String should have at least 10 characters", "string_too_short")),
    ({"query": " " * 30}, invalid("query", "String should have at least 10 characters", "string_too_short")),
    ({}, invalid("query", "Field required", "missing")),
    ({"query": "x" * 2001}, invalid("query", "String should have at most 2000 characters", "string_too_long")),
    ({"query": 12345678901}, invalid("query", "Input should be a valid string", "string_type")),
    ({"query": None}, invalid("query", "Input should be a valid string", "string_type")),
    ({"query": QUESTION, "colour": "red"}, invalid("colour", "Extra inputs are not permitted", "extra_forbidden")),
    ({"query": QUESTION, "control_strategy": "none"}, invalid("control_strategy", STRATEGIES, "enum")),
]
BAD_CREATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"query": QUESTION, "max_iterations": 0},
        invalid("max_iterations", "Input should be greater than or equal to 1", "greater_than_equal"),
    ),
    (
        {"query": QUESTION, "max_iterations": 11},
        invalid("max_iterations", "Input should be less than or equal to 10", "less_than_equal"),
    ),
    (
        {"query": QUESTION, "max_iterations": "3"},
        invalid("max_iterations", "Input should be a valid integer", "int_type"),
    ),
    (
        {"query": QUESTION, "max_iterations": 2.5},
        invalid("max_iterations", "Input should be a valid integer", "int_type"),
    ),
    (
        {"query": QUESTION, "random_seed": True},
        invalid("random_seed", "Input should be a valid integer", "int_type"),
    ),
    (
        {"query": QUESTION, "score_threshold": 11},
        invalid("score_threshold", "Input should be less than or equal to 10", "less_than_equal"),
    ),
    ({"query": QUESTION, "llm_provider": "acme"}, invalid("llm_provider", PROVIDERS, "enum")),
]


@pytest.mark.parametrize("path", [RUNS, VALIDATE])
@pytest.mark.parametrize(("sent", "expected"), BAD_BODIES)
async def test_a_body_that_does_not_fit_is_told_what_to_correct(
    api: httpx.AsyncClient, path: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert_problem(await api.post(path, json=sent), expected)


@pytest.mark.parametrize(("sent", "expected"), BAD_CREATES)
async def test_a_create_out_of_range_is_told_the_range(
    api: httpx.AsyncClient, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert_problem(await api.post(RUNS, json=sent), expected)


async def test_every_fault_of_a_body_is_told_at_once(api: httpx.AsyncClient) -> None:
    answer = await api.post(RUNS, json={"query": "short", "max_iterations": 99, "colour": 1})
    assert answer.json()["detail"] == "Correct colour, max_iterations, query and send the request again."
    assert len(answer.json()["errors"]) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"query=1", b'{"query": "\xff"}', b"\x00"])
async def test_what_is_not_json_is_malformed(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post(RUNS, content=content, headers={"Content-Type": "application/json"})
    expected = body(400, "malformed_json", "The body is not valid JSON. Send one JSON object in UTF-8.")
    assert_problem(answer, expected)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"a question as a string"'])
async def test_json_that_is_no_object_does_not_fit(api: httpx.AsyncClient, content: str) -> None:
    answer = await api.post(RUNS, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Send one JSON object."


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_another_media_type_is_unsupported(api: httpx.AsyncClient, media_type: str) -> None:
    answer = await api.post(RUNS, content=json.dumps({"query": QUESTION}), headers={"Content-Type": media_type})
    detail = "Send the body as JSON, with the header Content-Type: application/json."
    assert_problem(answer, body(415, "media_type_unsupported", detail))


async def test_json_with_a_charset_is_json(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await api.post(VALIDATE, content=json.dumps({"query": QUESTION}), headers=headers)).status_code == 200


async def test_a_body_over_the_limit_is_too_large_announced_or_not(api: httpx.AsyncClient) -> None:
    async def chunks() -> Any:  # noqa: ANN401  # an asynchronous generator, as httpx takes it
        for _ in range(9):
            yield b"x" * 8192

    expected = body(413, "body_too_large", "The body is larger than 64 KiB. Send a shorter one.")
    headers = {"Content-Type": "application/json"}
    assert_problem(await api.post(RUNS, content=b"x" * (64 * 1024 + 1), headers=headers), expected)
    assert_problem(await api.post(RUNS, content=chunks(), headers=headers), expected)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", RUNS, "GET, HEAD, POST"),
        ("PUT", f"{RUNS}/{NOBODYS}", "GET, HEAD"),
        ("GET", f"{RUNS}/{NOBODYS}/cancel", "POST"),
        ("POST", "/api/v1/metadata/datasets", "GET, HEAD"),
        ("POST", "/api/v1/health", "GET, HEAD"),
        ("OPTIONS", VALIDATE, "POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await api.request(method, path)
    detail = f"{method} is not answered here. Use {' or '.join(allow.split(', '))}."
    assert_problem(answer, body(405, "method_not_allowed", detail))
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("method", ["TRACE", "FOO"])
async def test_a_method_that_the_framework_refuses_is_a_405_too(api: httpx.AsyncClient, method: str) -> None:
    answer = await api.request(method, RUNS)
    assert answer.status_code == 405
    assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/metadata/genes", "/api/v1/runs/a/b/c"])
async def test_a_path_that_is_not_ours_says_where_the_api_is(api: httpx.AsyncClient, path: str) -> None:
    detail = "There is nothing at this path. The API is below /api/v1."
    assert_problem(await api.get(path), body(404, "not_found", detail))


def no_such_run(run_id: str) -> dict[str, Any]:
    """The 404 for a run."""
    detail = f"You have no run {run_id}. Check the id, or list your runs."
    return body(404, "run_not_found", detail)


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("GET", "/result"), ("POST", "/cancel")])
@pytest.mark.parametrize("run_id", [NOBODYS, "run_1", "RUN_0123456789AB"])
async def test_an_unknown_run_is_not_found(api: httpx.AsyncClient, method: str, tail: str, run_id: str) -> None:
    assert_problem(await api.request(method, f"{RUNS}/{run_id}{tail}"), no_such_run(run_id))


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("GET", "/result"), ("POST", "/cancel")])
async def test_another_users_run_is_not_found_in_the_same_words(api: httpx.AsyncClient, method: str, tail: str) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    eve = {"X-Goog-Authenticated-User-Email": "accounts.google.com:eve@example.com"}
    assert_problem(await api.request(method, f"{RUNS}/{run_id}{tail}", headers=eve), no_such_run(run_id))
    assert (await api.get(f"{RUNS}/{run_id}")).json()["status"] == "pending"


async def test_a_finished_run_cannot_be_cancelled(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    fault = failure(FailureReason.TIMEOUT)
    await lifecycle.fail(run_id, fault, "It took too long.", actor=Actor.RECONCILER, store=store, clock=utc_now)
    detail = f"Run {run_id} is already failed and cannot be cancelled."
    assert_problem(await api.post(f"{RUNS}/{run_id}/cancel"), body(400, "run_already_finished", detail))


async def test_a_run_that_is_not_done_has_no_result(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    await lease(run_id, store=store, clock=utc_now).begin()
    detail = f"Run {run_id} is running and has no result. Poll /api/v1/runs/{run_id} until it is done."
    assert_problem(await api.get(f"{RUNS}/{run_id}/result"), body(400, "run_not_completed", detail))


def bad_query(field: str, msg: str, kind: str) -> dict[str, Any]:
    """The 422 for one query parameter."""
    detail = f"Correct {field} and send the request again."
    return body(422, "invalid_request", detail, (["query", field], msg, kind))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("page=0", bad_query("page", "Input should be greater than or equal to 1", "greater_than_equal")),
        ("page_size=101", bad_query("page_size", "Input should be less than or equal to 100", "less_than_equal")),
        ("page_size=0", bad_query("page_size", "Input should be greater than or equal to 1", "greater_than_equal")),
        (
            "page=two",
            bad_query("page", "Input should be a valid integer, unable to parse string as an integer", "int_parsing"),
        ),
        (
            "page_token=made-up",
            body(
                422,
                "invalid_page_token",
                "This page_token is not valid for this list. Start again without page_token.",
                (["query", "page_token"], "not a page token of this list", "page_token"),
            ),
        ),
    ],
)
async def test_a_list_that_cannot_be_is_told_what_to_correct(
    api: httpx.AsyncClient, query: str, expected: dict[str, Any]
) -> None:
    assert_problem(await api.get(f"{RUNS}?{query}"), expected)


@pytest.mark.parametrize("wait", ["-1", "31", "soon", ""])
async def test_a_wait_out_of_range_is_refused(api: httpx.AsyncClient, wait: str) -> None:
    answer = await api.get(f"{RUNS}/{NOBODYS}?wait={wait}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "wait"])


@pytest.mark.parametrize(
    "moment",
    ["yesterday", "2026-03-01T12:00:00", "2026-03-01", "0.5", "2026-03-01T12:00:00 02:00", "0001-01-01T00:00:00+14:00"],
)
async def test_a_time_that_is_not_one_of_rfc_3339_or_has_no_zone_is_refused(
    api: httpx.AsyncClient, moment: str
) -> None:
    answer = await api.get(RUNS, params={"created_after": moment})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "created_after"])


async def test_a_state_that_does_not_exist_cannot_be_filtered_by(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{RUNS}?status=asleep")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "status", 0]


async def test_an_unknown_dataset_is_told_the_known_ones(api: httpx.AsyncClient) -> None:
    known = "openproblems, parse_pbmc, small_pbmc, tabula_sapiens"
    expected = body(404, "dataset_not_found", f"There is no dataset atlantis. Known datasets: {known}.")
    for subject in ("perturbations", "cell-types", "datasets"):
        assert_problem(await api.get(f"/api/v1/metadata/{subject}?dataset=atlantis"), expected)


@pytest.mark.parametrize("key", ["", "ü", "a b", "x" * 256])
async def test_a_key_that_is_none_is_refused(api: httpx.AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await api.post(RUNS, json={"query": QUESTION}, headers=headers)
    detail = "Send an Idempotency-Key of 1 to 255 visible ASCII characters, or none."
    fault: tuple[list[object], str, str] = (
        ["header", "Idempotency-Key"],
        "not 1 to 255 visible ASCII characters",
        "idempotency_key",
    )
    assert_problem(answer, body(422, "invalid_request", detail, fault))


async def test_a_key_with_another_body_is_refused(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    await api.post(RUNS, json={"query": QUESTION}, headers=headers)
    answer = await api.post(RUNS, json={"query": QUESTION + " Now?"}, headers=headers)
    detail = "This Idempotency-Key was used with a different request. Use a new key for a new request."
    fault: tuple[list[object], str, str] = (["header", "Idempotency-Key"], "used with another request", "idempotency_key")
    assert_problem(answer, body(422, "idempotency_mismatch", detail, fault))


async def test_too_many_active_runs_are_told_to_wait(api: httpx.AsyncClient, environment: dict[str, str]) -> None:
    assert environment["ENVIRONMENT"] == "development"
    for _ in range(20):
        assert (await api.post(RUNS, json={"query": QUESTION})).status_code == 200
    answer = await api.post(RUNS, json={"query": QUESTION})
    detail = "You have 20 active runs, which is the limit. Wait for one to finish, or cancel one."
    assert_problem(answer, body(429, "too_many_runs", detail))
    assert int(answer.headers["retry-after"]) > 0


def test_the_ids_of_these_tests_are_ids() -> None:
    assert states.RUN_ID.fullmatch(NOBODYS)
