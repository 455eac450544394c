"""A run as an object: wait for it, and read its result. `Client.ask` returns a `Run`, `AsyncClient.ask` an `AsyncRun`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from haystack_client.download import Json
from haystack_client.errors import RequestRefused
from haystack_client.results import AsyncResult, Result


class Service(Protocol):
    """What a run needs of `Client`."""

    def status(self, run_id: str) -> Json:
        """See `Client.status`."""

    def wait(self, run_id: str) -> Json:
        """See `Client.wait`."""

    def cancel(self, run_id: str) -> Json:
        """See `Client.cancel`."""

    def result(self, run_id: str) -> Json:
        """See `Client.result`."""

    def download(self, file: Json, folder: Path | str) -> Path:
        """See `Client.download`."""


class AsyncService(Protocol):
    """What a run needs of `AsyncClient`."""

    async def status(self, run_id: str) -> Json:
        """See `Client.status`."""

    async def wait(self, run_id: str) -> Json:
        """See `Client.wait`."""

    async def cancel(self, run_id: str) -> Json:
        """See `Client.cancel`."""

    async def result(self, run_id: str) -> Json:
        """See `Client.result`."""

    async def download(self, file: Json, folder: Path | str) -> Path:
        """See `Client.download`."""


class RunSummary:
    """What is known about a run, as of the last request.

    Attributes:
        json: the status as the API returned it.
    """

    def __init__(self, json: Json) -> None:
        self.json = json

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return str(self.json["run_id"])

    @property
    def query(self) -> str:
        """The question."""
        return str(self.json["query"])

    @property
    def status(self) -> str:
        """Pending, running, completed, failed or cancelled."""
        return str(self.json["status"])

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return bool(self.json["done"])

    @property
    def interpretation(self) -> Mapping[str, Any] | None:
        """How the question was read, and what is not taken into account."""
        interpretation: Mapping[str, Any] | None = self.json["interpretation"]
        return interpretation

    def __repr__(self) -> str:
        return f"<{self.run_id}, {self.status}: {self.query!r}>"

    def _completed(self) -> None:
        """Refuse a run that has no result.

        Raises:
            RequestRefused: it failed, or it was cancelled.
        """
        if self.status == "completed":
            return
        failure = self.json["failure"]
        details = [self.json["error_message"], failure and failure["advice"]]
        raise RequestRefused(f"{self.run_id} is {self.status} and has no result.", *(line for line in details if line))


class Run(RunSummary):
    """A run of `Client.ask`."""

    def __init__(self, client: Service, json: Json) -> None:
        super().__init__(json)
        self._client = client

    def refresh(self) -> Self:
        """Read the status again and return this run."""
        self.json = self._client.status(self.run_id)
        return self

    def wait(self) -> Self:
        """Wait until the run is done and return it."""
        if not self.done:
            self.json = self._client.wait(self.run_id)
        return self

    def cancel(self) -> Self:
        """Cancel the run and return it."""
        self._client.cancel(self.run_id)
        return self.refresh()

    def result(self) -> Result:
        """Wait until the run is done and return its result.

        Raises:
            RequestRefused: the run failed or was cancelled; the message says why.
        """
        self.wait()
        self._completed()
        return Result(self._client, self._client.result(self.run_id))


class AsyncRun(RunSummary):
    """A run of `AsyncClient.ask`."""

    def __init__(self, client: AsyncService, json: Json) -> None:
        super().__init__(json)
        self._client = client

    async def refresh(self) -> Self:
        """Read the status again and return this run."""
        self.json = await self._client.status(self.run_id)
        return self

    async def wait(self) -> Self:
        """Wait until the run is done and return it."""
        if not self.done:
            self.json = await self._client.wait(self.run_id)
        return self

    async def cancel(self) -> Self:
        """Cancel the run and return it."""
        await self._client.cancel(self.run_id)
        return await self.refresh()

    async def result(self) -> AsyncResult:
        """Wait until the run is done and return its result.

        Raises:
            RequestRefused: the run failed or was cancelled; the message says why.
        """
        await self.wait()
        self._completed()
        return AsyncResult(self._client, await self._client.result(self.run_id))
