"""Log lines are JSON objects with Cloud Logging's fields and without personal data, also those of libraries."""

import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
from google.api_core.client_logging import setup_logging

from shared import logs
from shared.logs import Severity


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    (only,) = lines(capsys)
    return only


@pytest.fixture
def configured() -> Iterator[None]:
    """Configure the log, and take its handler away again."""
    root = logging.getLogger()
    before = [*root.handlers]
    logs.configure()
    yield
    root.handlers[:] = before


def test_a_line_has_the_fields_of_the_surrounding_blocks(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_logged_value_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.log(Severity.INFO, "query", text='x"}\n{"severity": "ERROR"}')
    assert line(capsys)["severity"] == "INFO"


def test_an_error_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("inner")
    except ValueError as error:
        logs.log(Severity.ERROR, "it broke", error=error)
    assert "ValueError: inner" in str(line(capsys)["stack_trace"])


def test_a_user_is_a_hash_that_is_the_same_for_the_same_user_and_no_other() -> None:
    """Regression: letters changed their case once more, so that the Kelvin sign had the hash of a "k"."""
    assert logs.user_hash("accounts.google.com:1") == logs.user_hash("accounts.google.com:1")
    assert logs.user_hash("\u212aim@example.com") != logs.user_hash("kim@example.com")
    assert "ada" not in logs.user_hash("ada@example.com")


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", ["google.auth", "urllib3.connectionpool", "grpc", "uvicorn.error", "any.other"])
@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (logging.DEBUG, None),
        (logging.INFO, None),
        (logging.WARNING, "WARNING"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "ERROR"),
    ],
)
def test_a_warning_of_a_library_is_a_line_with_the_fields_of_its_request(
    name: str, level: int, severity: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with logs.fields(request_id="r1"):
        logging.getLogger(name).log(level, "retrying %s\n%s", "one", "two")
    expected = {"severity": severity, "message": "retrying one\ntwo", "request_id": "r1", "logger": name}
    assert lines(capsys) == ([expected] if severity else [])


@pytest.mark.parametrize("steps", [(logs.configure, setup_logging), (setup_logging, logs.configure)])
def test_googles_libraries_cannot_hide_their_warnings(
    steps: tuple[Callable[[], None], ...], configured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    google = logging.getLogger("google")
    google.setLevel(logging.NOTSET)  # as before its first configuration
    google.propagate = True
    for step in steps:
        step()
    logging.getLogger("google.api_core").warning("retrying")
    assert line(capsys)["message"] == "retrying"


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", ["uvicorn.access", "uvicorn.error"])
def test_the_servers_information_is_not_written_even_with_its_own_handlers(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The access log has the addresses of clients."""
    server = logging.getLogger(name)
    server.addHandler(logging.StreamHandler(sys.stderr))
    server.setLevel(logging.INFO)
    server.info('203.0.113.7:1 - "GET / HTTP/1.1" 200')
    server.handlers.clear()
    server.setLevel(logging.NOTSET)
    assert capsys.readouterr().err == ""


def test_the_servers_own_handlers_go(capsys: pytest.CaptureFixture[str], configured: None) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(sys.stderr))
    logs.configure()
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert line(capsys)["logger"] == "uvicorn.error"


@pytest.mark.usefixtures("configured")
def test_an_exception_that_a_library_logs_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger("library").exception("it broke")
    written = line(capsys)
    assert (written["severity"], written["message"]) == ("ERROR", "it broke")
    assert "ValueError: inner" in str(written["stack_trace"])


@pytest.mark.usefixtures("configured")
def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    filters = [*logging.getLogger("uvicorn.access").filters]
    logs.configure()
    logging.getLogger("library").warning("once")
    assert len(lines(capsys)) == 1
    assert logging.getLogger("uvicorn.access").filters == filters


def test_a_record_that_cannot_be_formatted_does_not_break_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    library = logging.getLogger("library.apart")
    library.propagate = False  # pytest's handlers raise
    library.addHandler(logs._LibraryHandler())
    library.warning("%d", "not a number")
    assert "not a number" in capsys.readouterr().err
