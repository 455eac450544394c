"""What only Firestore's store has: keys that Firestore deletes, fields that it leaves unread, streams that break."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from google.cloud.firestore_v1.types.firestore import GetDocumentRequest

from shared.errors import Unavailable
from shared.runs.ports import RunFilter
from shared.runs.states import KEY_LIFETIME
from shared.stores.firestore import MAX_STREAMS, SUMMARY_FIELDS, FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase, decode_fields
from tests.support.builders import make_run
from tests.support.firestore_recorder import Recorder
from tests.support.proxies import Context, GrpcProxy


async def test_the_document_of_a_key_outlives_the_key_on_every_clock_and_is_then_deleted(
    firestore: FirestoreDatabase,
) -> None:
    run = make_run(idempotency_key="d" * 64)
    await FirestoreRunStore(firestore).create(run)
    found = await firestore.read(f"{firestore.documents}/idempotency_keys/{run.idempotency_key}")
    assert found is not None
    assert decode_fields(found) == {"run_id": run.run_id, "expire_at": run.created_at + 2 * KEY_LIFETIME}


@asynccontextmanager
async def behind(proxy: GrpcProxy, firestore: FirestoreDatabase) -> AsyncIterator[FirestoreRunStore]:
    """A store that reaches the same Firestore through a proxy."""
    await proxy.start()
    database = FirestoreDatabase(firestore.name.split("/")[1], "(default)", proxy.host)
    yield FirestoreRunStore(database)
    await database.close()
    await proxy.stop()


class Masks(Recorder):
    """Records the fields that are read of single documents, too."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.masks: list[list[str]] = []

    def _record_request(self, name: str, request: bytes) -> None:
        super()._record_request(name, request)
        if name == "GetDocument":
            self.masks.append(list(GetDocumentRequest.deserialize(request).mask.field_paths))


async def test_status_and_lists_read_the_fields_of_a_summary_only(
    firestore: FirestoreDatabase, firestore_host: str
) -> None:
    run = make_run()
    proxy = Masks(firestore_host)
    async with behind(proxy, firestore) as store:
        await store.create(run)
        assert await store.summary(run.run_id) is not None
        assert len(await store.page(RunFilter(run.owners), limit=1)) == 1
    assert proxy.masks == [list(SUMMARY_FIELDS)]
    assert [[each.field_path for each in query.select.fields] for query in proxy.queries] == [list(SUMMARY_FIELDS)]


class Breaking(GrpcProxy):
    """Ends every stream of changes, with an error or without.

    Attributes:
        streams: when each began, in monotonic seconds.
    """

    def __init__(self, upstream: str, error: grpc.StatusCode | None) -> None:
        super().__init__(upstream)
        self._error = error
        self.streams: list[float] = []

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, or break it."""
        if method.endswith("/Listen"):
            self.streams.append(time.monotonic())
            if self._error is not None:
                await context.abort(self._error, "broken")
            return
        async for answer in super().forward(method, requests, context):
            yield answer


@pytest.mark.parametrize("error", [grpc.StatusCode.UNAVAILABLE, None])
async def test_a_stream_that_always_breaks_is_opened_again_after_growing_pauses_and_then_given_up(
    firestore: FirestoreDatabase, firestore_host: str, error: grpc.StatusCode | None
) -> None:
    proxy = Breaking(firestore_host, error)
    async with behind(proxy, firestore) as store:
        with pytest.raises(Unavailable, match="Firestore"):
            async for _ in store.watch("run_0123456789ab"):
                pass
    assert len(proxy.streams) == MAX_STREAMS
    pauses = [after - before for before, after in zip(proxy.streams, proxy.streams[1:], strict=False)]
    assert all(pause >= 0.1 * 2**number for number, pause in enumerate(pauses))
    assert sum(pauses) < 20  # seconds; 3.1 s on an idle machine
