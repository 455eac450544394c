"""HTTP connections, and the errors that unsuccessful responses and broken connections stand for."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from haystack_client.errors import (
    HaystackError,
    NotFound,
    NotSignedIn,
    QuestionNotAnswerable,
    RequestRefused,
    TooManyRuns,
    TooManyWaits,
    Unavailable,
)
from haystack_client.identity import ADVICE

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# The pause at the limit of active runs, if the service names none.
BUSY_SECONDS: Final = 30.0
TRANSIENT: Final = frozenset({429, 502, 503, 504})


def connect(url: httpx.URL, transport: httpx.BaseTransport | None, **options: Any) -> httpx.Client:  # noqa: ANN401
    """Return an HTTP client for the host of a URL; the options are those of `httpx.Client`."""
    # A proxy that the environment names cannot reach services on this machine.
    return httpx.Client(transport=transport, trust_env=url.host not in LOOPBACK, **options)


def connect_async(url: httpx.URL, transport: httpx.AsyncBaseTransport | None, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401
    """Return an asynchronous HTTP client for the host of a URL; the options are those of `httpx.AsyncClient`."""
    return httpx.AsyncClient(transport=transport, trust_env=url.host not in LOOPBACK, **options)  # as above


def response_error(response: httpx.Response) -> HaystackError:
    """Return the error that an unsuccessful response stands for."""
    if response.is_redirect:
        # Identity-Aware Proxy redirects callers without a valid token to a sign-in page for browsers.
        return NotSignedIn("The service requires you to sign in.", ADVICE)
    problem = _problem(response)
    error = _error(response, problem)
    error.code, error.request_id = problem.get("code"), problem.get("request_id")
    return error


def connection_error(url: str, error: httpx.TransportError, *, retryable: bool) -> Unavailable:
    """Return the error for a request that got no response."""
    if isinstance(error, httpx.ConnectError):
        return Unavailable(
            f"Nothing answers at {url}.",
            "Start the local service with `make up`, or set HAYSTACK_URL (or --url) to the address of the service.",
            f"({error})",
            retryable=retryable,
        )
    return Unavailable(f"The connection to {url} failed: {reason(error)}.", retryable=retryable)


def foreign_response(url: str) -> Unavailable:
    """Return the error for a successful response that is not one of the HAYSTACK API."""
    return Unavailable(
        f"The server at {url} does not answer like a HAYSTACK service.",
        "Check HAYSTACK_URL (or --url). It is the address without /api/v1.",
        retryable=False,
    )


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds in `Retry-After`, or None if the header is missing or holds a date."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() else None


def reason(error: Exception) -> str:
    """Return what an error says, or its name if it says nothing."""
    return str(error) or type(error).__name__


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _field(error: Mapping[str, Any]) -> str:
    """Describe one invalid field. Its location starts with `body` or `query`, which is left out."""
    location = [str(part) for part in error.get("loc", ())]
    name = ".".join(location[1:] or location)
    return f"{name}: {error.get('msg', '')}"


def _error(response: httpx.Response, problem: Mapping[str, Any]) -> HaystackError:
    status = response.status_code
    detail = problem.get("detail") or f"{response.reason_phrase} (the response gives no details)."
    message = f"error {status}: {detail}"
    details = [_field(error) for error in problem.get("errors", ())]
    if status in {401, 403}:
        return NotSignedIn(message, *details, ADVICE)
    if status >= 500 and "request_id" in problem:
        details.append(f"request id: {problem['request_id']}")
    if problem.get("code") == "too_many_waiting_requests":
        return TooManyWaits(message, retryable=False, retry_after=retry_after(response))
    # Other limits end within seconds, this one when a run ends.
    retryable = status in TRANSIENT and problem.get("code") != "too_many_runs"
    if retryable or status >= 500:
        return Unavailable(message, *details, retryable=retryable, retry_after=retry_after(response))
    if problem.get("code") == "too_many_runs":
        limit = problem.get("limit")
        pause = retry_after(response) or BUSY_SECONDS
        return TooManyRuns(message, limit=limit if isinstance(limit, int) else None, retry_after=pause)
    if problem.get("code") == "question_not_answerable":
        parts = {name: problem[name] for name in ("interpretation", "reasons", "suggestions")}
        return QuestionNotAnswerable(message, **parts)
    return (NotFound if status == 404 else RequestRefused)(message, *details)
