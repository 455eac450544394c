"""The HTTP API, one method a thing that can be asked.

Every call may be repeated: reads change nothing, a submit carries an Idempotency-Key, and cancelling a cancelled run is answered the same.
So a lost answer and a busy service are met by trying again, a bounded number of times.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from client import problems
from client.failures import ExitCode, Failure
from client.identity import Bearer
from client.patience import Say, patiently

RUNS: Final = "/api/v1/runs"
RUN_ID: Final = re.compile(r"run_[0-9a-f]{12}")
LAST: Final = "last"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT_SECONDS: Final = 30.0
LARGEST_PAGE: Final = 100

Json = dict[str, Any]


@dataclass(frozen=True)
class Poll:
    """One look at a run.

    Attributes:
        run: its status; None if it is still the one with the given tag.
        tag: the status's entity tag, to be given to the next look.
        retry_after: the seconds that the service asks to wait before the next look.
        seconds: how long the answer took.
    """

    run: Json | None
    tag: str | None
    retry_after: float
    seconds: float


class Api:
    """A client of the service. Use it in a `with` block.

    Args:
        url: the service's address, without `/api/v1`.
        identity: who is asking; None for a local service.
        say: takes a line for a person when an attempt is repeated.

    Raises:
        Failure: the address is none, or the identity would travel unencrypted.
    """

    def __init__(self, url: str, identity: Bearer | None = None, *, say: Say = lambda _: None) -> None:
        self.url = url.rstrip("/")
        self._say = say
        self._answered = False
        address = _address(self.url)
        local = address.host in LOOPBACK
        if identity is not None and address.scheme == "http" and not local:
            raise Failure(ExitCode.REFUSED, f"Your identity token is not sent to {self.url} unencrypted. Use https.")
        self._http = httpx.Client(
            base_url=address,
            auth=identity,
            timeout=TIMEOUT_SECONDS,
            headers={"User-Agent": "haystack-client", "Accept": "application/json"},
            trust_env=not local,  # a proxy of the environment cannot reach this machine's own services
        )

    def __enter__(self) -> Self:
        """Give the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()

    def submit(self, request: Mapping[str, object], key: str) -> Json:
        """Submit a question: the run, or with `validate_only` what would run. The same key and request are the same run again."""
        return self._object("POST", RUNS, json=request, headers={"Idempotency-Key": key})

    def validate(self, request: Mapping[str, object]) -> Json:
        """What a question is taken for, and whether its control strategy can be had."""
        return self._object("POST", f"{RUNS}/validate-control-strategy", json=request)

    def status(self, run_id: str) -> Json:
        """Where a run stands."""
        return self._object("GET", self._path(run_id))

    def poll(self, run_id: str, tag: str | None, *, wait: int) -> Poll:
        """Where a run stands, once that is not what the tag stands for, or after `wait` seconds."""
        began = time.monotonic()
        response = self._ask(
            "GET",
            self._path(run_id),
            params={"wait": wait},
            headers={"If-None-Match": tag} if tag else {},
            timeout=TIMEOUT_SECONDS + wait,
        )
        return Poll(
            run=None if response.status_code == 304 else self._content(response, dict),
            tag=response.headers.get("etag"),
            retry_after=problems.retry_after(response) or 1.0,
            seconds=time.monotonic() - began,
        )

    def result(self, run_id: str) -> Json:
        """What a completed run found, with signed URLs of its files."""
        return self._object("GET", self._path(run_id) + "/result")

    def cancel(self, run_id: str) -> Json:
        """Cancel a run."""
        return self._object("POST", self._path(run_id) + "/cancel")

    def pages(self, filters: Mapping[str, object], limit: int | None) -> Iterator[Json]:
        """The pages of the caller's runs, newest first, until `limit` runs were given; None: all."""
        left = limit
        token: str | None = None
        while left is None or left > 0:
            # A page token is bound to the filters, not to the size of a page.
            params = {**filters, "page_size": LARGEST_PAGE if left is None else min(left, LARGEST_PAGE)}
            page = self._object("GET", RUNS, params=params | ({"page_token": token} if token else {}))
            yield page
            token = page["next_page_token"]
            if not token:
                return
            if left is not None:
                left -= len(page["runs"])

    def catalog(self, subject: str, dataset: str | None = None) -> list[Any]:
        """What the catalog lists: `perturbations`, `cell-types` or `datasets`, of one dataset or of all."""
        params = {"dataset": dataset} if dataset else {}
        found: list[Any] = self._content(self._ask("GET", f"/api/v1/metadata/{subject}", params=params), list)
        return found

    def dataset(self, name: str) -> Json:
        """What the catalog knows of a dataset."""
        return self._object("GET", f"/api/v1/metadata/datasets/{quote(name, safe='')}")

    def run_id(self, given: str) -> str:
        """The run id that a person means; `last` is the newest run.

        Raises:
            Failure: it cannot be one, or there is no run yet.
        """
        if given == LAST:
            runs = next(self.pages({}, limit=1))["runs"]
            if not runs:
                raise Failure(ExitCode.NOT_FOUND, "You have no runs yet.")
            newest: str = runs[0]["run_id"]
            return newest
        if not RUN_ID.fullmatch(given):
            raise Failure(
                ExitCode.REFUSED, f"`{given}` is no run id: one looks like run_0123456789ab. `last` is your newest run."
            )
        return given

    @staticmethod
    def _path(run_id: str) -> str:
        return f"{RUNS}/{quote(run_id, safe='')}"

    def _object(self, method: str, path: str, **content: Any) -> Json:  # noqa: ANN401  # passed on to httpx as it is
        found: Json = self._content(self._ask(method, path, **content), dict)
        return found

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401  # as above
        return patiently(lambda: self._attempt(method, path, **content), self._say)

    def _attempt(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401  # as above
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            # A service that has never answered is not there; one that has may come back.
            refused = isinstance(error, httpx.ConnectError) and not self._answered
            raise problems.unreachable(self.url, error, worth_repeating=not refused) from error
        self._answered = True
        if not response.is_success and response.status_code != 304:
            raise problems.failure(response)
        return response

    def _content(self, response: httpx.Response, kind: type) -> Any:  # noqa: ANN401  # JSON
        try:
            content = response.json()
        except ValueError:
            raise problems.foreign(self.url) from None
        if not isinstance(content, kind):
            raise problems.foreign(self.url)
        return content


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in {"http", "https"} or not address.host:
        raise Failure(ExitCode.REFUSED, f"`{url}` is no address of a service: it begins with http:// or https://.")
    return address
