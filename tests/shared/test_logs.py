"""Log lines: one JSON object each, in Cloud Logging's fields, without personal data."""

import json

import pytest

from shared import logs
from shared.logs import Severity


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    content: dict[str, object] = json.loads(written)
    return content


def test_a_line_carries_the_fields_of_the_blocks_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.fields(request_id="r1"), logs.fields(run_id="run_1"):
        logs.log(Severity.WARNING, "something", ms=3)
    assert line(capsys) == {
        "severity": "WARNING",
        "message": "something",
        "request_id": "r1",
        "run_id": "run_1",
        "ms": 3,
    }


def test_fields_end_with_their_block(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.fields(request_id="r1"):
        pass
    logs.log(Severity.INFO, "later")
    assert "request_id" not in line(capsys)


def test_a_line_cannot_be_forged_by_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.log(Severity.INFO, "query", text='x"}\n{"severity": "ERROR"}')
    assert line(capsys)["severity"] == "INFO"


def test_an_error_is_logged_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("inner")
    except ValueError as error:
        logs.log(Severity.ERROR, "it broke", error=error)
    assert "ValueError: inner" in str(line(capsys)["stack_trace"])


def test_a_user_is_a_hash_that_is_the_same_for_the_same_user() -> None:
    assert logs.user_hash("Ada@Example.com") == logs.user_hash("ada@example.com")
    assert "ada" not in logs.user_hash("ada@example.com")
