"""Responses have the `Retry-After` of their run and an ETag that `If-None-Match` finds."""

from typing import Any

import pytest
from starlette.requests import Request

from shared.fields import Model
from shared.http.responses import compress, json_response, matches_etag, run_response
from shared.runs.schemas import RunStatus
from shared.runs.states import Phase, RunState


class Content(Model):
    """Any content."""

    text: str = "grounding"


def test_any_of_several_if_none_match_headers_may_name_the_content() -> None:
    etag = json_response(request(), Content()).headers["etag"]
    raw = [(b"if-none-match", value.encode()) for value in ('"other"', etag)]
    for headers in (raw, raw[::-1]):
        assert matches_etag(Request({"type": "http", "method": "GET", "headers": headers}), Content())


def request(method: str = "GET", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw})


@pytest.mark.parametrize(
    ("state", "phase", "seconds"),
    [
        (RunState.PENDING, None, "5"),
        (RunState.RUNNING, None, "2"),
        (RunState.RUNNING, Phase.QUERY_ANALYSIS, "2"),
        (RunState.RUNNING, Phase.INFERENCE, "5"),
        (RunState.RUNNING, Phase.EVALUATION, "3"),
        (RunState.COMPLETED, None, None),
    ],
)
def test_a_run_is_worth_polling_again_after_the_time_of_its_phase(
    state: RunState, phase: Phase | None, seconds: str | None
) -> None:
    fields: dict[str, Any] = {"status": state, "done": state is RunState.COMPLETED, "current_phase": phase}
    response = run_response(request(), RunStatus.model_construct(**fields))
    assert response.headers.get("retry-after") == seconds
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("named", ['"1", {}', "W/{}", "*", '{}, "2"'])
def test_an_etag_is_found_among_others(named: str) -> None:
    etag = json_response(request(), Content()).headers["etag"]
    known = request(if_none_match=named.format(etag))
    assert matches_etag(known, Content())
    assert json_response(known, Content()).status_code == 304
    assert json_response(known, Content(text="another")).status_code == (304 if named == "*" else 200)


def test_a_post_is_never_answered_with_304() -> None:
    assert json_response(request("POST", if_none_match="*"), Content()).status_code == 200


def test_a_list_has_models_and_strings_in_plain_json() -> None:
    response = json_response(request(), [Content(text="IFN-γ"), "PBS"], Cache_Control="private")
    assert bytes(response.body).decode() == '[{"text":"IFN-γ"},"PBS"]'
    assert response.headers["cache-control"] == "private"


@pytest.mark.parametrize(("length", "accepted"), [(2000, "gzip"), (2000, "gzip;q=0"), (2000, ""), (20, "gzip")])
def test_an_unchanged_response_has_the_etag_of_the_whole_one(length: int, accepted: str) -> None:
    content = Content(text="x" * length)
    whole = json_response(request(accept_encoding=accepted), content)
    compress(whole, accepted)
    etag = whole.headers["etag"]
    assert ("-gzip" in etag) == (length == 2000 and accepted == "gzip")
    unchanged = json_response(request(if_none_match=etag, accept_encoding=accepted), content)
    compress(unchanged, accepted)
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, etag)
