"""Every error of the API has its documented problem body."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import wiring
from shared.errors import (
    DatasetNotFound,
    IdempotencyMismatch,
    InvalidPageToken,
    RunAlreadyFinished,
    RunNotFound,
    TooManyRuns,
)
from shared.fields import utc_now
from shared.http.endpoint import SECURITY_HEADERS
from shared.http.problems import KINDS, SIGNPOST
from shared.runs import lifecycle, states
from shared.runs.jobs import failure_for
from shared.runs.ports import RunDatabase
from shared.runs.states import Actor, FailureReason
from tests.support.builders import lease

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
RUNS = "/api/v1/runs"
UNKNOWN_RUN = "run_0123456789ab"
VALIDATE = f"{RUNS}/validate-control-strategy"


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """Use one store: refusals do not depend on it."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


def body(status: int, code: str, detail: str, *errors: tuple[list[object], object, str]) -> dict[str, Any]:
    """Return a whole problem body; each error is its location, message and type."""
    content: dict[str, Any] = {
        "type": f"https://haystack.example.org/docs/api#{code}",
        "title": KINDS[code].title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "request-1",
    }
    if status == 422:
        content["errors"] = [{"loc": loc, "msg": msg, "type": kind} for loc, msg, kind in errors]
    return content


def assert_problem(answer: httpx.Response, expected: dict[str, Any]) -> None:
    """Check that the response is exactly this problem."""
    assert answer.json() == expected
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "request-1"


def invalid(field: str, msg: str, kind: str) -> dict[str, Any]:
    """Return the 422 for one field of a body."""
    return body(422, "invalid_request", f"Invalid field: {field}.", (["body", field], msg, kind))


STRATEGIES = "Input should be 'synthetic_control' or 'query_as_control'"
PROVIDERS = "Input should be 'anthropic', 'openai' or 'google_genai'"
BAD_BODIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"query": "IL-2"}, invalid("query", "String should have at least 5 characters", "string_too_short")),
    ({"query": " " * 30}, invalid("query", "String should have at least 5 characters", "string_too_short")),
    (
        {"query": "IL-2" + "\u200b\u00ad\u2060\ufeff\u3164" * 6},
        invalid("query", "String should have at least 5 characters", "string_too_short"),
    ),
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
async def test_an_invalid_body_gets_what_to_correct(
    api: httpx.AsyncClient, path: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert_problem(await api.post(path, json=sent), expected)


@pytest.mark.parametrize(("sent", "expected"), BAD_CREATES)
async def test_a_value_out_of_range_gets_the_range(
    api: httpx.AsyncClient, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert_problem(await api.post(RUNS, json=sent), expected)


async def test_all_errors_of_a_body_are_returned_at_once(api: httpx.AsyncClient) -> None:
    answer = await api.post(RUNS, json={"query": "IL-2", "max_iterations": 99, "colour": 1})
    assert answer.json()["detail"] == "Invalid fields: colour, max_iterations, query."
    assert len(answer.json()["errors"]) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"query=1", b'{"query": "\xff"}', b"\x00"])
async def test_what_is_not_json_is_malformed(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post(RUNS, content=content, headers={"Content-Type": "application/json"})
    expected = body(400, "malformed_json", "The body is not valid JSON. Send one JSON object in UTF-8.")
    assert_problem(answer, expected)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"a question as a string"'])
async def test_json_other_than_an_object_is_invalid(api: httpx.AsyncClient, content: str) -> None:
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
        ("PUT", f"{RUNS}/{UNKNOWN_RUN}", "DELETE, GET, HEAD"),
        ("GET", f"{RUNS}/{UNKNOWN_RUN}/cancel", "POST"),
        ("POST", "/api/v1/metadata/datasets", "GET, HEAD"),
        ("POST", "/api/v1/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_gets_the_allowed_ones(api: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    answer = await api.request(method, path)
    detail = f"{method} is not allowed here. Use {' or '.join(allow.split(', '))}."
    assert_problem(answer, body(405, "method_not_allowed", detail))
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("method", ["TRACE", "FOO"])
async def test_a_method_that_the_framework_does_not_know_gets_a_problem_and_the_headers_of_every_response(
    api: httpx.AsyncClient, method: str
) -> None:
    """Regression: the framework answered `FOO /api/v1/runs` in plain text, without security headers or request id."""
    answer = await api.request(method, RUNS)
    detail = f"{method} is not allowed here. Use GET or HEAD or POST."
    assert_problem(answer, body(405, "method_not_allowed", detail))
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert answer.headers.items() >= {name.lower(): value for name, value in SECURITY_HEADERS.items()}.items()
    assert_problem(await api.request(method, "/api/nowhere"), (await api.get("/api/nowhere")).json())


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (RUNS, "GET, HEAD, OPTIONS, POST"),
        (f"{RUNS}/{UNKNOWN_RUN}", "DELETE, GET, HEAD, OPTIONS"),
        (VALIDATE, "OPTIONS, POST"),
        ("/api/v1/health", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_without_an_origin_get_the_allowed_methods(api: httpx.AsyncClient, path: str, allow: str) -> None:
    for headers in ({}, {"Origin": "https://app.example.org"}, {"Access-Control-Request-Method": "POST"}):
        answer = await api.options(path, headers=headers)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allow, b"")


@pytest.mark.parametrize("path", ["/a%0Ab", f"{RUNS}/a%0Ab", "/api/v1/metadata/datasets/a%0Ab"])
async def test_a_path_with_a_line_break_gets_a_problem_and_the_headers_of_every_response(
    api: httpx.AsyncClient, path: str
) -> None:
    """Regression: the framework found no route for it, and answered in plain text."""
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers.items() >= {name.lower(): value for name, value in SECURITY_HEADERS.items()}.items()


async def test_options_of_the_whole_server_get_an_answer_of_the_service(api: httpx.AsyncClient) -> None:
    request = httpx.Request("OPTIONS", "http://service/", extensions={"target": b"*"})
    assert (await api.send(request)).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", RUNS),
        ("GET", RUNS),
        ("POST", VALIDATE),
        ("GET", f"{RUNS}/{UNKNOWN_RUN}"),
        ("GET", f"{RUNS}/{UNKNOWN_RUN}/result"),
        ("POST", f"{RUNS}/{UNKNOWN_RUN}/cancel"),
        ("DELETE", f"{RUNS}/{UNKNOWN_RUN}"),
        ("GET", "/api/v1/metadata/perturbations"),
        ("GET", "/api/v1/metadata/cell-types"),
        ("GET", "/api/v1/metadata/datasets"),
        ("GET", "/api/v1/metadata/datasets/small_pbmc"),
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/health/ready"),
    ],
)
async def test_an_unknown_query_parameter_is_refused_as_an_unknown_field_is(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    """Regression: `?pagesize=5` was ignored, so that a client with a typing error read the wrong page."""
    answer = await api.request(method, f"{path}?pagesize=5&pagesize=6", json={"query": QUESTION})
    error: tuple[list[object], str, str] = (
        ["query", "pagesize"],
        "Extra inputs are not permitted",
        "extra_forbidden",
    )
    assert_problem(answer, body(422, "invalid_request", "Invalid parameter: pagesize.", error))


async def test_links_to_pages_may_have_any_parameters(api: httpx.AsyncClient) -> None:
    assert (await api.get("/?utm_source=mail")).status_code == 200


async def test_a_repeated_query_parameter_is_refused_unless_it_is_a_list(api: httpx.AsyncClient) -> None:
    """Regression: of `?page=1&page=2`, the service took the last, and a proxy may take the first."""
    answer = await api.get(f"{RUNS}?page=1&page=2")
    error: tuple[list[object], str, str] = (["query", "page"], "given more than once", "repeated")
    assert_problem(answer, body(422, "invalid_request", "Invalid parameter: page.", error))
    assert (await api.get(f"{RUNS}?status=failed&status=completed")).status_code == 200


async def test_many_unknown_parameters_get_a_short_answer(api: httpx.AsyncClient) -> None:
    for path in (RUNS, "/api/v1/health"):
        answer = await api.get(f"{path}?" + "&".join(f"{'x' * 200}{number}=1" for number in range(60)))
        assert answer.status_code == 422
        assert len(answer.content) < 6000


def test_each_problem_is_named_by_its_title_which_no_other_has() -> None:
    """Regression: titles were the reason phrases of Python, of which 413 and 422 differ between Python 3.12 and 3.13."""
    titles = [kind.title for kind in KINDS.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("key", ["", "PAGE_TOKEN_KEY"])
async def test_a_forged_page_token_is_refused_with_and_without_a_configured_key(
    api: httpx.AsyncClient, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Regression: without a key, anybody could compute the signature of any content, and `[]` as content was a 500."""
    monkeypatch.setenv("PAGE_TOKEN_KEY", key)
    wiring.replace(None)
    assert environment["ENVIRONMENT"] == "development"
    for content in (b"[]", b"{", b'["2026-11-22T20:34:20.251552Z", "run_0123456789ab", 2, 20]'):
        bound = json.dumps(["dev@example.com", [], None, None]).encode() + b"\n" + content
        mac = hmac.new(b"", bound, hashlib.sha256).digest()[:16]
        token = base64.urlsafe_b64encode(mac + content).decode().rstrip("=")
        answer = await api.get(RUNS, params={"page_token": token})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_page_token")


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v1/metadata/genes", "/api/v1/runs/a/b/c"])
async def test_an_unknown_path_gets_the_path_of_the_api(api: httpx.AsyncClient, path: str) -> None:
    detail = "This path does not exist. The API is under /api/v1." + SIGNPOST
    assert_problem(await api.get(path), body(404, "not_found", detail))


def no_such_run(run_id: str) -> dict[str, Any]:
    """Return the 404 for a run."""
    return body(404, "run_not_found", RunNotFound(run_id).detail + SIGNPOST)


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("GET", "/result"), ("POST", "/cancel"), ("DELETE", "")])
@pytest.mark.parametrize("run_id", [UNKNOWN_RUN, "run_1", "RUN_0123456789AB"])
async def test_an_unknown_run_is_not_found(api: httpx.AsyncClient, method: str, tail: str, run_id: str) -> None:
    assert_problem(await api.request(method, f"{RUNS}/{run_id}{tail}"), no_such_run(run_id))


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("GET", "/result"), ("POST", "/cancel"), ("DELETE", "")])
async def test_another_users_run_is_not_found_in_the_same_words(api: httpx.AsyncClient, method: str, tail: str) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    eve = {"X-Goog-Authenticated-User-Email": "accounts.google.com:eve@example.com"}
    assert_problem(await api.request(method, f"{RUNS}/{run_id}{tail}", headers=eve), no_such_run(run_id))
    assert (await api.get(f"{RUNS}/{run_id}")).json()["status"] == "pending"


async def test_a_finished_run_cannot_be_cancelled(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    timeout = failure_for(FailureReason.TIMEOUT)
    await lifecycle.fail(
        run_id, timeout, "It took too long.", actor=Actor.RECONCILER, release=False, store=store, clock=utc_now
    )
    detail = RunAlreadyFinished(run_id, "failed").detail
    assert_problem(await api.post(f"{RUNS}/{run_id}/cancel"), body(400, "run_already_finished", detail))


async def test_a_run_that_is_not_done_has_no_result(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    await lease(run_id, store=store, clock=utc_now).begin()
    answer = await api.get(f"{RUNS}/{run_id}/result")
    detail = answer.json()["detail"]
    assert_problem(answer, body(400, "run_not_completed", detail))
    assert f"Run {run_id} is running" in detail
    assert f"/api/v1/runs/{run_id}" in detail


def bad_query(field: str, msg: str, kind: str) -> dict[str, Any]:
    """Return the 422 for one query parameter."""
    detail = f"Invalid parameter: {field}."
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
                InvalidPageToken().detail,
                (["query", "page_token"], InvalidPageToken().errors[0]["msg"], "page_token"),
            ),
        ),
    ],
)
async def test_an_invalid_list_query_gets_what_to_correct(
    api: httpx.AsyncClient, query: str, expected: dict[str, Any]
) -> None:
    assert_problem(await api.get(f"{RUNS}?{query}"), expected)


@pytest.mark.parametrize("wait", ["-1", "31", "soon", ""])
async def test_a_wait_out_of_range_is_refused(api: httpx.AsyncClient, wait: str) -> None:
    answer = await api.get(f"{RUNS}/{UNKNOWN_RUN}?wait={wait}")
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


async def test_an_unknown_state_is_refused_as_a_filter(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{RUNS}?status=asleep")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "status", 0]


async def test_an_unknown_dataset_gets_the_known_ones(api: httpx.AsyncClient) -> None:
    known = ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]
    expected = body(404, "dataset_not_found", DatasetNotFound("atlantis", known).detail + SIGNPOST)
    assert ", ".join(known) in expected["detail"]
    for subject in ("perturbations", "cell-types", "datasets"):
        assert_problem(await api.get(f"/api/v1/metadata/{subject}?dataset=atlantis"), expected)


async def test_two_keys_are_refused_even_if_they_are_equal(api: httpx.AsyncClient) -> None:
    for keys in (("a", "b"), ("a", "a"), ('"a"', '"b"')):
        headers = [("Idempotency-Key", key) for key in keys]
        answer = await api.post(RUNS, json={"query": QUESTION}, headers=headers)
        error: tuple[list[object], str, str] = (
            ["header", "Idempotency-Key"],
            "given more than once",
            "idempotency_key",
        )
        assert_problem(answer, body(422, "invalid_request", "Send one Idempotency-Key, not several.", error))


@pytest.mark.parametrize(
    "key", ["", "ü", "a b", "x" * 256, '"', '""', '"a', 'a"', '"a", "b"', '"a";p=1', '"a"b"', '"a\\b"']
)
async def test_an_invalid_key_is_refused(api: httpx.AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await api.post(RUNS, json={"query": QUESTION}, headers=headers)
    detail = "Send an Idempotency-Key of 1 to 255 visible ASCII characters, or none."
    error: tuple[list[object], str, str] = (
        ["header", "Idempotency-Key"],
        "not 1 to 255 visible ASCII characters, with or without quotes around them",
        "idempotency_key",
    )
    assert_problem(answer, body(422, "invalid_request", detail, error))


async def test_a_key_with_another_body_is_refused(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    await api.post(RUNS, json={"query": QUESTION}, headers=headers)
    answer = await api.post(RUNS, json={"query": QUESTION + " Now?"}, headers=headers)
    mismatch = IdempotencyMismatch()
    error: tuple[list[object], object, str] = (
        ["header", "Idempotency-Key"],
        mismatch.errors[0]["msg"],
        "idempotency_key",
    )
    assert_problem(answer, body(422, "idempotency_mismatch", mismatch.detail, error))


async def test_too_many_active_runs_get_the_advice_to_wait(api: httpx.AsyncClient, environment: dict[str, str]) -> None:
    assert environment["ENVIRONMENT"] == "development"
    for _ in range(20):
        assert (await api.post(RUNS, json={"query": QUESTION})).status_code == 200
    answer = await api.post(RUNS, json={"query": QUESTION})
    assert_problem(answer, body(429, "too_many_runs", TooManyRuns(20).detail) | {"limit": 20})
    assert int(answer.headers["retry-after"]) > 0


def test_the_ids_of_these_tests_are_ids() -> None:
    assert states.RUN_ID.fullmatch(UNKNOWN_RUN)
