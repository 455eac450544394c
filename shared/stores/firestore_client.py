"""The calls to Firestore that the stores make, on Google's generated client, with plain Python data in and out.

Not the high-level `AsyncClient`: a failed BeginTransaction surfaces as a ValueError there, it has no asynchronous watch, and it halves the
throughput. Messages are handled as the raw protocol buffers inside Google's own, because proto-plus copies each value that is read.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from random import SystemRandom
from typing import Any, Final, TypeVar

from google.api_core import exceptions
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport

from shared.errors import NotWritable, Unavailable
from shared.fields import Clock, utc_now
from shared.gcp.connection import Connection
from shared.runs.clocks import ClockCheck

# Seconds for a call with all its attempts: as long as one poll may take before the client must try again.
DEADLINE: Final = 5.0
# Deadlines that a change of several calls may take: as long as a person at a browser waits.
DEADLINES_PER_CHANGE: Final = 3
PING_DEADLINE: Final = 2.0
# Every write has a precondition, so repeating it does nothing twice. The emulator answers CANCELLED or UNKNOWN to a writer when a
# listener of the document leaves at the same moment.
_RETRIED: Final = (
    exceptions.ServiceUnavailable,
    exceptions.InternalServerError,
    exceptions.Cancelled,
    exceptions.Unknown,
)
# NOT_FOUND: the other writer deleted the document.
_LOST_RACES: Final = (exceptions.FailedPrecondition, exceptions.Aborted, exceptions.NotFound)
# Bugs or faults of the deployment, which no retry cures: INVALID_ARGUMENT, OUT_OF_RANGE, FAILED_PRECONDITION (of a query: its index is
# missing), UNAUTHENTICATED and PERMISSION_DENIED.
_PERMANENT: Final = (exceptions.BadRequest, exceptions.Unauthenticated, exceptions.PermissionDenied)

# Commits that may lose a race before a change fails.
_MAX_ATTEMPTS: Final = 20

Raw = Any  # a raw protocol buffer, which carries no types
_Value: Raw = types.Value.pb()
_Document: Raw = types.Document.pb()
_Write: Raw = types.Write.pb()
T = TypeVar("T")


class DocumentChanged(Exception):
    """A document is not as the writer saw it, or another writer was faster; nothing was written.

    If the answer to an earlier attempt of the same commit was lost, the other writer may be this one.
    """


class DocumentExists(DocumentChanged):
    """A document that the commit was to create exists."""


class FirestoreDatabase:
    """A Firestore database. Every method raises `Unavailable` if the database does not answer before the deadline.

    Args:
        emulator_host: `host:port` of the emulator; empty: the real service, with the default credentials of the process.
        endpoint: host of the real service; empty: Google's.
        deadline: seconds for a call with all its attempts.
        clock: clock of this process, which is compared with Firestore's.
    """

    def __init__(
        self,
        project: str,
        database: str,
        emulator_host: str = "",
        *,
        endpoint: str = "",
        deadline: float = DEADLINE,
        clock: Clock = utc_now,
    ) -> None:
        self._clock, self._clock_check = clock, ClockCheck("Firestore")
        self._deadline = deadline
        self.name = f"projects/{project}/databases/{database}"
        self.documents = f"{self.name}/documents"
        self._metadata = [("google-cloud-resource-prefix", self.name)]
        if emulator_host:  # "owner" makes the caller an administrator of the emulator
            self._metadata.append(("authorization", "Bearer owner"))
        self._connection = Connection(
            "Firestore",
            FirestoreAsyncClient,
            FirestoreGrpcAsyncIOTransport,
            emulator_host=emulator_host,
            endpoint=endpoint,
            metadata=self._metadata,
            retried=_RETRIED,
            permanent=_PERMANENT,
            attempt_seconds=deadline,
            total_seconds=deadline,
            pauses=(0.1, 1.0),
        )

    async def ping(self) -> None:
        """Read a document that never exists; a refusal is `Unavailable`, too."""
        try:
            await self.read(f"{self.documents}/health/ping", deadline=PING_DEADLINE)
        except _PERMANENT as error:
            raise Unavailable("Firestore") from error

    async def ping_write(self, data: Mapping[str, object]) -> None:
        """Write a document that nothing reads.

        Raises:
            NotWritable: Firestore refused the write.
        """
        try:
            await self.commit(overwrite(f"{self.documents}/health/write", data))
        except DocumentChanged:
            return  # another process writes it at this moment, so writes work
        except _PERMANENT as error:
            raise NotWritable("Firestore") from error

    async def read(self, name: str, *, fields: Sequence[str] = (), deadline: float | None = None) -> Raw | None:
        """Return the document with this full name, or None, for the price of one read.

        Args:
            name: `projects/…/documents/…`.
            fields: the only fields to return; empty: all.
            deadline: seconds, if not those of the database.
        """
        request = types.GetDocumentRequest(name=name, mask={"field_paths": fields} if fields else None)
        try:
            found = await self._connection.call(
                lambda client, options: client.get_document(request, **options),
                raises=(exceptions.NotFound,),
                seconds=deadline,
            )
        except exceptions.NotFound:
            return None
        return types.Document.pb(found)

    async def commit(self, *writes: Raw) -> None:
        """Write all or nothing. One write needs a precondition, unless it may be repeated: a commit whose answer is lost is.

        Raises:
            DocumentExists: a document to create exists.
            DocumentChanged: a document changed.
        """
        request = types.CommitRequest(database=self.name, writes=writes)
        began = self._clock()
        try:
            response = await self._connection.call(
                lambda client, options: client.commit(request, **options),
                raises=(exceptions.AlreadyExists, *_LOST_RACES),
            )
        except exceptions.AlreadyExists as error:
            raise DocumentExists from error
        except _LOST_RACES as error:
            raise DocumentChanged from error
        committed = types.CommitResponse.pb(response)
        if committed.HasField("commit_time"):
            theirs = committed.commit_time.ToDatetime(tzinfo=UTC)
            self._clock_check.compare(theirs, after=began, before=self._clock())

    async def change(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `attempt`, several calls with a commit, which starts over when the commit loses a race.

        After `Unavailable`, the last commit may have been carried out.
        """
        try:
            async with asyncio.timeout(DEADLINES_PER_CHANGE * self._deadline):
                for lost in range(_MAX_ATTEMPTS):
                    try:
                        return await attempt()
                    except DocumentChanged:  # let the rival finish, and wait longer the more races this writer has lost
                        await asyncio.sleep(SystemRandom().uniform(0, 0.02 * 2 ** min(lost, 5)))
        except TimeoutError as error:
            raise Unavailable("Firestore") from error
        raise Unavailable("Firestore")

    async def query(self, query: Mapping[str, object]) -> list[Raw]:
        """Return the documents that a structured query finds, for the price of one read each."""
        request = types.RunQueryRequest(parent=self.documents, structured_query=query)
        responses = await self._read_all(lambda client, options: client.run_query(request, **options))
        found = map(types.RunQueryResponse.pb, responses)
        return [response.document for response in found if response.HasField("document")]

    async def count(self, query: Mapping[str, object]) -> int:
        """Return how many documents a structured query finds, for the price of one read per thousand."""
        counting = {"structured_query": query, "aggregations": [{"count": {}, "alias": "total"}]}
        request = types.RunAggregationQueryRequest(parent=self.documents, structured_aggregation_query=counting)
        responses = await self._read_all(lambda client, options: client.run_aggregation_query(request, **options))
        found = types.RunAggregationQueryResponse.pb(responses[0]).result.aggregate_fields
        return int(found["total"].integer_value)

    async def changes(self, name: str) -> AsyncGenerator[Raw | None]:
        """Yield a document as it is now, and again after each change, for one read each; None while it does not exist.

        The stream ends when its connection is dead; the first message of the next stream shows what was missed.
        """
        target = {"documents": {"documents": [name]}, "target_id": 1}

        async def listen(client: FirestoreAsyncClient) -> AsyncGenerator[types.ListenResponse]:
            over = asyncio.Event()

            async def requests() -> AsyncIterator[types.ListenRequest]:
                yield types.ListenRequest(database=self.name, add_target=target)
                await over.wait()  # the end of the requests would end the responses

            try:
                stream: Any = await client.listen(requests(), metadata=self._metadata)
                try:
                    async for response in stream:
                        yield response
                finally:
                    stream.cancel()
            finally:
                over.set()

        async def probe(client: FirestoreAsyncClient, options: dict[str, Any]) -> None:
            # Reads no document, so it is free, and a role that only reads may do it.
            request = types.BatchGetDocumentsRequest(database=self.name)
            async for _ in await client.batch_get_documents(request, **options):
                pass

        async with aclosing(self._connection.listen(listen, probe)) as messages:
            async for message in messages:
                response = types.ListenResponse.pb(message)
                kind = response.WhichOneof("response_type")
                if kind == "document_change":
                    yield response.document_change.document
                elif kind in {"document_delete", "document_remove"}:
                    yield None
                elif kind == "target_change" and response.target_change.HasField("cause"):
                    raise Unavailable("Firestore")

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        await self._connection.close()

    async def _read_all(
        self, start: Callable[[FirestoreAsyncClient, dict[str, Any]], Awaitable[AsyncIterable[Any]]]
    ) -> list[Any]:
        """Return all responses of a stream. A retry reads the stream anew, which the client's own retries do not."""

        async def attempt(client: FirestoreAsyncClient, options: dict[str, Any]) -> list[Any]:
            return [response async for response in await start(client, options)]

        return await self._connection.call(attempt)


def write(name: str, data: Mapping[str, object], *, replaces: Raw | None) -> Raw:
    """Return the write of a whole document for a commit, whose precondition is that the document is still what was read.

    Args:
        name: `projects/…/documents/…`.
        replaces: the document that was read, or None if there was none.
    """
    document = _Document(name=name, fields={key: encode(item) for key, item in data.items()})
    unchanged = {"exists": False} if replaces is None else {"update_time": replaces.update_time}
    return _Write(update=document, current_document=unchanged)


def overwrite(name: str, data: Mapping[str, object]) -> Raw:
    """Return the write of a whole document, whatever is there; another write of its commit has the precondition."""
    return _Write(update=_Document(name=name, fields={key: encode(item) for key, item in data.items()}))


def delete(name: str) -> Raw:
    """Return the deletion of a document, if it is there; another write of its commit has the precondition."""
    return _Write(delete=name)


def encode(data: object) -> Raw:
    """Return the Firestore value of plain data: None, bool, int, float, str, bytes, an enum, an aware datetime, a list or a mapping.

    Raises:
        TypeError: anything else, or a datetime without time zone.
    """
    value = _Value()
    _put(value, data)
    return value


def decode(value: Raw) -> object:
    """Return the plain data of a Firestore value; times are in UTC.

    Raises:
        TypeError: a kind of value that this service never writes.
    """
    kind = value.WhichOneof("value_type")
    try:
        read = _READERS[kind]
    except KeyError:
        raise TypeError(f"this service does not write {kind}") from None
    return read(value)


def decode_fields(document: Raw) -> dict[str, object]:
    """Return the plain data of a document, or of a map value."""
    fields = document.fields  # its items() looks each key up twice, in Python
    return {key: decode(fields[key]) for key in fields}


def _put(value: Raw, data: object) -> None:
    if isinstance(data, Enum):
        data = data.value
    if data is None:
        value.null_value = 0
    elif isinstance(data, bool):  # before int, which it is too
        value.boolean_value = data
    elif (attribute := _SCALARS.get(type(data))) is not None:
        setattr(value, attribute, data)
    elif isinstance(data, datetime) and data.tzinfo is not None:
        value.timestamp_value.FromDatetime(data)
    elif isinstance(data, Mapping):
        value.map_value.SetInParent()
        for key, item in data.items():
            _put(value.map_value.fields[key], item)
    elif isinstance(data, list | tuple):
        value.array_value.SetInParent()
        for item in data:
            _put(value.array_value.values.add(), item)
    else:
        raise TypeError(f"Firestore cannot hold a {type(data).__name__}")


_SCALARS: Final = {str: "string_value", int: "integer_value", float: "double_value", bytes: "bytes_value"}
_READERS: Final[Mapping[str, Callable[[Raw], object]]] = {
    **{kind: attrgetter(kind) for kind in (*_SCALARS.values(), "boolean_value")},
    "map_value": lambda value: decode_fields(value.map_value),
    "array_value": lambda value: [decode(item) for item in value.array_value.values],
    "null_value": lambda _: None,
    "timestamp_value": lambda value: value.timestamp_value.ToDatetime(tzinfo=UTC),
}
