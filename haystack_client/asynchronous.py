"""The asynchronous client. `haystack_client.operations` has the requests; this performs them without blocking the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from haystack_client import many
from haystack_client.answers import Answers
from haystack_client.api import RETRY_POLICY, settings
from haystack_client.download import Json, OnProgress, download
from haystack_client.errors import RetryPolicy, Unavailable
from haystack_client.many import OnRow
from haystack_client.operations import Operations, Pause, Steps
from haystack_client.questions import of as asked
from haystack_client.runs import AsyncRun
from haystack_client.transport import connect_async

T = TypeVar("T")


class AsyncClient:
    """An asynchronous client of one service; use it in an `async with` block, or close it.

    Its methods are those of `Client`, to be awaited; they raise the errors of `haystack_client.errors`.

    Args:
        url: the address of the service, without `/api/v1`; None: as for `Client`.
        identity: adds the identity token to each request; None for a local service.
        transport: replaces the network, like the parameter of `httpx.AsyncClient`.
        download_transport: replaces the network for downloads, which run in threads, because files are written to disk.
        retry_policy: how often to repeat a request while the service is unavailable.

    Raises:
        RequestRefused: the URL is invalid, or the identity token would travel unencrypted.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        identity: httpx.Auth | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        download_transport: httpx.BaseTransport | None = None,
        retry_policy: RetryPolicy = RETRY_POLICY,
    ) -> None:
        address, identity = settings(url, identity)
        self.url = address
        self._download_transport = download_transport
        self._retry_policy = retry_policy
        self._operations = Operations(address, identity, retry_policy)
        self._http = connect_async(self._operations.address, transport, **self._operations.connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, query: str, *, idempotency_key: str | None = None, **options: object) -> AsyncRun:
        """See `Client.ask`."""
        return AsyncRun(self, await self.submit(query, idempotency_key=idempotency_key, **options))

    async def run(self, run_id: str) -> AsyncRun:
        """See `Client.run`."""
        return AsyncRun(self, await self.status(run_id))

    async def ask_many(
        self,
        questions: Iterable[str | Mapping[str, object]],
        *,
        on_row: OnRow = lambda _row, _waiting: None,
        **options: object,
    ) -> Answers:
        """See `Client.ask_many`."""
        return await self._do(many.ask_many(self._operations, asked(questions, options), on_row))

    async def submit(self, query: str, *, idempotency_key: str | None = None, **options: object) -> Json:
        """See `Client.submit`."""
        return await self._do(self._operations.submit(query, idempotency_key, options))

    async def validate(self, query: str, *, control_strategy: str | None = None) -> Json:
        """See `Client.validate`."""
        return await self._do(self._operations.validate(query, control_strategy))

    async def status(self, run_id: str) -> Json:
        """See `Client.status`."""
        return await self._do(self._operations.status(run_id))

    async def follow(self, run_id: str) -> AsyncIterator[Json]:
        """See `Client.follow`."""
        following = self._operations.following(run_id)
        while not following.done:
            run = await self._do(following.change())
            assert run is not None  # without a limit on the time, there is a change
            yield run

    async def wait(self, run_id: str) -> Json:
        """See `Client.wait`."""
        return [run async for run in self.follow(run_id)][-1]

    async def result(self, run_id: str) -> Json:
        """See `Client.result`."""
        return await self._do(self._operations.result(run_id))

    async def download(self, file: Json, folder: Path | str, *, on_progress: OnProgress = lambda _: None) -> Path:
        """See `Client.download`; `on_progress` is called in another thread."""
        arguments = (file, Path(folder), on_progress, self._retry_policy, self._download_transport)
        return await asyncio.to_thread(download, *arguments)

    async def cancel(self, run_id: str) -> Json:
        """See `Client.cancel`."""
        return await self._do(self._operations.cancel(run_id))

    async def delete(self, run_id: str) -> Json:
        """See `Client.delete`."""
        return await self._do(self._operations.delete(run_id))

    async def retry(self, run_id: str) -> Json:
        """See `Client.retry`."""
        return await self._do(self._operations.retry(run_id))

    async def list_runs(self, *, limit: int | None = None, **filters: object) -> Json:
        """See `Client.list_runs`."""
        return await self._do(self._operations.list_runs(limit, filters))

    async def datasets(self) -> list[str]:
        """See `Client.datasets`."""
        return await self._do(self._operations.names("datasets"))

    async def dataset(self, name: str) -> Json:
        """See `Client.dataset`."""
        return await self._do(self._operations.dataset(name))

    async def perturbations(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """See `Client.perturbations`."""
        return await self._do(self._operations.names("perturbations", dataset, everything=everything))

    async def cell_types(self, dataset: str | None = None, *, everything: bool = False) -> list[Json]:
        """See `Client.cell_types`."""
        return await self._do(self._operations.names("cell-types", dataset, everything=everything))

    async def _do(self, steps: Steps[T]) -> T:
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
                await asyncio.sleep(step.seconds)
                continue
            try:
                answer = await self._http.request(step.method, step.path, **step.options)
            except (httpx.TransportError, Unavailable) as caught:  # Unavailable: no token could be obtained
                error = caught
