"""One JSON object a line on standard error, in the fields that Cloud Logging understands.

https://cloud.google.com/logging/docs/structured-logging

No personal data: a user appears as a hash of the e-mail.
"""

import hashlib
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_fields: ContextVar[MappingProxyType[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))
_LONGEST: Final = 8000


class Severity(StrEnum):
    """Cloud Logging's severities that this service uses."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def user_hash(email: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of an e-mail: enough to follow a user, nothing to write to."""
    return hashlib.sha256(email.lower().encode()).hexdigest()[:16]


@contextmanager
def fields(**values: object) -> Iterator[None]:
    """Put fields on every line that is written inside the block."""
    token = _fields.set(MappingProxyType({**_fields.get(), **values}))
    try:
        yield
    finally:
        _fields.reset(token)


def add(**values: object) -> None:
    """Put fields on every later line of the surrounding `fields` block."""
    _fields.set(MappingProxyType({**_fields.get(), **values}))


def log(severity: Severity, message: str, *, error: BaseException | None = None, **values: object) -> None:
    """Write one line.

    Args:
        severity: how bad it is.
        message: what happened, in a sentence without values; values go into fields.
        error: an exception whose trace is written too (to the log only, never to a client).
        values: fields of this line, beside those of the surrounding `fields` blocks.
    """
    line: dict[str, object] = {"severity": severity.value, "message": message, **_fields.get(), **values}
    if error is not None:
        line["stack_trace"] = "".join(traceback.format_exception(error))[-_LONGEST:]
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
