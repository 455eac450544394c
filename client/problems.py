"""An answer that is not the one hoped for, as a sentence for a person and an exit code for a script."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from client.failures import ExitCode, Failure, Unavailable
from client.identity import ADVICE

EXIT_CODES: Final = {401: ExitCode.NOT_SIGNED_IN, 403: ExitCode.NOT_SIGNED_IN, 404: ExitCode.NOT_FOUND}
PASSING: Final = frozenset({429, 502, 503, 504})


def failure(response: httpx.Response) -> Failure:
    """What an unsuccessful answer means."""
    status = response.status_code
    if response.is_redirect:
        # Identity-Aware Proxy sends who is not signed in to a page made for browsers.
        return Failure(ExitCode.NOT_SIGNED_IN, "The service wants you to sign in.", ADVICE)
    problem = _problem(response)
    said = problem.get("detail") or f"{response.reason_phrase}, without a word of explanation."
    message = f"error {status}: {said}"
    details = [_field(error) for error in problem.get("errors", ())]
    if status in {401, 403}:
        details.append(ADVICE)
    if status >= 500 and "request_id" in problem:
        details.append(f"request id: {problem['request_id']}")
    # Too many active runs is the one 429 of the service itself: it passes when a run ends, not in seconds.
    if status in PASSING and problem.get("code") != "too_many_runs":
        return Unavailable(message, *details, retry_after=retry_after(response))
    if status >= 500:
        return Unavailable(message, *details, worth_repeating=False)
    return Failure(EXIT_CODES.get(status, ExitCode.REFUSED), message, *details)


def unreachable(url: str, error: httpx.TransportError, *, worth_repeating: bool) -> Unavailable:
    """What it means that no answer came."""
    if isinstance(error, httpx.ConnectError):
        return Unavailable(
            f"Nothing answers at {url}.",
            "Start the local service with `make up`, or set HAYSTACK_URL (or --url) to the service's address.",
            f"({error})",
            worth_repeating=worth_repeating,
        )
    return Unavailable(
        f"The connection to {url} broke: {str(error) or type(error).__name__}.", worth_repeating=worth_repeating
    )


def foreign(url: str) -> Unavailable:
    """What it means that the answer is a success, and not ours."""
    return Unavailable(
        f"Something answers at {url}, but not as the HAYSTACK service does.",
        "Check HAYSTACK_URL (or --url); it is the address without /api/v1.",
        worth_repeating=False,
    )


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that an answer asks to wait; None where it does not say, or in a date."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdecimal() else None


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _field(error: Mapping[str, Any]) -> str:
    """One fault of a request: where (`body` and `query` go without saying), and what."""
    where = [str(part) for part in error.get("loc", ())]
    name = ".".join(where[1:] or where)
    return f"{name}: {error.get('msg', '')}"
