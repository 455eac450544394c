"""Write logs: one JSON object per line on standard error, with the fields of Cloud Logging.

https://cloud.google.com/logging/docs/structured-logging

Lines contain no personal data: a user appears as a hash of the subject, which owns the runs.
"""

import hashlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_fields: ContextVar[MappingProxyType[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))
_MAX_LENGTH: Final = 8000


class Severity(StrEnum):
    """The severities of Cloud Logging that this service uses."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def user_hash(owner: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of an owner, as runs store it: enough to follow a user."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


@contextmanager
def fields(**values: object) -> Iterator[None]:
    """Add fields to every line that is written inside the block."""
    token = _fields.set(MappingProxyType({**_fields.get(), **values}))
    try:
        yield
    finally:
        _fields.reset(token)


def add(**values: object) -> None:
    """Add fields to every later line of the surrounding `fields` block."""
    _fields.set(MappingProxyType({**_fields.get(), **values}))


def log(severity: Severity, message: str, *, error: BaseException | None = None, **values: object) -> None:
    """Write one line, with the traceback of an error.

    Args:
        message: what happened, as a fixed text; values belong in fields.
    """
    line: dict[str, object] = {"severity": severity.value, "message": message, **_fields.get(), **values}
    if error is not None:
        line["stack_trace"] = "".join(traceback.format_exception(error))[-_MAX_LENGTH:]
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def configure() -> None:
    """Write the warnings and errors of libraries, which use `logging`, as lines of this log; idempotent.

    The server's own handlers go: they write plain text, and a line with the client's address for each request.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler(logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
    for name in ("uvicorn", "google"):
        logging.getLogger(name).propagate = True
    # Google's libraries stop the propagation of their logger, and lose its warnings, unless its level is set.
    logging.getLogger("google").setLevel(logging.WARNING)
    # Uvicorn sets its levels and handlers again if it starts after this call; filters stay.
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).addFilter(_is_warning)


class _LibraryHandler(logging.Handler):
    """Write the records of `logging` with this module's `log`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with the traceback of its exception."""
        try:
            severity = Severity.ERROR if record.levelno >= logging.ERROR else Severity.WARNING
            error = record.exc_info[1] if record.exc_info else None
            log(severity, record.getMessage()[:_MAX_LENGTH], error=error, logger=record.name)
        except Exception:  # noqa: BLE001  # the convention of logging: a broken record must not break its caller
            self.handleError(record)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
