"""Runs and the catalog in SQLite: the whole record as JSON, and beside it the columns that are searched."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from shared.catalog.entries import DatasetEntry
from shared.catalog.packing import Known, parse
from shared.errors import NotWritable, RunExists, RunNotFound, TooManyRuns, Unavailable
from shared.fields import rfc3339
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunSummary
from shared.runs.states import ACTIVE, check_transition
from shared.stores.reading import Read, readable_page

BUSY_SECONDS: Final = 10
# Another process may write, and SQLite notifies nobody, so a watch polls.
WATCH_SECONDS: Final = 0.5
SCHEMA: Final = """
create table if not exists runs (
    run_id text primary key,
    user_email text not null, -- the owner; see `RunSummary`
    status text not null,
    created_at text not null,
    check_at text,
    body text not null
) strict;
create index if not exists runs_of_owner on runs (user_email, created_at desc, run_id desc);
create index if not exists runs_of_owner_in_status on runs (user_email, status, created_at desc, run_id desc);
create index if not exists runs_due on runs (check_at) where check_at is not null;
create table if not exists idempotency_keys (digest text primary key, run_id text not null) strict;
create table if not exists health (name text primary key, written_at text not null) strict;
create table if not exists datasets (name text primary key, body text not null) strict;
"""
# A summary does not need the long parts of a run.
_SUMMARY: Final = "json_remove(body, '$.outcome', '$.transitions')"
T = TypeVar("T")


class SqliteDatabase:
    """A database file in WAL mode, safe between processes, with one connection in one thread. It is opened at the first use.

    Every method raises `Unavailable` if the file is locked, or cannot be read or written.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads."""
        return await self._run(lambda: work(self._connected()))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction that excludes other writers from its start; an error rolls it back."""

        def transact() -> T:
            connection = self._connected()
            connection.execute("begin immediate")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
            return result

        return await self._run(transact)

    async def close(self) -> None:
        """Close the connection and end its thread."""
        await self._run(self._disconnect)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.OperationalError as error:
            raise Unavailable("The SQLite database") from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.executescript(SCHEMA)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SqliteRunStore:
    """The port `RunDatabase` on SQLite."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def create(self, run: Run, *, max_active: int = 0, replaces: str | None = None) -> None:
        """See `RunStore.create`."""

        def insert(connection: sqlite3.Connection) -> None:
            key = run.idempotency_key
            if _find(connection, run.run_id) is not None or (key and _run_of_key(connection, key) != replaces):
                raise RunExists(run.run_id)
            if max_active and _count(connection, RunFilter(run.owners, ACTIVE)) >= max_active:
                raise TooManyRuns(max_active)
            connection.execute(
                "insert into runs (run_id, user_email, status, created_at, check_at, body)"
                " values (:run_id, :user_email, :status, :created_at, :check_at, :body)",
                _row(run),
            )
            if key:
                connection.execute(
                    "insert or replace into idempotency_keys (digest, run_id) values (?, ?)", (key, run.run_id)
                )

        await self._database.write(insert)

    async def run_of_key(self, key: str) -> str | None:
        """See `RunStore.run_of_key`."""
        return await self._database.read(lambda connection: _run_of_key(connection, key))

    async def get(self, run_id: str) -> Run | None:
        """See `RunStore.get`."""
        return await self._database.read(lambda connection: _find(connection, run_id))

    async def summary(self, run_id: str) -> RunSummary | None:
        """See `RunStore.summary`."""
        query = f"select {_SUMMARY} from runs where run_id = ?"  # noqa: S608  # fixed text; values are bound
        found = await self._database.read(lambda connection: connection.execute(query, [run_id]).fetchone())
        return RunSummary.from_stored_json(found[0]) if found else None

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """See `RunStore.update`."""

        def transact(connection: sqlite3.Connection) -> Run:
            old = _find(connection, run_id)
            if old is None:
                raise RunNotFound(run_id)
            new = change(old)
            if new is None:
                return old
            check_transition(run_id, old.status, new.status)
            connection.execute(
                "update runs set status = :status, check_at = :check_at, body = :body where run_id = :run_id", _row(new)
            )
            return new

        return await self._database.write(transact)

    async def delete(self, run_id: str) -> None:
        """See `RunStore.delete`."""
        delete = "delete from runs where run_id = ?"
        await self._database.write(lambda connection: connection.execute(delete, (run_id,)))

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """See `RunStore.page`."""
        where, values = _where(wanted)
        if after is not None:
            where += " and (created_at, run_id) < (?, ?)"
            values += [rfc3339(after.created_at), after.run_id]
        query = (
            f"select run_id, {_SUMMARY} from runs where {where} order by created_at desc, run_id desc limit ? offset ?"  # noqa: S608  # fixed text; values are bound
        )
        return await self._readable(query, values, RunSummary.from_stored_json, limit, offset)

    async def count(self, wanted: RunFilter) -> int:
        """See `RunStore.count`."""
        return await self._database.read(lambda connection: _count(connection, wanted))

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `RunStore.due`."""
        query = "select run_id, body from runs where check_at <= ? order by check_at limit ? offset ?"
        return await self._readable(query, [rfc3339(now)], Run.from_stored_json, limit, 0)

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """See `RunWatch.watch`."""
        seen = await self.get(run_id)
        yield seen
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            run = await self.get(run_id)
            if run != seen:
                yield run
            seen = run

    async def ping(self) -> None:
        """See `RunDatabase.ping`."""
        await self._database.read(lambda connection: connection.execute("select 1").fetchone())

    async def ping_write(self, moment: datetime) -> None:
        """See `RunDatabase.ping_write`."""
        upsert = "insert or replace into health (name, written_at) values ('write', ?)"
        try:
            await self._database.write(lambda connection: connection.execute(upsert, (rfc3339(moment),)))
        except Unavailable as error:
            # A lock passes; a full disk, a read-only file and a broken disk do not.
            if getattr(error.__cause__, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise
            raise NotWritable(error.service) from error

    async def _readable(
        self, query: str, values: Sequence[str | int], read: Callable[[str], Read], limit: int, offset: int
    ) -> Sequence[Read]:
        async def fetch(missing: int, skipped: int) -> list[tuple[str, str]]:
            bound = [*values, missing, skipped]
            return await self._database.read(lambda connection: connection.execute(query, bound).fetchall())

        return await readable_page(fetch, read, limit=limit, offset=offset)


class SqliteCatalog:
    """The `Catalog` port on SQLite: a row for each ingested dataset."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._known: Known[str] = Known()

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""
        query = "select name, body from datasets"
        rows = await self._database.read(lambda connection: connection.execute(query).fetchall())
        return self._known.replace({name: (body, self._known.get(name, body) or parse(body)) for name, body in rows})

    async def put(self, entry: DatasetEntry) -> None:
        """See `Catalog.put`."""
        upsert = "insert into datasets (name, body) values (?, ?) on conflict (name) do update set body = excluded.body"
        row = (entry.name, entry.model_dump_json())
        await self._database.write(lambda connection: connection.execute(upsert, row))

    async def remove(self, name: str) -> None:
        """See `Catalog.remove`."""
        delete = "delete from datasets where name = ?"
        await self._database.write(lambda connection: connection.execute(delete, (name,)))


def _row(run: Run) -> dict[str, str | None]:
    return {
        "run_id": run.run_id,
        "user_email": run.owner,
        "status": run.status.value,
        "created_at": rfc3339(run.created_at),
        "check_at": rfc3339(run.check_at) if run.check_at else None,
        "body": run.model_dump_json(),
    }


def _find(connection: sqlite3.Connection, run_id: str) -> Run | None:
    row = connection.execute("select body from runs where run_id = ?", (run_id,)).fetchone()
    return None if row is None else Run.from_stored_json(row[0])


def _run_of_key(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("select run_id from idempotency_keys where digest = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _count(connection: sqlite3.Connection, wanted: RunFilter) -> int:
    where, values = _where(wanted)
    query = f"select count(*) from runs where {where}"  # noqa: S608  # fixed text; values are bound
    return int(connection.execute(query, values).fetchone()[0])


def _where(wanted: RunFilter) -> tuple[str, list[str | int]]:
    terms, values = [f"user_email in ({_places(wanted.owners)})"], [*wanted.owners]
    if wanted.statuses:
        terms.append(f"status in ({_places(wanted.statuses)})")
        values += [state.value for state in wanted.statuses]
    if wanted.label is not None:
        terms.append("json_extract(body, '$.label') = ?")
        values.append(wanted.label)
    for moment, term in ((wanted.created_after, "created_at >= ?"), (wanted.created_before, "created_at < ?")):
        if moment is not None:
            terms.append(term)
            values.append(rfc3339(moment))
    return " and ".join(terms), [*values]


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
