"""Runs in Firestore: one document a run, in the collection `runs`.

A change is a read and a commit that holds only if the document is still the one that was read (`update_time` as precondition): one
transaction's guarantee for one document, without a transaction's extra round trip and without its lock, which the emulator makes
two readers wait two seconds for.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition
from google.cloud.firestore_v1.types.common import Precondition
from google.cloud.firestore_v1.types.document import Document, Value
from google.cloud.firestore_v1.types.query import StructuredAggregationQuery, StructuredQuery
from google.cloud.firestore_v1.types.write import Write

from shared.errors import RunExists, RunNotFound, Unavailable
from shared.ports import Cursor
from shared.records import Run
from shared.runs import RunState, check_transition
from shared.store.firestore_database import FirestoreDatabase, collect, told
from shared.store.firestore_values import decode_fields, encode, encode_fields

COLLECTION: Final = "runs"
ATTEMPTS: Final = 12
_Operator = StructuredQuery.FieldFilter.Operator
_Direction = StructuredQuery.Direction


class FirestoreRunStore:
    """The `RunStore` port on Firestore, and the `Readiness` port."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database

    async def create(self, run: Run) -> None:
        """See `RunStore.create`."""
        write = self._write(run, Precondition(exists=False))
        try:
            with told():
                await self._commit(write)
        except AlreadyExists:
            # The client retries a commit whose answer was lost, and then meets its own document.
            if await self.get(run.run_id) != run:
                raise RunExists(run.run_id) from None

    async def get(self, run_id: str) -> Run | None:
        """See `RunStore.get`."""
        with told():
            found = await self._database.read(self._name(run_id))
        return None if found is None else Run.model_validate(decode_fields(found))

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """See `RunStore.update`."""
        for attempt in range(ATTEMPTS):
            with told():
                found = await self._database.read(self._name(run_id))
            if found is None:
                raise RunNotFound(run_id)
            old = Run.model_validate(decode_fields(found))
            new = change(old)
            if new is None:
                return old
            check_transition(run_id, old.status, new.status)
            precondition = Precondition.wrap(Precondition.pb()(update_time=found.update_time))
            try:
                with told():
                    await self._commit(self._write(new, precondition))
            except (FailedPrecondition, Aborted):
                await asyncio.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))  # noqa: S311  # spreads the rivals
                continue
            return new
        raise Unavailable("Firestore")

    async def page(
        self, owner: str, *, statuses: Sequence[RunState] = (), limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[Run]:
        """See `RunStore.page`."""
        query: dict[str, object] = {
            **_of_owner(owner, statuses),
            "order_by": [
                {"field": {"field_path": path}, "direction": _Direction.DESCENDING}
                for path in ("created_at", "__name__")
            ],
            "limit": limit,
            "offset": offset,
        }
        if after is not None:
            reference = Value(reference_value=self._name(after.run_id))
            query["start_at"] = {"values": [Value.wrap(encode(after.created_at)), reference], "before": False}
        return await self._run_query(query)

    async def count(self, owner: str, *, statuses: Sequence[RunState] = ()) -> int:
        """See `RunStore.count`."""
        counting = StructuredAggregationQuery(
            structured_query=StructuredQuery(_of_owner(owner, statuses)),
            aggregations=[StructuredAggregationQuery.Aggregation(count={}, alias="total")],
        )
        with told():
            answers = await collect(
                self._database.client.run_aggregation_query(
                    request={"parent": self._database.documents, "structured_aggregation_query": counting},
                    **self._database.patience(),
                )
            )
        return int(answers[0].result.aggregate_fields["total"].integer_value)

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `RunStore.due`."""
        query = {
            "from_": [{"collection_id": COLLECTION}],
            "where": _field("check_at", _Operator.LESS_THAN_OR_EQUAL, now),
            "order_by": [{"field": {"field_path": "check_at"}, "direction": _Direction.ASCENDING}],
            "limit": limit,
        }
        return await self._run_query(query)

    async def ping(self) -> None:
        """See `Readiness.ping`."""
        await self._database.ping()

    def _name(self, run_id: str) -> str:
        return f"{self._database.documents}/{COLLECTION}/{run_id}"

    def _write(self, run: Run, precondition: Precondition) -> Write:
        raw = Document.pb()(name=self._name(run.run_id), fields=encode_fields(run.model_dump()))
        return Write(update=Document.wrap(raw), current_document=precondition)

    async def _commit(self, write: Write) -> None:
        await self._database.client.commit(
            request={"database": self._database.name, "writes": [write]},
            **self._database.patience(),
        )

    async def _run_query(self, query: Mapping[str, object]) -> list[Run]:
        with told():
            answers: list[Any] = await collect(
                self._database.client.run_query(
                    request={"parent": self._database.documents, "structured_query": StructuredQuery(query)},
                    **self._database.patience(),
                )
            )
        documents = [type(answer).pb(answer).document for answer in answers if "document" in answer]
        return [Run.model_validate(decode_fields(document)) for document in documents]


def _of_owner(owner: str, statuses: Sequence[RunState]) -> dict[str, object]:
    filters = [_field("user_email", _Operator.EQUAL, owner)]
    if statuses:
        filters.append(_field("status", _Operator.IN, [state.value for state in statuses]))
    return {
        "from_": [{"collection_id": COLLECTION}],
        "where": {"composite_filter": {"op": "AND", "filters": filters}},
    }


def _field(path: str, operator: int, value: object) -> dict[str, object]:
    comparison = {"field": {"field_path": path}, "op": operator, "value": Value.wrap(encode(value))}
    return {"field_filter": comparison}
