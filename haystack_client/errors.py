"""Errors of the client, and the retry of calls that are safe to repeat.

HaystackError       base class of every error below
├── RequestRefused  the request is invalid, or the service refuses it
│   ├── QuestionNotAnswerable  the service cannot answer the question that was asked
│   └── TooManyRuns            the limit of active runs is reached
├── NotFound        the dataset or the run does not exist, or the run belongs to another user
├── NotSignedIn     the token is missing, not accepted, or cannot be signed
├── Unavailable     the service or a result file cannot be reached, or the response cannot be used
│   └── TooManyWaits           too many requests of the caller wait for changes; the client handles it
└── Interrupted     the user stopped a command with Ctrl-C; only the command line raises it
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")


class HaystackError(Exception):
    """A call or a command failed.

    Attributes:
        exit_code: of the command line; documented in `haystack --help`, and never changed.
        message: one sentence for a person.
        details: further lines, such as the invalid fields and what to do.
        code: the stable error code of the service, such as `run_not_found`; None if it sent none.
        request_id: identifies the request in the log of the service; None if it sent none.
    """

    exit_code: ClassVar[int]
    code: str | None = None
    request_id: str | None = None

    def __init__(self, message: str, *details: str) -> None:
        super().__init__(message, *details)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return "\n".join((self.message, *self.details))


class RequestRefused(HaystackError):
    """The request is invalid, or the service refuses it."""

    exit_code = 2


class QuestionNotAnswerable(RequestRefused):
    """The service cannot answer the question that was asked; nothing was stored and nothing runs.

    Attributes:
        interpretation: how the question was read, as in a run's status.
        reasons: why it cannot be answered, a sentence each.
        suggestions: up to three similar questions that can be answered.
    """

    def __init__(
        self, message: str, *, interpretation: Mapping[str, Any], reasons: Sequence[str], suggestions: Sequence[str]
    ) -> None:
        super().__init__(message, *(f"You could ask: {question}" for question in suggestions))
        self.interpretation = interpretation
        self.reasons = tuple(reasons)
        self.suggestions = tuple(suggestions)


class TooManyRuns(RequestRefused):
    """The limit of active runs is reached; nothing was stored.

    Attributes:
        limit: the number of runs that may be active at once; None if the service does not say it.
        retry_after: the pause that the service asks for, in seconds.
    """

    def __init__(self, message: str, *, limit: int | None, retry_after: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after = retry_after


class NotFound(HaystackError):
    """The dataset or the run does not exist, or the run belongs to another user."""

    exit_code = 3


class NotSignedIn(HaystackError):
    """The token is missing, not accepted, or cannot be signed."""

    exit_code = 4


class Unavailable(HaystackError):
    """The service or a result file cannot be reached, or the response cannot be used.

    Args:
        retryable: whether another attempt may succeed.
        retry_after: the pause that the service asks for, in seconds.
    """

    exit_code = 5

    def __init__(self, message: str, *details: str, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message, *details)
        self.retryable = retryable
        self.retry_after = retry_after


class TooManyWaits(Unavailable):
    """Too many requests of the caller wait for changes; a request that does not wait gets an answer."""


class Interrupted(HaystackError):
    """The user stopped a command with Ctrl-C."""

    exit_code = 130


@dataclass(frozen=True)
class RetryPolicy:
    """How often to repeat a call, and how long to pause in between.

    Attributes:
        pauses: seconds before each further attempt, if the service names no pause; empty for a single attempt.
        longest_pause: the limit in seconds on a pause that the service asks for.
        on_retry: receives a message for a person before each pause.
    """

    pauses: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    longest_pause: float = 30.0
    on_retry: Callable[[str], object] = lambda _: None

    def pause_after(self, error: "Unavailable", pause: float) -> float:
        """Return the seconds to pause after an error, at most `longest_pause`, and report them."""
        seconds = min(pause if error.retry_after is None else error.retry_after, self.longest_pause)
        self.on_retry(f"{error.message} Retrying in {seconds:g} s.")
        return seconds


def retry(attempt: Callable[[], T], policy: RetryPolicy) -> T:
    """Call `attempt`, which must be safe to repeat, until it succeeds or the policy allows no further attempt.

    Raises:
        Unavailable: the error of the last attempt, or the first one that is not retryable.
    """
    for pause in policy.pauses:
        try:
            return attempt()
        except Unavailable as error:
            if not error.retryable:
                raise
            time.sleep(policy.pause_after(error, pause))
    return attempt()
