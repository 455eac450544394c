"""Runs in Firestore: one document a run, in the collection `runs`.

A change is a read and a commit that holds only if the document is still the one that was read (`update_time` as precondition): one
transaction's guarantee for one document, without a transaction's extra round trip and without its lock, which the emulator makes
two readers wait two seconds for.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition
from google.cloud.firestore_v1.types.common import Precondition
from google.cloud.firestore_v1.types.document import Document, Value
from google.cloud.firestore_v1.types.query import StructuredAggregationQuery, StructuredQuery
from google.cloud.firestore_v1.types.write import Write

from shared.errors import RunExists, RunNotFound, TooManyRuns, Unavailable
from shared.ports import Cursor, RunFilter
from shared.records import Run
from shared.runs import ACTIVE, check_transition
from shared.store.firestore_database import FirestoreDatabase, collect, told
from shared.store.firestore_values import decode_fields, encode, encode_fields

COLLECTION: Final = "runs"
GATES: Final = "gates"
ATTEMPTS: Final = 20
MOST_BREAKS: Final = 6
"""Streams of one watch that may break before it gives up."""
_Operator = StructuredQuery.FieldFilter.Operator
_Direction = StructuredQuery.Direction


class FirestoreRunStore:
    """The ports `RunStore`, `RunWatch` and `Readiness` on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database

    async def create(self, run: Run, *, max_active: int = 0) -> None:
        """See `RunStore.create`.

        With a limit, the creates of one user go through the user's gate, a document that each of them writes: of two that counted the
        same runs, the second to commit finds the gate changed and counts again.
        """
        for attempt in range(ATTEMPTS):
            writes = [self._write(run, Precondition(exists=False))]
            if max_active:
                gate = await self._open_gate(run)
                if await self.count(RunFilter(run.user_email, ACTIVE)) >= max_active:
                    if await self.get(run.run_id) is not None:
                        raise RunExists(run.run_id)
                    raise TooManyRuns(max_active)
                writes.append(gate)
            try:
                with told():
                    await self._commit(*writes)
            except AlreadyExists:
                kept = await self.get(run.run_id)
                if kept == run:
                    return  # the client repeated a commit whose answer was lost, and met its own document
                if kept is not None:
                    raise RunExists(run.run_id) from None
            except (FailedPrecondition, Aborted):
                await _step_aside(attempt)
            else:
                return
        raise Unavailable("Firestore")

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
                await _step_aside(attempt)
                continue
            return new
        raise Unavailable("Firestore")

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[Run]:
        """See `RunStore.page`."""
        query: dict[str, object] = {
            **_of(wanted),
            "limit": limit,
            "offset": offset,
        }
        if after is not None:
            reference = Value(reference_value=self._name(after.run_id))
            query["start_at"] = {"values": [Value.wrap(encode(after.created_at)), reference], "before": False}
        return await self._run_query(query)

    async def count(self, wanted: RunFilter) -> int:
        """See `RunStore.count`."""
        counting = StructuredAggregationQuery(
            structured_query=StructuredQuery(_of(wanted)),
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

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """See `RunWatch.watch`. A stream that breaks is opened again; its first answer tells what came meanwhile."""
        for breaks in range(MOST_BREAKS):
            try:
                async with aclosing(self._database.changes(self._name(run_id))) as documents:
                    async for document in documents:
                        yield None if document is None else Run.model_validate(decode_fields(document))
            except Unavailable:
                if breaks + 1 == MOST_BREAKS:
                    raise
            await asyncio.sleep(0.1 * 2**breaks)
        raise Unavailable("Firestore")

    async def ping(self) -> None:
        """See `Readiness.ping`."""
        await self._database.ping()

    def _name(self, run_id: str) -> str:
        return f"{self._database.documents}/{COLLECTION}/{run_id}"

    def _write(self, run: Run, precondition: Precondition) -> Write:
        raw = Document.pb()(name=self._name(run.run_id), fields=encode_fields(run.model_dump()))
        return Write(update=Document.wrap(raw), current_document=precondition)

    async def _open_gate(self, run: Run) -> Write:
        """The write to the owner's gate that holds only if nobody else goes through it first."""
        name = f"{self._database.documents}/{GATES}/{hashlib.sha256(run.user_email.encode()).hexdigest()}"
        with told():
            found = await self._database.read(name)
        seen = {"exists": False} if found is None else {"update_time": found.update_time}
        raw = Document.pb()(name=name, fields=encode_fields({"last_run": run.run_id}))
        return Write(update=Document.wrap(raw), current_document=Precondition.wrap(Precondition.pb()(**seen)))

    async def _commit(self, *writes: Write) -> None:
        await self._database.client.commit(
            request={"database": self._database.name, "writes": writes},
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


def _of(wanted: RunFilter) -> dict[str, object]:
    filters = [_field("user_email", _Operator.EQUAL, wanted.owner)]
    if wanted.statuses:
        filters.append(_field("status", _Operator.IN, [state.value for state in wanted.statuses]))
    if wanted.created_after is not None:
        filters.append(_field("created_at", _Operator.GREATER_THAN_OR_EQUAL, wanted.created_after))
    if wanted.created_before is not None:
        filters.append(_field("created_at", _Operator.LESS_THAN, wanted.created_before))
    return {
        "from_": [{"collection_id": COLLECTION}],
        "where": {"composite_filter": {"op": "AND", "filters": filters}},
        # A count names the order too: without it, a range of times would need an index of its own, ascending.
        "order_by": [
            {"field": {"field_path": path}, "direction": _Direction.DESCENDING} for path in ("created_at", "__name__")
        ],
    }


async def _step_aside(attempt: int) -> None:
    """Let the rival finish; the longer the more often this one lost."""
    await asyncio.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))  # noqa: S311  # spreads the rivals, no secret


def _field(path: str, operator: int, value: object) -> dict[str, object]:
    comparison = {"field": {"field_path": path}, "op": operator, "value": Value.wrap(encode(value))}
    return {"field_filter": comparison}
