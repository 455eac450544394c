"""The calls to a Firestore database that this service makes, what they cost in patience, and what their errors mean.

They are gRPC calls with Firestore's own messages and nothing between: a read takes half the time of the client library's `doc.get()`,
and the process starts without importing the library (`python -m benchmarks` measures both).

The channel belongs to the event loop that first uses it, so it is made at the first request, never at import.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import grpc.aio
from grpc import StatusCode

from shared.errors import Unavailable
from shared.google_grpc import Patience, open_channel
from shared.store import firestore_messages as messages
from shared.store.firestore_messages import Raw

HOST: Final = "firestore.googleapis.com"
DEADLINE: Final = 5.0
"""Seconds for a call with all its attempts: as long as a poll may hang before it is told to come again."""
MOST_CALLS: Final = 3
"""How many deadlines a change may take with all its calls: as long as a person at a browser may be left waiting."""
PING_DEADLINE: Final = 2.0
_PASSING: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.CANCELLED, StatusCode.UNKNOWN})
"""What is tried again. Every write has a precondition, so a repetition does nothing twice. CANCELLED and UNKNOWN are what the
emulator tells a writer when a listener of the document leaves at the same moment."""
_LOST_RACES: Final = frozenset({StatusCode.FAILED_PRECONDITION, StatusCode.ABORTED, StatusCode.NOT_FOUND})
"""What a commit is told when another one came before it; NOT_FOUND where that one deleted the document."""
_OURS: Final = frozenset(
    {
        StatusCode.INVALID_ARGUMENT,
        StatusCode.OUT_OF_RANGE,
        StatusCode.FAILED_PRECONDITION,  # of a query: its index is missing
        StatusCode.UNAUTHENTICATED,
        StatusCode.PERMISSION_DENIED,
    }
)
"""Faults of ours, or of the deployment, which waiting does not mend."""
_SERVICE: Final = "/google.firestore.v1.Firestore/"
T = TypeVar("T")


class DocumentChanged(Exception):
    """A document is not as the writer saw it, or another writer was faster; nothing was written.

    Unless the answer to an earlier try of the same commit was lost: then the other writer was this one.
    """


class DocumentExists(DocumentChanged):
    """A document that was to be made is there already."""


class FirestoreDatabase:
    """A Firestore database.

    Args:
        project: Google Cloud project id.
        database: database id.
        emulator_host: `host:port` of the emulator; empty: the real service, with the process's own credentials.
        host: the real service.
        deadline: seconds for a call with all its attempts.
    """

    def __init__(
        self, project: str, database: str, emulator_host: str = "", *, host: str = HOST, deadline: float = DEADLINE
    ) -> None:
        self._host, self._emulator_host = host, emulator_host
        self._deadline = deadline
        self._open: _Calls | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.name = f"projects/{project}/databases/{database}"
        self.documents = f"{self.name}/documents"
        routing = f"project_id={quote(project, safe='')}&database_id={quote(database, safe='')}"
        self._metadata = [("google-cloud-resource-prefix", self.name), ("x-goog-request-params", routing)]
        if emulator_host:
            self._metadata.append(("authorization", "Bearer owner"))  # the emulator's word for an administrator

    async def ping(self) -> None:
        """Ask for a document that is never there.

        Raises:
            Unavailable: the database did not answer in time.
        """
        await self.read(f"{self.documents}/health/ping", deadline=PING_DEADLINE)

    async def read(self, name: str, *, fields: Sequence[str] = (), deadline: float | None = None) -> Raw | None:
        """The document of this full name, or None where there is none; with these fields only, if some are named. Costs one read.

        Raises:
            Unavailable: as every method here.
        """
        mask = {"field_paths": fields} if fields else None
        request, call = messages.GetDocumentRequest(name=name, mask=mask), self._calls().get_document

        async def attempt(seconds: float) -> Raw | None:
            try:
                return await call(request, timeout=seconds, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is StatusCode.NOT_FOUND:
                    return None
                raise

        return await _patiently(attempt, deadline or self._deadline)

    async def commit(self, *writes: Raw) -> None:
        """Write all or nothing. Every write must have a precondition, since a write whose answer is lost is repeated.

        Raises:
            DocumentExists: a write that was to make a document found one.
            DocumentChanged: a write found its document changed.
            Unavailable: as every method here.
        """
        request, call = messages.CommitRequest(database=self.name, writes=writes), self._calls().commit

        async def attempt(seconds: float) -> None:
            try:
                await call(request, timeout=seconds, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is StatusCode.ALREADY_EXISTS:
                    raise DocumentExists from error
                if error.code() in _LOST_RACES:
                    raise DocumentChanged from error
                raise

        await _patiently(attempt, self._deadline)

    async def query(self, query: Raw) -> list[Raw]:
        """The documents that a query finds. Costs one read each.

        Raises:
            Unavailable: as every method here.
        """
        request = messages.RunQueryRequest(parent=self.documents, structured_query=query)
        answers = await self._stream(self._calls().run_query, request)
        return [answer.document for answer in answers if answer.HasField("document")]

    async def count(self, query: Raw) -> int:
        """How many documents a query finds. Costs one read for each thousand.

        Raises:
            Unavailable: as every method here.
        """
        counting = {"structured_query": query, "aggregations": [{"count": {}, "alias": "total"}]}
        request = messages.RunAggregationQueryRequest(parent=self.documents, structured_aggregation_query=counting)
        answers = await self._stream(self._calls().run_aggregation_query, request)
        return int(answers[0].result.aggregate_fields["total"].integer_value)

    async def changes(self, name: str) -> AsyncGenerator[Raw]:
        """A document as it is, and again whenever it changes; None while there is none. Costs one read each.

        Raises:
            Unavailable: the stream broke.
        """
        over = asyncio.Event()

        async def ask() -> AsyncIterator[Raw]:
            target = {"documents": {"documents": [name]}, "target_id": 1}
            yield messages.ListenRequest(database=self.name, add_target=target)
            await over.wait()  # a stream of requests that ends would end the stream of answers

        stream = self._calls().listen(ask(), metadata=self._metadata)
        try:
            with _told():
                async for answer in stream:
                    if answer is None:  # gRPC's word for a message that it could not read
                        raise Unavailable("Firestore")
                    kind = answer.WhichOneof("response_type")
                    if kind == "document_change":
                        yield answer.document_change.document
                    elif kind in {"document_delete", "document_remove"}:
                        yield None
                    elif kind == "target_change" and answer.target_change.HasField("cause"):
                        raise Unavailable("Firestore")
        finally:
            over.set()
            stream.cancel()

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None]:
        """Bound what takes several calls, and is begun again when a race is lost, as a whole.

        Raises:
            Unavailable: the time is over; whether the last commit was carried out is not known.
        """
        try:
            async with asyncio.timeout(MOST_CALLS * self._deadline):
                yield
        except TimeoutError as error:
            raise Unavailable("Firestore") from error

    async def close(self) -> None:
        """Close the channel, if one was made."""
        if self._open is not None:
            await self._open.channel.close()
            self._open = None

    async def _stream(self, call: Any, request: Raw) -> list[Raw]:  # noqa: ANN401  # gRPC's
        async def attempt(seconds: float) -> list[Raw]:
            return [answer async for answer in call(request, timeout=seconds, metadata=self._metadata)]

        return await _patiently(attempt, self._deadline)

    def _calls(self) -> "_Calls":
        """The calls, on a channel made in the loop that asks first."""
        loop = asyncio.get_running_loop()
        if self._open is None or self._loop is not loop:
            self._open = _Calls(open_channel("Firestore", self._host, self._emulator_host))
            self._loop = loop
        return self._open


class _Calls:
    """The methods of Firestore that this service calls, on one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.get_document: Any = channel.unary_unary(
            f"{_SERVICE}GetDocument", messages.GetDocumentRequest.SerializeToString, messages.Document.FromString
        )
        self.commit: Any = channel.unary_unary(
            f"{_SERVICE}Commit", messages.CommitRequest.SerializeToString, messages.CommitResponse.FromString
        )
        self.run_query: Any = channel.unary_stream(
            f"{_SERVICE}RunQuery", messages.RunQueryRequest.SerializeToString, messages.RunQueryResponse.FromString
        )
        self.run_aggregation_query: Any = channel.unary_stream(
            f"{_SERVICE}RunAggregationQuery",
            messages.RunAggregationQueryRequest.SerializeToString,
            messages.RunAggregationQueryResponse.FromString,
        )
        self.listen: Any = channel.stream_stream(
            f"{_SERVICE}Listen", messages.ListenRequest.SerializeToString, messages.ListenResponse.FromString
        )


async def _patiently(attempt: Callable[[float], Awaitable[T]], deadline: float) -> T:
    with _told():
        return await Patience(deadline, deadline, _PASSING, first_pause=0.1, longest_pause=1.0).give(attempt)


@contextmanager
def _told() -> Iterator[None]:
    """Turn gRPC's errors into what they mean here.

    A refusal (no permission, bad request) stays what it is: nobody is helped by trying again.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() in _OURS:
            raise
        raise Unavailable("Firestore") from error
