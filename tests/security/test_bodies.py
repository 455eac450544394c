"""No body breaks a function: an invalid body gets a problem that says why, and never a 5xx."""

import gzip
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.http.problems import MAX_ERRORS
from shared.http.requests import MAX_BODY_BYTES
from tests.security.conftest import QUESTION, RUNS, VALIDATE

JSON = {"Content-Type": "application/json"}
BOTH = (RUNS, VALIDATE)


def with_member(member: str) -> bytes:
    """Return a valid body with one more member, in exactly this spelling."""
    return f'{{"query": "{QUESTION}", {member}}}'.encode()


async def refusal(api: httpx.AsyncClient, path: str, content: bytes, **headers: str) -> dict[str, Any]:
    """Return the problem that a body gets."""
    answer = await api.post(path, content=content, headers=JSON | headers)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


NOT_JSON = {
    "thirty thousand open lists": b"[" * 30_000,
    "thirty thousand lists": b"[" * 30_000 + b"]" * 30_000,
    "ten thousand objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a deep list for the question": b'{"query":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a deep list for something unknown": with_member('"a":' + "[" * 20_000 + "]" * 20_000),
    "a number of five thousand digits": with_member('"random_seed": 1' + "0" * 5000),
    "a byte that is no UTF-8": with_member('"llm_model": "a"').replace(b'"a"', b'"\xff"'),
    "an overlong slash": with_member('"llm_model": "a"').replace(b'"a"', b'"\xc0\xaf"'),
    "half a character in UTF-8": with_member('"llm_model": "a"').replace(b'"a"', b'"\xed\xa0\x80"'),
    "half a character by its code": with_member(r'"llm_model": "\ud800"'),
    "half a character in a name": with_member(r'"\udfff": 1'),
    "a bare null byte": with_member('"llm_model": "\0"'),
    "UTF-16": json.dumps({"query": QUESTION}).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps({"query": QUESTION}).encode(),
    "two documents": b"{}{}",
    "gzip that does not say so": gzip.compress(json.dumps({"query": QUESTION}).encode()),
}


async def test_a_body_that_is_not_json_in_utf_8_is_malformed(api: httpx.AsyncClient) -> None:
    for what, content in NOT_JSON.items():
        for path in BOTH:
            problem = await refusal(api, path, content)
            assert (problem["status"], problem["code"]) == (400, "malformed_json"), what


@pytest.mark.parametrize("field", ["random_seed", "max_iterations", "score_threshold"])
async def test_a_number_beyond_all_bounds_is_out_of_range(api: httpx.AsyncClient, field: str) -> None:
    for number in ("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1e300", "1" + "0" * 4000):
        problem = await refusal(api, RUNS, with_member(f'"{field}": {number}'))
        assert (problem["status"], [error["loc"] for error in problem["errors"]]) == (422, [["body", field]]), number


async def test_a_number_beyond_all_bounds_in_the_query_is_refused_too(api: httpx.AsyncClient) -> None:
    for query in ("page=1" + "0" * 5000, "page_size=NaN", "page=1e999", "created_after=1e999"):
        assert (await api.get(f"{RUNS}?{query}")).status_code == 422, query
    for wait in ("1e999", "NaN", "9" * 5000):
        assert (await api.get(f"{RUNS}/run_0123456789ab?wait={wait}")).status_code == 422, wait


async def test_a_repeated_member_is_refused_since_readers_differ_on_which_counts(
    api: httpx.AsyncClient,
) -> None:
    for path in BOTH:
        problem = await refusal(api, path, with_member(f'"query": "{QUESTION} Really?"'))
        assert (problem["status"], problem["code"]) == (422, "invalid_request")
        assert problem["errors"] == [{"loc": ["body", "query"], "msg": "given more than once", "type": "repeated"}]
    assert (await api.get(RUNS)).json()["total"] == 0


async def test_a_repeated_member_inside_another_is_refused(api: httpx.AsyncClient) -> None:
    deep = '{"a": 1, "a": ' + "[" * 150 + "9" * 4000 + "]" * 150 + "}"
    problem = await refusal(api, RUNS, f'{{"query": {deep}, "query": "{QUESTION}"}}'.encode())
    assert problem["errors"][0]["type"] == "repeated"


async def test_a_question_has_no_control_characters(api: httpx.AsyncClient) -> None:
    for control in ("\0", "\x07", "\x0c", "\x1b[2J", "\x7f", "\x85", "\x9b31m"):
        for path in BOTH:
            problem = await refusal(api, path, json.dumps({"query": QUESTION + control + "!"}).encode())
            assert [error["type"] for error in problem["errors"]] == ["control_character"], control


async def test_a_question_keeps_its_tabs_and_line_ends(api: httpx.AsyncClient) -> None:
    typed = "How would CD14\tmonocytes\r\nrespond to IFN-gamma?"
    assert (await api.post(RUNS, json={"query": typed})).json()["query"] == typed


async def test_a_compressed_body_is_not_decompressed(api: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < MAX_BODY_BYTES
    for coding in ("gzip", "deflate", "br", "gzip, identity", "x"):
        answer = await api.post(RUNS, content=bomb, headers={**JSON, "Content-Encoding": coding})
        assert (answer.status_code, answer.json()["code"]) == (415, "media_type_unsupported")
        assert answer.headers["accept-encoding"] == "identity"


async def test_the_coding_identity_is_accepted(api: httpx.AsyncClient) -> None:
    answer = await api.post(VALIDATE, json={"query": QUESTION}, headers={"Content-Encoding": "Identity"})
    assert answer.status_code == 200


async def test_a_body_with_many_errors_gets_a_shorter_response(api: httpx.AsyncClient) -> None:
    content = json.dumps({f"{i}{'x' * 200}": 1 for i in range(250)}).encode()
    answer = await api.post(RUNS, content=content, headers=JSON)
    assert len(answer.json()["errors"]) == MAX_ERRORS
    assert "and more" in answer.json()["detail"]
    assert len(answer.content) < len(content) / 5


async def test_an_announced_length_over_the_limit_is_too_large(api: httpx.AsyncClient) -> None:
    for length in ("9" * 5000, "99999999999999999999", str(MAX_BODY_BYTES + 1)):
        assert (await refusal(api, RUNS, b"{}", **{"Content-Length": length}))["status"] == 413


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["query", "random_seed"]), inner),
    max_leaves=8,
)
GOOD = json.dumps({"query": QUESTION, "control_strategy": "query_as_control", "random_seed": 1}).encode()


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """Draw a valid body with a replaced part."""
    start, end = sorted((draw(st.integers(0, len(GOOD))), draw(st.integers(0, len(GOOD)))))
    return GOOD[:start] + draw(st.binary(max_size=20)) + GOOD[end:]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([RUNS, VALIDATE]),
    content=st.binary(max_size=300) | nearly_good() | VALUES.map(json.dumps).map(lambda text: text.encode()),
    media_type=st.sampled_from(["application/json"] * 8 + ["application/json;charset=\xff", "", "\0", "text/html"]),
)
async def test_no_body_gets_a_5xx(api: httpx.AsyncClient, path: str, content: bytes, media_type: str) -> None:
    answer = await api.post(path, content=content, headers={b"Content-Type": media_type.encode("latin-1")})
    assert answer.status_code in {200, 400, 415, 422}
    assert answer.json()
