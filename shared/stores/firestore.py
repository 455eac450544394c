"""Runs in Firestore: one document per run in `runs`.

A change is a read, and a commit whose precondition is the `update_time` that was read: for one document that is a transaction's guarantee,
without its additional round trip and without its lock, for which the emulator makes two readers wait two seconds.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from shared.errors import RunExists, RunNotFound, TooManyRuns, Unavailable
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunSummary
from shared.runs.states import ACTIVE, KEY_LIFETIME, check_transition
from shared.stores.firestore_client import DocumentExists, FirestoreDatabase, Raw, decode_fields, delete, encode, write
from shared.stores.reading import Read, readable_page

RUNS: Final = "runs"
# The name in stored databases and in firestore.indexes.json.
USER_LOCKS: Final = "user_locks"
# A document for each idempotency key: the run that it stands for.
KEYS: Final = "idempotency_keys"
# The outcome and the history are most of a run's document, and decoding them would be most of the cost of a poll.
SUMMARY_FIELDS: Final = tuple(field.serialization_alias or name for name, field in RunSummary.model_fields.items())
# Streams that may break before a watch fails.
MAX_STREAMS: Final = 6


class FirestoreRunStore:
    """The port `RunDatabase` on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database

    async def create(self, run: Run, *, max_active: int = 0, replaces: str | None = None) -> None:
        """See `RunStore.create`."""

        async def attempt() -> None:
            writes = [write(self._name(run.run_id), run.model_dump(), replaces=None)]
            if run.idempotency_key is not None:
                # A key that stood for no run needs no second read: its document must not exist.
                found = None if replaces is None else await self._database.read(self._key_name(run.idempotency_key))
                if found is not None and decode_fields(found)["run_id"] != replaces:
                    await self._is_stored(run, replaces)  # raises unless an earlier attempt stored it
                    return
                writes.append(self._key(run, run.idempotency_key, found))
            if max_active:
                # All creates of a user write the user's lock. If two count the same runs, the second commit finds the lock changed,
                # and counts again.
                writes.append(await self._lock_user(run))
                if await self.count(RunFilter(run.owners, ACTIVE)) >= max_active:
                    if not await self._is_stored(run, replaces):
                        raise TooManyRuns(max_active)
                    return
            try:
                await self._database.commit(*writes)
            except DocumentExists:
                if not await self._is_stored(run, replaces):
                    raise

        await self._database.change(attempt)

    async def run_of_key(self, key: str) -> str | None:
        """See `RunStore.run_of_key`."""
        found = await self._database.read(self._key_name(key))
        return None if found is None else str(decode_fields(found)["run_id"])

    async def get(self, run_id: str) -> Run | None:
        """See `RunStore.get`."""
        found = await self._database.read(self._name(run_id))
        return None if found is None else _run(found)

    async def summary(self, run_id: str) -> RunSummary | None:
        """See `RunStore.summary`."""
        found = await self._database.read(self._name(run_id), fields=SUMMARY_FIELDS)
        return None if found is None else _summary(found)

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """See `RunStore.update`."""

        async def attempt() -> Run:
            found = await self._database.read(self._name(run_id))
            if found is None:
                raise RunNotFound(run_id)
            old = _run(found)
            new = change(old)
            if new is None:
                return old
            check_transition(run_id, old.status, new.status)
            await self._database.commit(write(found.name, new.model_dump(), replaces=found))
            return new

        return await self._database.change(attempt)

    async def delete(self, run_id: str) -> None:
        """See `RunStore.delete`."""
        # Repeated after a lost answer, it finds nothing to delete. No run gets this id again except by its own idempotency key.
        await self._database.change(lambda: self._database.commit(delete(self._name(run_id))))

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """See `RunStore.page`."""
        select = {"fields": [{"field_path": path} for path in SUMMARY_FIELDS]}
        query = {**_matching(wanted), "select": select}
        if after is not None:
            last = [encode(after.created_at), {"reference_value": self._name(after.run_id)}]
            query["start_at"] = {"values": last, "before": False}
        return await self._readable(query, _summary, limit, offset)

    async def count(self, wanted: RunFilter) -> int:
        """See `RunStore.count`."""
        return await self._database.count(_matching(wanted))

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `RunStore.due`."""
        query = {
            "from_": [{"collection_id": RUNS}],
            "where": _field("check_at", "LESS_THAN_OR_EQUAL", now),
            "order_by": [{"field": {"field_path": "check_at"}, "direction": "ASCENDING"}],
        }
        return await self._readable(query, _run, limit, 0)

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """See `RunWatch.watch`. A stream that breaks is opened again, and its first message shows what was missed."""
        for broken in range(MAX_STREAMS):
            try:
                async with aclosing(self._database.changes(self._name(run_id))) as documents:
                    async for document in documents:
                        yield None if document is None else _run(document)
            except Unavailable:
                if broken + 1 == MAX_STREAMS:
                    raise
            await asyncio.sleep(0.1 * 2**broken)
        raise Unavailable("Firestore")

    async def ping(self) -> None:
        """See `RunDatabase.ping`."""
        await self._database.ping()

    async def ping_write(self, moment: datetime) -> None:
        """See `RunDatabase.ping_write`."""
        await self._database.ping_write({"written_at": moment})

    async def _readable(
        self, query: Mapping[str, object], read: Callable[[Raw], Read], limit: int, offset: int
    ) -> Sequence[Read]:
        async def fetch(missing: int, skipped: int) -> list[tuple[str, Raw]]:
            documents = await self._database.query({**query, "limit": {"value": missing}, "offset": skipped})
            return [(document.name.rpartition("/")[2], document) for document in documents]

        return await readable_page(fetch, read, limit=limit, offset=offset)

    def _name(self, run_id: str) -> str:
        return f"{self._database.documents}/{RUNS}/{run_id}"

    def _key_name(self, key: str) -> str:
        return f"{self._database.documents}/{KEYS}/{key}"

    def _key(self, run: Run, key: str, found: Raw | None) -> Raw:
        # Twice the lifetime, so that no clock of another machine finds a key deleted that is still in force.
        fields = {"run_id": run.run_id, "expire_at": run.created_at + 2 * KEY_LIFETIME}
        return write(self._key_name(key), fields, replaces=found)

    async def _is_stored(self, run: Run, replaces: str | None) -> bool:
        """Return whether this very run is stored, because the answer to an earlier attempt was lost.

        Raises:
            RunExists: another run with its id is stored, or its key stands for another run than `replaces`.
        """
        stored = await self.get(run.run_id)
        if stored is not None and stored != run:
            raise RunExists(run.run_id)
        if stored is None and run.idempotency_key and await self.run_of_key(run.idempotency_key) != replaces:
            raise RunExists(run.run_id)
        return stored is not None

    async def _lock_user(self, run: Run) -> Raw:
        """Return a write to the lock of the run's owner that holds only if no other create of this user comes first."""
        name = f"{self._database.documents}/{USER_LOCKS}/{hashlib.sha256(run.owner.encode()).hexdigest()}"
        return write(name, {"last_run": run.run_id}, replaces=await self._database.read(name))


def _run(document: Raw) -> Run:
    return Run.from_stored(decode_fields(document))


def _summary(document: Raw) -> RunSummary:
    return RunSummary.from_stored(decode_fields(document))


def _matching(wanted: RunFilter) -> dict[str, object]:
    # Up to 30 disjunctions are allowed: two owners, times the five states.
    filters = [_field("user_email", "IN", list(wanted.owners))]
    if wanted.statuses:
        filters.append(_field("status", "IN", [state.value for state in wanted.statuses]))
    if wanted.label is not None:
        filters.append(_field("label", "EQUAL", wanted.label))
    if wanted.created_after is not None:
        filters.append(_field("created_at", "GREATER_THAN_OR_EQUAL", wanted.created_after))
    if wanted.created_before is not None:
        filters.append(_field("created_at", "LESS_THAN", wanted.created_before))
    return {
        "from_": [{"collection_id": RUNS}],
        "where": {"composite_filter": {"op": "AND", "filters": filters}},
        # Counts need the order too: without it, a range of times would need another index, an ascending one.
        "order_by": [{"field": {"field_path": path}, "direction": "DESCENDING"} for path in ("created_at", "__name__")],
    }


def _field(path: str, operator: str, value: object) -> dict[str, object]:
    return {"field_filter": {"field": {"field_path": path}, "op": operator, "value": encode(value)}}
