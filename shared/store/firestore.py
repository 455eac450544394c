"""Runs in Firestore: one document a run, in the collection `runs`.

A change is a read and a commit that holds only if the document is still the one that was read (`update_time` as precondition): one
transaction's guarantee for one document, without a transaction's extra round trip and without its lock, which the emulator makes
two readers wait two seconds for.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from random import SystemRandom
from typing import Final

from shared.errors import RunExists, RunNotFound, TooManyRuns, Unavailable
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunSummary
from shared.runs.states import ACTIVE, check_transition
from shared.stores.firestore_client import (
    Document,
    DocumentChanged,
    DocumentExists,
    FirestoreDatabase,
    Raw,
    StructuredQuery,
    Write,
    decode_fields,
    encode,
    encode_fields,
)

COLLECTION: Final = "runs"
GATES: Final = "gates"
SUMMARY: Final = tuple(RunSummary.model_fields)
"""Most of a run's document is its outcome and its history: decoding those would be most of what a poll costs."""
ATTEMPTS: Final = 20
MOST_BREAKS: Final = 6
"""Streams of one watch that may break before it gives up."""


class FirestoreRunStore:
    """The ports `RunStore`, `RunWatch` and `Readiness` on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database

    async def create(self, run: Run, *, max_active: int = 0) -> None:
        """See `RunStore.create`.

        With a limit, the creates of one user go through the user's gate, a document that each of them writes: of two that counted the
        same runs, the second to commit finds the gate changed and counts again.
        """
        async with self._database.in_time():
            for attempt in range(ATTEMPTS):
                writes = [self._write(run, exists=False)]
                if max_active:
                    gate = await self._open_gate(run)
                    if await self.count(RunFilter(run.user_email, ACTIVE)) >= max_active:
                        if await self._is_kept(run):
                            return
                        raise TooManyRuns(max_active)
                    writes.append(gate)
                try:
                    await self._database.commit(*writes)
                except DocumentChanged as error:
                    if isinstance(error, DocumentExists) and await self._is_kept(run):
                        return
                    await _step_aside(attempt)
                else:
                    return
        raise Unavailable("Firestore")

    async def get(self, run_id: str) -> Run | None:
        """See `RunStore.get`."""
        found = await self._database.read(self._name(run_id))
        return None if found is None else _run(found)

    async def summary(self, run_id: str) -> RunSummary | None:
        """See `RunStore.summary`."""
        found = await self._database.read(self._name(run_id), fields=SUMMARY)
        return None if found is None else _summary(found)

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """See `RunStore.update`."""
        async with self._database.in_time():
            for attempt in range(ATTEMPTS):
                found = await self._database.read(self._name(run_id))
                if found is None:
                    raise RunNotFound(run_id)
                old = _run(found)
                new = change(old)
                if new is None:
                    return old
                check_transition(run_id, old.status, new.status)
                try:
                    await self._database.commit(self._write(new, update_time=found.update_time))
                except DocumentChanged:
                    await _step_aside(attempt)
                else:
                    return new
        raise Unavailable("Firestore")

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """See `RunStore.page`."""
        shown = {"fields": [{"field_path": path} for path in SUMMARY]}
        query = {**_of(wanted), "select": shown, "limit": {"value": limit}, "offset": offset}
        if after is not None:
            reference = {"reference_value": self._name(after.run_id)}
            query["start_at"] = {"values": [encode(after.created_at), reference], "before": False}
        return [_summary(found) for found in await self._database.query(StructuredQuery(**query))]

    async def count(self, wanted: RunFilter) -> int:
        """See `RunStore.count`."""
        return await self._database.count(StructuredQuery(**_of(wanted)))

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `RunStore.due`."""
        query = {
            "from_": [{"collection_id": COLLECTION}],
            "where": _field("check_at", "LESS_THAN_OR_EQUAL", now),
            "order_by": [{"field": {"field_path": "check_at"}, "direction": "ASCENDING"}],
            "limit": {"value": limit},
        }
        return [_run(found) for found in await self._database.query(StructuredQuery(**query))]

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """See `RunWatch.watch`. A stream that breaks is opened again; its first answer tells what came meanwhile."""
        for breaks in range(MOST_BREAKS):
            try:
                async with aclosing(self._database.changes(self._name(run_id))) as documents:
                    async for document in documents:
                        yield None if document is None else _run(document)
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

    def _write(self, run: Run, **precondition: object) -> Raw:
        kept = Document(name=self._name(run.run_id), fields=encode_fields(run.model_dump()))
        return Write(update=kept, current_document=precondition)

    async def _is_kept(self, run: Run) -> bool:
        """Whether this very run is kept already, because the answer to an earlier try was lost.

        Raises:
            RunExists: another run of its id is.
        """
        kept = await self.get(run.run_id)
        if kept is not None and kept != run:
            raise RunExists(run.run_id)
        return kept is not None

    async def _open_gate(self, run: Run) -> Raw:
        """The write to the owner's gate that holds only if nobody else goes through it first."""
        name = f"{self._database.documents}/{GATES}/{hashlib.sha256(run.user_email.encode()).hexdigest()}"
        found = await self._database.read(name)
        seen = {"exists": False} if found is None else {"update_time": found.update_time}
        gate = Document(name=name, fields=encode_fields({"last_run": run.run_id}))
        return Write(update=gate, current_document=seen)


def _run(document: Raw) -> Run:
    return Run.from_stored(decode_fields(document))


def _summary(document: Raw) -> RunSummary:
    return RunSummary.from_stored(decode_fields(document))


def _of(wanted: RunFilter) -> dict[str, object]:
    filters = [_field("user_email", "EQUAL", wanted.owner)]
    if wanted.statuses:
        filters.append(_field("status", "IN", [state.value for state in wanted.statuses]))
    if wanted.created_after is not None:
        filters.append(_field("created_at", "GREATER_THAN_OR_EQUAL", wanted.created_after))
    if wanted.created_before is not None:
        filters.append(_field("created_at", "LESS_THAN", wanted.created_before))
    return {
        "from_": [{"collection_id": COLLECTION}],
        "where": {"composite_filter": {"op": "AND", "filters": filters}},
        # A count names the order too: without it, a range of times would need an index of its own, ascending.
        "order_by": [{"field": {"field_path": path}, "direction": "DESCENDING"} for path in ("created_at", "__name__")],
    }


async def _step_aside(attempt: int) -> None:
    """Let the rival finish; the longer the more often this one lost."""
    await asyncio.sleep(SystemRandom().uniform(0, 0.02 * 2 ** min(attempt, 5)))


def _field(path: str, operator: str, value: object) -> dict[str, object]:
    comparison = {"field": {"field_path": path}, "op": operator, "value": encode(value)}
    return {"field_filter": comparison}
