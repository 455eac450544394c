"""The operations of the HTTP API as steps, so that the synchronous and the asynchronous client share everything but the waiting.

An operation is a generator: it yields requests and pauses, is sent the responses, and returns its result. `haystack_client.api` performs
the steps of `Client`, and `haystack_client.asynchronous` those of `AsyncClient`.

Every request is safe to repeat: reads change nothing, a submission carries an Idempotency-Key, and cancelling twice gives the same
response. So operations retry after lost responses and while the service is busy, a limited number of times.
"""

import re
import time
from collections.abc import Generator, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from haystack_client.download import Json
from haystack_client.errors import RequestRefused, RetryPolicy, TooManyWaits, Unavailable
from haystack_client.questions import OPTIONS
from haystack_client.transport import LOOPBACK, connection_error, foreign_response, response_error, retry_after

RUNS: Final = "/api/v1/runs"
METADATA: Final = "/api/v1/metadata"
RUN_ID: Final = re.compile(r"run_[0-9a-f]{12}")
TIMEOUT_SECONDS: Final = 30.0
LARGEST_PAGE: Final = 100
# How long the service may hold a status request until the run changes.
WAIT_SECONDS: Final = 20

T = TypeVar("T")


class Send(NamedTuple):
    """A request; the generator is sent the response, or the error of the network or of the identity is thrown into it."""

    method: str
    path: str
    options: Mapping[str, Any]


class Pause(NamedTuple):
    """A pause; the generator is sent None."""

    seconds: float


Step = Send | Pause
Steps = Generator[Step, Any, T]


class Operations:
    """The operations of one service.

    Args:
        url: the address of the service, without a slash at its end.
        retry_policy: how often to repeat a request while the service is unavailable.

    Raises:
        RequestRefused: the URL is invalid, or the identity token would travel unencrypted.
    """

    def __init__(self, url: str, identity: httpx.Auth | None, retry_policy: RetryPolicy) -> None:
        self.url = url
        self.address = address(url)
        self._retry_policy = retry_policy
        self._has_answered = False
        if identity is not None and self.address.scheme == "http" and self.address.host not in LOOPBACK:
            raise RequestRefused(f"The identity token is not sent to {url} unencrypted. Use https.")
        headers = {"User-Agent": "haystack-client", "Accept": "application/json"}
        self.connection = {
            "base_url": self.address,
            "headers": headers,
            "auth": identity,
            "timeout": TIMEOUT_SECONDS,
        }

    def submit(self, query: str, idempotency_key: str | None, options: Mapping[str, object]) -> Steps[Json]:
        """Submit a question."""
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return self._object("POST", RUNS, json=_given(query=query, **options), headers=headers)

    def validate(self, query: str, control_strategy: str | None) -> Steps[Json]:
        """Read a question without running it."""
        request = _given(query=query, control_strategy=control_strategy)
        return self._object("POST", f"{RUNS}/validate-control-strategy", json=request)

    def status(self, run_id: str) -> Steps[Json]:
        """Read the status of a run."""
        return self._object("GET", _run_path(run_id))

    def result(self, run_id: str) -> Steps[Json]:
        """Read the result of a run."""
        return self._object("GET", _run_path(run_id) + "/result")

    def cancel(self, run_id: str) -> Steps[Json]:
        """Cancel a run."""
        return self._object("POST", _run_path(run_id) + "/cancel")

    def delete(self, run_id: str) -> Steps[Json]:
        """Delete a finished run and its files."""
        return self._object("DELETE", _run_path(run_id))

    def retry(self, run_id: str) -> Steps[Json]:
        """Submit the question of a run again, with the same options."""
        run = yield from self.status(run_id)
        # A service from before these were in the status uses its defaults for those that are missing.
        options = {name: run.get(name) for name in OPTIONS} | {"notify": _notify(run.get("notifications") or [])}
        return (yield from self.submit(run["query"], None, options))

    def list_runs(self, limit: int | None, filters: Mapping[str, object]) -> Steps[Json]:
        """Read the runs of the caller, page by page, as one page."""
        runs: list[Json] = []
        token: str | None = None
        while True:
            # A page token is valid for other page sizes, but not for other filters.
            size = LARGEST_PAGE if limit is None else min(limit - len(runs), LARGEST_PAGE)
            page = yield from self._object("GET", RUNS, params=_given(**filters, page_size=size, page_token=token))
            runs += page["runs"]
            token = page["next_page_token"]
            if not token or (limit is not None and len(runs) >= limit):
                return {**page, "runs": runs, "page": 1, "page_size": len(runs)}

    def dataset(self, name: str) -> Steps[Json]:
        """Read what the catalog records about a dataset."""
        return self._object("GET", f"{METADATA}/datasets/{quote(name, safe='')}")

    def names(self, subject: str, dataset: str | None = None, *, everything: bool = False) -> Steps[list[Any]]:
        """Read a list of the catalog, page by page."""
        found: list[Any] = []
        for page in count(1):
            params = _given(dataset=dataset, all=everything or None, page=None if page == 1 else page)
            response = yield from self.request("GET", f"{METADATA}/{subject}", params=params)
            found += self.content(response, list)
            if "next" not in response.links:
                break
        return found

    def following(self, run_id: str) -> "Following":
        """Follow the changes of a run."""
        return Following(self, _run_path(run_id))

    def _object(self, method: str, path: str, **options: Any) -> Steps[Json]:  # noqa: ANN401  # passed on to httpx
        response = yield from self.request(method, path, **options)
        return self.content(response, dict)

    def request(self, method: str, path: str, **options: Any) -> Steps[httpx.Response]:  # noqa: ANN401  # as above
        """Send a request, and repeat it as the retry policy allows."""
        for pause in self._retry_policy.pauses:
            try:
                return (yield from self._attempt(method, path, **options))
            except Unavailable as error:
                if not error.retryable:
                    raise
                yield Pause(self._retry_policy.pause_after(error, pause))
        return (yield from self._attempt(method, path, **options))

    def _attempt(self, method: str, path: str, **options: Any) -> Steps[httpx.Response]:  # noqa: ANN401  # as above
        try:
            response: httpx.Response = yield Send(method, path, options)
        except httpx.TransportError as error:
            # A service that has never answered is probably not running; one that has may come back.
            absent = isinstance(error, httpx.ConnectError) and not self._has_answered
            raise connection_error(self.url, error, retryable=not absent) from error
        self._has_answered = True
        if not response.is_success and response.status_code != 304:
            raise response_error(response)
        return response

    def content(self, response: httpx.Response, kind: type[T]) -> T:
        """Return the JSON of a response, which must be of this kind."""
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, kind):
            raise foreign_response(self.url)
        return content


def _notify(notifications: Sequence[Json]) -> Json | None:
    """Return the field `notify` of the request that asked for these notifications, or None for none."""
    webhook = next((each["webhook"] for each in notifications if each["channel"] == "webhook"), None)
    email = any(each["channel"] == "email" for each in notifications)
    return notify(webhook, email)


def notify(webhook: str | None, email: bool) -> Json | None:
    """Return the field `notify` of a request, or None for no notification."""
    return {"webhook": webhook, "email": email} if webhook or email else None


class Following:
    """The changes of one run; `done` is true after the last."""

    def __init__(self, operations: Operations, path: str) -> None:
        self._operations = operations
        self._path = path
        self._tag: str | None = None
        self.done = False

    def change(self, within: float | None = None) -> Steps[Json | None]:
        """Return the status of the run the first time, and its next change after that.

        Args:
            within: give up after about this many seconds and return None; None: wait as long as it takes.
        """
        deadline = None if within is None else time.monotonic() + within
        while True:
            run = yield from self._next()
            if run is not None:
                self.done = run["done"]
                return run
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def _next(self) -> Steps[Json | None]:
        # The service answers the first request at once, and holds later ones until the run changes.
        wait = WAIT_SECONDS if self._tag else 0
        began = time.monotonic()
        headers = {"If-None-Match": self._tag} if self._tag else {}
        options = {"params": {"wait": wait}, "headers": headers, "timeout": TIMEOUT_SECONDS + wait}
        try:
            response = yield from self._operations.request("GET", self._path, **options)
        except TooManyWaits:  # for example because a program waits for many runs
            response = yield from self._operations.request("GET", self._path, headers=headers)
        held = time.monotonic() - began >= WAIT_SECONDS
        changed = response.status_code != 304
        run = self._operations.content(response, dict) if changed else None
        self._tag = response.headers.get("etag")
        if (run is None or not run["done"]) and (self._tag is None or not (changed or held)):
            # The service did not hold the request, so pause here.
            yield Pause(retry_after(response) or 1.0)
        return run


def _given(**fields: object) -> Any:  # noqa: ANN401  # httpx accepts narrower types
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _run_path(run_id: str) -> str:
    if not RUN_ID.fullmatch(run_id):
        message = f"`{run_id}` is not a valid run id. A run id looks like run_0123456789ab."
        raise RequestRefused(message, "The command line also accepts `last` for your newest run.")
    return f"{RUNS}/{run_id}"


def address(url: str) -> httpx.URL:
    """Return the address of a service.

    Raises:
        RequestRefused: it is not an address of HTTP.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise RequestRefused(f"`{url}` is not the address of a service. It must start with http:// or https://.")
    return parsed
