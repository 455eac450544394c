"""The connection to a Firestore database: the generated asynchronous client, its channel, and what its errors mean.

The channel belongs to the event loop that first uses it, so it is made at the first request, never at import. One read through the
generated client costs 0.6 of the high-level client's `doc.get()`, which streams.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc.aio
from google.api_core.exceptions import (
    Cancelled,
    GoogleAPICallError,
    InternalServerError,
    NotFound,
    RetryError,
    ServiceUnavailable,
    Unknown,
)
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types.firestore import ListenRequest, Target

from shared.errors import Unavailable

DEADLINE: Final = 5.0
"""Seconds for a call with all its attempts: as long as a poll may hang before it is told to come again."""
PING_DEADLINE: Final = 2.0
_PASSING: Final = if_exception_type(ServiceUnavailable, InternalServerError, Cancelled, Unknown)
"""What is tried again. Every write has a precondition, so a repetition does nothing twice. CANCELLED and UNKNOWN are what the
emulator tells a writer when a listener of the document leaves at the same moment."""
_OURS: Final = frozenset({400, 401, 403, 404, 409})
"""HTTP forms of the statuses that waiting does not mend, or that the caller knows better: a lost race is a 409."""


class FirestoreDatabase:
    """A Firestore database.

    Args:
        project: Google Cloud project id.
        database: database id.
        emulator_host: `host:port` of the emulator; empty: the real service, with the process's own credentials.
    """

    def __init__(self, project: str, database: str, emulator_host: str = "") -> None:
        self._emulator_host = emulator_host
        self._client: FirestoreAsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.name = f"projects/{project}/databases/{database}"
        self.documents = f"{self.name}/documents"
        self._metadata = [("google-cloud-resource-prefix", self.name)]
        if emulator_host:
            self._metadata.append(("authorization", "Bearer owner"))  # the emulator's word for an administrator

    @property
    def client(self) -> FirestoreAsyncClient:
        """The generated client, made in the loop that asks first."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            if self._emulator_host:
                channel = grpc.aio.insecure_channel(self._emulator_host)
                self._client = FirestoreAsyncClient(transport=FirestoreGrpcAsyncIOTransport(channel=channel))
            else:
                self._client = FirestoreAsyncClient()
            self._loop = loop
        return self._client

    def patience(self, deadline: float = DEADLINE) -> dict[str, Any]:
        """The arguments of every call: whom it is for, and how long it may take with its repetitions."""
        retry = AsyncRetry(predicate=_PASSING, initial=0.1, multiplier=2.0, maximum=1.0, timeout=deadline)
        return {"retry": retry, "timeout": deadline, "metadata": self._metadata}

    async def ping(self) -> None:
        """Ask for a document that is never there.

        Raises:
            Unavailable: the database did not answer in time.
        """
        with told():
            await self.read(f"{self.documents}/health/ping", deadline=PING_DEADLINE)

    async def read(self, name: str, *, deadline: float = DEADLINE) -> Any | None:  # noqa: ANN401  # a raw protocol buffer
        """One document as a raw protocol buffer, or None where there is none. Costs one read."""
        try:
            found = await self.client.get_document(request={"name": name}, **self.patience(deadline))
        except NotFound:
            return None
        return type(found).pb(found)

    async def changes(self, name: str) -> AsyncGenerator[Any]:
        """A document as it is, and again whenever it changes; None while there is none. Costs one read each.

        Raises:
            Unavailable: the stream broke.
        """
        over = asyncio.Event()

        async def ask() -> AsyncIterator[ListenRequest]:
            target = Target(documents=Target.DocumentsTarget(documents=[name]), target_id=1)
            yield ListenRequest(database=self.name, add_target=target)
            await over.wait()  # a stream of requests that ends would end the stream of answers

        with told():
            stream: Any = await self.client.listen(requests=ask(), metadata=self._metadata)
        try:
            with told():
                async for answer in stream:
                    if answer is None:  # gRPC's word for a message that it could not read
                        raise Unavailable("Firestore")
                    raw = type(answer).pb(answer)
                    kind = raw.WhichOneof("response_type")
                    if kind == "document_change":
                        yield raw.document_change.document
                    elif kind in {"document_delete", "document_remove"}:
                        yield None
                    elif kind == "target_change" and raw.target_change.HasField("cause"):
                        raise Unavailable("Firestore")
        finally:
            over.set()
            stream.cancel()

    async def close(self) -> None:
        """Close the channel, if one was made."""
        if self._client is not None:
            await self._client.transport.close()  # type: ignore[no-untyped-call]  # generated code
            self._client = None


async def collect(call: Awaitable[Any]) -> list[Any]:
    """All the answers of a streaming call."""
    return [answer async for answer in await call]


@contextmanager
def told() -> Iterator[None]:
    """Turn what Firestore's client raises, and the caller does not know better, into `Unavailable`.

    A refusal (no permission, bad request) is a fault of ours that waiting does not mend, so it stays what it is.
    """
    try:
        yield
    except (GoogleAPICallError, RetryError) as error:
        if isinstance(error, GoogleAPICallError) and error.code in _OURS:
            raise
        raise Unavailable("Firestore") from error
