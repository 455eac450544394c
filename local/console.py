"""The log of `make up` for people: the time, and one line for each event, made from the JSON lines of the functions."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TextIO

from shared.routes import PAGES

# Fields that a line for people shows in other words, or leaves out.
LEFT_OUT: Final = frozenset({"severity", "message", "request_id", "function", "user", "stack_trace"})
# What happened to a job, by the state that Batch reports.
JOB_EVENTS: Final[Mapping[str, str]] = {
    "RUNNING": "started",
    "SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "was cancelled",
}


class Console(io.TextIOBase):
    """A stream that writes each line with the time, and the JSON lines of the functions in words.

    Args:
        stream: where the lines go.
        now: returns the local time.
    """

    def __init__(self, stream: TextIO, now: Callable[[], datetime]) -> None:
        self._stream = stream
        self._now = now
        self._rest = ""

    def write(self, text: str) -> int:
        """Write the lines that are complete, and keep the rest."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            words = readable(line)
            if words is not None:
                self._stream.write(f"{self._now():%H:%M:%S} {words}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream; an incomplete line stays."""
        self._stream.flush()

    def finish(self) -> None:
        """Write the rest as a line."""
        if self._rest:
            self.write("\n")

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()


@contextmanager
def readable_stderr() -> Iterator[None]:
    """Write standard error for people inside the block."""
    before = sys.stderr
    console = Console(before, lambda: datetime.now().astimezone())
    sys.stderr = console
    try:
        yield
    finally:
        sys.stderr = before
        console.finish()


def readable(line: str) -> str | None:
    """Return a line of the log in words, or None if nobody needs it: a request for a page, or of reconcile that found nothing wrong.

    A line that is not JSON, such as a part of a traceback, stays as it is.
    """
    entry = _entry(line)
    if entry is None:
        return line
    if entry["message"] == "request":
        return _request(entry)
    values = " ".join(f"{name}={value}" for name, value in entry.items() if name not in LEFT_OUT)
    trace = f"\n{entry['stack_trace'].rstrip()}" if "stack_trace" in entry else ""
    return f"{entry.get('severity', 'INFO').lower()}: {entry['message']}{' ' * bool(values)}{values}{trace}"


def job_event(attributes: Mapping[str, str], log: Callable[[str], object]) -> str | None:
    """Return a line about a job that started, ended or failed, from the attributes of its notification; None for other states.

    Args:
        log: returns the file with the output of a job, by the job's id.
    """
    event = JOB_EVENTS.get(attributes["NewJobState"])
    if event is None:
        return None
    job_id = attributes["JobName"].rpartition("/")[2]
    output = f"; its output is in {log(job_id)}" if event == "failed" else ""
    return f"job {job_id} {event}{output}"


def _entry(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "message" in entry else None


def _request(entry: Mapping[str, Any]) -> str | None:
    status = entry.get("status", 0)
    # A page is a dozen files, and the browser shows which of them it misses.
    quiet_below = {"reconcile": 400, PAGES.function: 500}
    if status < quiet_below.get(str(entry.get("function")), 0):
        return None
    path = str(entry.get("route", "an unknown path"))
    for name, value in entry.items():
        path = path.replace(f"{{{name}}}", str(value))
    return f"{entry.get('method')} {path}: {status} in {entry.get('ms', 0):.0f} ms"
