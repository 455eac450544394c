"""The HTTP API of the service, one method per operation.

Every call is safe to repeat: reads change nothing, a submission carries an Idempotency-Key, and cancelling twice gives the same
response. So the client retries after lost responses and while the service is busy, a limited number of times.
"""

import os
import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from haystack_client.download import Json, OnProgress, download
from haystack_client.errors import RequestRefused, RetryPolicy, retry
from haystack_client.identity import from_environment
from haystack_client.transport import LOOPBACK, connect, connection_error, foreign_response, response_error, retry_after

LOCAL_URL: Final = "http://127.0.0.1:8080"
RUNS: Final = "/api/v1/runs"
METADATA: Final = "/api/v1/metadata"
RUN_ID: Final = re.compile(r"run_[0-9a-f]{12}")
TIMEOUT_SECONDS: Final = 30.0
LARGEST_PAGE: Final = 100
# How long the service may hold a status request until the run changes.
WAIT_SECONDS: Final = 20
RETRY_POLICY: Final = RetryPolicy()

T = TypeVar("T")


class Client:
    """A synchronous client of one service; use it in a `with` block, or close it.

    Methods raise the errors of `haystack_client.errors`.

    Args:
        url: the address of the service, without `/api/v1`.
        identity: adds a token to each request, such as `ServiceAccount`; None for a local service.
        transport: replaces the network, like the parameter of `httpx.Client`.
        retry_policy: how often to repeat a request while the service is unavailable.

    Raises:
        RequestRefused: the URL is invalid, or the token would travel unencrypted.
    """

    def __init__(
        self,
        url: str = LOCAL_URL,
        *,
        identity: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
        retry_policy: RetryPolicy = RETRY_POLICY,
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = transport
        self._retry_policy = retry_policy
        self._has_answered = False
        parsed = address(self.url)
        if identity is not None and parsed.scheme == "http" and parsed.host not in LOOPBACK:
            raise RequestRefused(f"The token is not sent to {self.url} unencrypted. Use https.")
        headers = {"User-Agent": "haystack-client", "Accept": "application/json"}
        options = {"base_url": parsed, "headers": headers, "auth": identity, "timeout": TIMEOUT_SECONDS}
        self._http = connect(parsed, transport, **options)

    @classmethod
    def from_environment(cls) -> Self:
        """Return a client configured by HAYSTACK_URL, and by HAYSTACK_SERVICE_ACCOUNT or HAYSTACK_TOKEN."""
        return cls(os.environ.get("HAYSTACK_URL") or LOCAL_URL, identity=from_environment(os.environ))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, query: str, *, idempotency_key: str | None = None, **options: object) -> Json:
        """Submit a question and return its run, or with `validate_only=True` a preview of the run.

        Args:
            idempotency_key: the same key with the same request returns the same run; by default a new key.
            options: further fields of the request, such as `max_iterations`; None for the default of the service.

        Raises:
            QuestionNotAnswerable: the service cannot answer the question; nothing runs.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return self._object("POST", RUNS, json=_given(query=query, **options), headers=headers)

    def validate(self, query: str, *, control_strategy: str | None = None) -> Json:
        """Return how the service reads a question, and whether its control strategy is available."""
        request = _given(query=query, control_strategy=control_strategy)
        return self._object("POST", f"{RUNS}/validate-control-strategy", json=request)

    def status(self, run_id: str) -> Json:
        """Return the status of a run."""
        return self._object("GET", _run_path(run_id))

    def follow(self, run_id: str) -> Iterator[Json]:
        """Yield the status of a run, then each change of it, until the run is done."""
        tag: str | None = None
        while True:
            # The service answers the first request at once, and holds later ones until the run changes.
            wait = WAIT_SECONDS if tag else 0
            began = time.monotonic()
            headers = {"If-None-Match": tag} if tag else {}
            timeout = TIMEOUT_SECONDS + wait
            response = self._request("GET", _run_path(run_id), params={"wait": wait}, headers=headers, timeout=timeout)
            held = time.monotonic() - began >= WAIT_SECONDS
            changed = response.status_code != 304
            if changed:
                run = self._content(response, dict)
                yield run
                if run["done"]:
                    return
            tag = response.headers.get("etag")
            if tag is None or not (changed or held):
                # The service did not hold the request, so pause here.
                time.sleep(retry_after(response) or 1.0)

    def wait(self, run_id: str) -> Json:
        """Wait until a run is done and return its last status."""
        *_, run = self.follow(run_id)
        return run

    def result(self, run_id: str) -> Json:
        """Return the result of a completed run, with signed URLs of its files."""
        return self._object("GET", _run_path(run_id) + "/result")

    def download(self, file: Json, folder: Path | str, *, on_progress: OnProgress = lambda _: None) -> Path:
        """Download a file of a result, verify its size and checksum, and return its path.

        Args:
            file: an entry of `files` in a result.
            folder: created if it does not exist; a file of the same name is replaced.
            on_progress: receives the number of bytes that have arrived.
        """
        return download(file, Path(folder), on_progress, self._retry_policy, self._transport)

    def cancel(self, run_id: str) -> Json:
        """Cancel a run."""
        return self._object("POST", _run_path(run_id) + "/cancel")

    def list_runs(self, *, limit: int | None = None, **filters: object) -> Json:
        """Return the runs of the caller as one page, newest first.

        Args:
            limit: the largest number of runs; None for all.
            filters: `status` (one or a list), `created_after`, `created_before`.
        """
        runs: list[Json] = []
        token: str | None = None
        while True:
            # A page token is valid for other page sizes, but not for other filters.
            size = LARGEST_PAGE if limit is None else min(limit - len(runs), LARGEST_PAGE)
            page = self._object("GET", RUNS, params=_given(**filters, page_size=size, page_token=token))
            runs += page["runs"]
            token = page["next_page_token"]
            if not token or (limit is not None and len(runs) >= limit):
                return {**page, "runs": runs, "page": 1, "page_size": len(runs)}

    def datasets(self) -> list[str]:
        """Return the names of the datasets."""
        return self._list("datasets")

    def dataset(self, name: str) -> Json:
        """Return what the catalog records about a dataset."""
        return self._object("GET", f"{METADATA}/datasets/{quote(name, safe='')}")

    def perturbations(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """Return the perturbations that you can ask about, of one dataset or of all.

        Args:
            everything: also return those that no ingested atlas has.
        """
        return self._list("perturbations", dataset=dataset, all=everything or None)

    def cell_types(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """Return the cell types that you can ask about, of one dataset or of all.

        Args:
            everything: also return those that no ingested atlas has enough control cells of.
        """
        return self._list("cell-types", dataset=dataset, all=everything or None)

    def _object(self, method: str, path: str, **options: Any) -> Json:  # noqa: ANN401  # passed on to httpx
        return self._content(self._request(method, path, **options), dict)

    def _list(self, subject: str, **filters: object) -> list[Any]:
        found: list[Any] = []
        for page in count(1):
            params = _given(**filters, page=None if page == 1 else page)
            response = self._request("GET", f"{METADATA}/{subject}", params=params)
            found += self._content(response, list)
            if "next" not in response.links:
                break
        return found

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # as above
        return retry(lambda: self._attempt(method, path, **options), self._retry_policy)

    def _attempt(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # as above
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            # A service that has never answered is probably not running; one that has may come back.
            absent = isinstance(error, httpx.ConnectError) and not self._has_answered
            raise connection_error(self.url, error, retryable=not absent) from error
        self._has_answered = True
        if not response.is_success and response.status_code != 304:
            raise response_error(response)
        return response

    def _content(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, kind):
            raise foreign_response(self.url)
        return content


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
