"""The log of `make up` for people."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest

from local.console import Console, job_event, readable, readable_stderr

REQUEST = {
    "severity": "INFO", "message": "request", "request_id": "r", "function": "status", "route": "/api/v1/runs/{run_id}",
    "run_id": "run_0123456789ab", "user": "u", "method": "GET", "status": 200, "ms": 1.6,
}  # fmt: skip


def line(**changes: object) -> str:
    return json.dumps(REQUEST | changes)


def test_every_line_has_the_time_and_requests_are_short() -> None:
    stream = io.StringIO()
    console = Console(stream, lambda: datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC))
    print("local: ready", file=console)
    console.write(line()[:20])
    console.write(line()[20:] + "\nTraceback")
    console.finish()
    console.finish()
    console.flush()
    assert stream.getvalue().splitlines() == [
        "12:30:05 local: ready",
        "12:30:05 GET /api/v1/runs/run_0123456789ab: 200 in 2 ms",
        "12:30:05 Traceback",
    ]
    assert not console.isatty()


def test_a_sweep_that_did_nothing_is_not_logged() -> None:
    sweep = {"function": "reconcile", "route": "/api/v1/reconcile", "method": "POST"}
    assert readable(line(**sweep)) is None
    assert readable(line(**sweep, status=503)) == "POST /api/v1/reconcile: 503 in 2 ms"


def test_files_of_the_page_are_not_logged() -> None:
    page = {"function": "web", "route": "/{path}"}
    assert readable(line(**page)) is None
    assert readable(line(**page, status=404)) is None
    assert readable(line(**page, status=500)) == "GET /{path}: 500 in 2 ms"


def test_other_events_keep_their_fields_and_the_traceback() -> None:
    entry = {"severity": "ERROR", "message": "Batch rejected a job", "run_id": "run_1", "stack_trace": "a\nb\n"}
    assert readable(json.dumps(entry)) == "error: Batch rejected a job run_id=run_1\na\nb"
    assert readable(json.dumps({"message": "hello"})) == "info: hello"


@pytest.mark.parametrize("text", ["", "{not JSON", "[1]", '{"a": 1}'])
def test_a_line_that_is_no_event_stays_as_it_is(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("RUNNING", "job haystack-1-1 started"),
        ("SUCCEEDED", "job haystack-1-1 ended"),
        ("FAILED", "job haystack-1-1 failed; its output is in jobs/haystack-1-1.log"),
        ("CANCELLED", "job haystack-1-1 was cancelled"),
        ("SCHEDULED", None),
    ],
)
def test_a_job_gets_a_line_when_it_starts_ends_or_fails(state: str, expected: str | None) -> None:
    attributes = {"JobName": "projects/p/locations/r/jobs/haystack-1-1", "NewJobState": state}
    assert job_event(attributes, lambda job_id: f"jobs/{job_id}.log") == expected


def test_standard_error_is_readable_only_inside_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    with readable_stderr():
        sys.stderr.write("inside\n")
    sys.stderr.write("after\n")
    inside, after = capsys.readouterr().err.splitlines()
    assert (inside[8:], after) == (" inside", "after")
