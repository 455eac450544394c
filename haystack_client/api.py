"""The synchronous client. `haystack_client.operations` has the requests; this performs them one after the other."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from haystack_client import many
from haystack_client.answers import Answers
from haystack_client.download import Json, OnProgress, download
from haystack_client.errors import RetryPolicy, Unavailable
from haystack_client.identity import from_environment
from haystack_client.many import OnRow
from haystack_client.operations import Operations, Pause, Steps
from haystack_client.questions import of as asked
from haystack_client.runs import Run
from haystack_client.transport import connect

LOCAL_URL: Final = "http://127.0.0.1:8080"
RETRY_POLICY: Final = RetryPolicy()

T = TypeVar("T")


class Client:
    """A synchronous client of one service; use it in a `with` block, or close it.

    Methods raise the errors of `haystack_client.errors`.

    Args:
        url: the address of the service, without `/api/v1`; None: that of HAYSTACK_URL, or a local service, and the identity that the
            environment names.
        identity: adds a token to each request, such as `ServiceAccount`; None for a local service.
        transport: replaces the network, like the parameter of `httpx.Client`.
        retry_policy: how often to repeat a request while the service is unavailable.

    Raises:
        RequestRefused: the URL is invalid, or the token would travel unencrypted.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        identity: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
        retry_policy: RetryPolicy = RETRY_POLICY,
    ) -> None:
        address, identity = settings(url, identity)
        self.url = address
        self._transport = transport
        self._retry_policy = retry_policy
        self._operations = Operations(address, identity, retry_policy)
        self._http = connect(self._operations.address, transport, **self._operations.connection)

    @classmethod
    def from_environment(cls) -> Self:
        """Return a client configured by HAYSTACK_URL, and by HAYSTACK_SERVICE_ACCOUNT or HAYSTACK_TOKEN."""
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, query: str, *, idempotency_key: str | None = None, **options: object) -> Run:
        """Submit a question and return its run, to wait for it and to read its result.

        Args:
            idempotency_key: the same key with the same request returns the same run; by default a new key.
            options: further fields of the request, such as `max_iterations`, or `notify={"webhook": URL, "email": True}` to learn
                that the run ended; None for the default of the service.

        Raises:
            QuestionNotAnswerable: the service cannot answer the question; nothing runs.
        """
        return Run(self, self.submit(query, idempotency_key=idempotency_key, **options))

    def run(self, run_id: str) -> Run:
        """Return a run that was submitted before."""
        return Run(self, self.status(run_id))

    def ask_many(
        self,
        questions: Iterable[str | Mapping[str, object]],
        *,
        on_row: OnRow = lambda _row, _waiting: None,
        **options: object,
    ) -> Answers:
        """Ask many questions within the limit of active runs, wait for all, and return a row for each.

        Asking the same again within 24 hours continues: a question that was submitted is not run twice. A question that the service
        refuses is a row with the reason and a suggestion.

        Args:
            questions: texts, or mappings with `query` and options of the run.
            on_row: receives a row when it changes, and a sentence about what is being waited for.
            options: of all runs, such as `max_iterations`.

        Raises:
            Unavailable: the service stayed unavailable; ask again to continue.
        """
        return self._do(many.ask_many(self._operations, asked(questions, options), on_row))

    def submit(self, query: str, *, idempotency_key: str | None = None, **options: object) -> Json:
        """Submit a question and return its run as JSON, or with `validate_only=True` a preview of the run.

        The arguments are those of `ask`.

        Raises:
            QuestionNotAnswerable: the service cannot answer the question; nothing runs.
        """
        return self._do(self._operations.submit(query, idempotency_key, options))

    def validate(self, query: str, *, control_strategy: str | None = None) -> Json:
        """Return how the service reads a question, and whether its control strategy is available."""
        return self._do(self._operations.validate(query, control_strategy))

    def status(self, run_id: str) -> Json:
        """Return the status of a run."""
        return self._do(self._operations.status(run_id))

    def follow(self, run_id: str) -> Iterator[Json]:
        """Yield the status of a run, then each change of it, until the run is done."""
        following = self._operations.following(run_id)
        while not following.done:
            run = self._do(following.change())
            assert run is not None  # without a limit on the time, there is a change
            yield run

    def wait(self, run_id: str) -> Json:
        """Wait until a run is done and return its last status."""
        *_, run = self.follow(run_id)
        return run

    def result(self, run_id: str) -> Json:
        """Return the result of a completed run as JSON, with signed URLs of its files."""
        return self._do(self._operations.result(run_id))

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
        return self._do(self._operations.cancel(run_id))

    def delete(self, run_id: str) -> Json:
        """Delete a finished run and its files, for good."""
        return self._do(self._operations.delete(run_id))

    def retry(self, run_id: str) -> Json:
        """Submit the question of a run again, with the same options, and return the new run as JSON."""
        return self._do(self._operations.retry(run_id))

    def list_runs(self, *, limit: int | None = None, **filters: object) -> Json:
        """Return the runs of the caller as one page, newest first.

        Args:
            limit: the largest number of runs; None for all.
            filters: `status` (one or a list), `label`, `created_after`, `created_before`.
        """
        return self._do(self._operations.list_runs(limit, filters))

    def datasets(self) -> list[str]:
        """Return the names of the datasets."""
        return self._do(self._operations.names("datasets"))

    def dataset(self, name: str) -> Json:
        """Return what the catalog records about a dataset."""
        return self._do(self._operations.dataset(name))

    def perturbations(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """Return the perturbations that you can ask about, of one dataset or of all.

        Args:
            everything: also return those that no ingested atlas has.
        """
        return self._do(self._operations.names("perturbations", dataset, everything=everything))

    def cell_types(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """Return the cell types that you can ask about, of one dataset or of all.

        Args:
            everything: also return those that no ingested atlas has enough control cells of.
        """
        return self._do(self._operations.names("cell-types", dataset, everything=everything))

    def _do(self, steps: Steps[T]) -> T:
        """Perform the steps of an operation and return its result."""
        answer: Any = None
        error: httpx.TransportError | Unavailable | None = None
        while True:
            try:
                step = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, error = None, None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                continue
            try:
                answer = self._http.request(step.method, step.path, **step.options)
            except (httpx.TransportError, Unavailable) as caught:  # Unavailable: no token could be obtained
                error = caught


def settings(url: str | None, identity: httpx.Auth | None) -> tuple[str, httpx.Auth | None]:
    """Return the address of a service and the identity for it; the environment names both if there is no address."""
    if url is None:
        return (os.environ.get("HAYSTACK_URL") or LOCAL_URL).rstrip("/"), identity or from_environment(os.environ)
    return url.rstrip("/"), identity
