"""Runs in SQLite: the whole record as JSON, beside it the columns that are searched."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final

from shared.errors import RunExists, RunNotFound, TooManyRuns
from shared.fields import rfc3339
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunSummary
from shared.runs.states import ACTIVE, check_transition
from shared.store.sqlite_database import SqliteDatabase

_SUMMARY: Final = "json_remove(body, '$.outcome', '$.transitions')"
"""What to select for a summary: what is long and not of it is not handed over."""
WATCH_SECONDS: Final = 0.5


class SqliteRunStore:
    """The ports `RunStore`, `RunWatch` and `Readiness` on SQLite."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def create(self, run: Run, *, max_active: int = 0) -> None:
        """See `RunStore.create`."""

        def insert(connection: sqlite3.Connection) -> None:
            if _find(connection, run.run_id) is not None:
                raise RunExists(run.run_id)
            if max_active and _count(connection, RunFilter(run.user_email, ACTIVE)) >= max_active:
                raise TooManyRuns(max_active)
            connection.execute(
                "insert into runs (run_id, user_email, status, created_at, check_at, body)"
                " values (:run_id, :user_email, :status, :created_at, :check_at, :body)",
                _row(run),
            )

        await self._database.write(insert)

    async def get(self, run_id: str) -> Run | None:
        """See `RunStore.get`."""
        return await self._database.read(lambda connection: _find(connection, run_id))

    async def summary(self, run_id: str) -> RunSummary | None:
        """See `RunStore.summary`."""

        def select(connection: sqlite3.Connection) -> RunSummary | None:
            row = connection.execute(f"select {_SUMMARY} from runs where run_id = ?", (run_id,)).fetchone()  # noqa: S608  # fixed text
            return None if row is None else RunSummary.from_stored_json(row[0])

        return await self._database.read(select)

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

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """See `RunStore.page`."""
        where, values = _where(wanted)
        if after is not None:
            where += " and (created_at, run_id) < (?, ?)"
            values += [rfc3339(after.created_at), after.run_id]

        def select(connection: sqlite3.Connection) -> list[RunSummary]:
            rows = connection.execute(
                f"select {_SUMMARY} from runs where {where} order by created_at desc, run_id desc limit ? offset ?",  # noqa: S608  # fixed text
                [*values, limit, offset],
            )
            return [RunSummary.from_stored_json(body) for (body,) in rows]

        return await self._database.read(select)

    async def count(self, wanted: RunFilter) -> int:
        """See `RunStore.count`."""
        return await self._database.read(lambda connection: _count(connection, wanted))

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `RunStore.due`."""

        def select(connection: sqlite3.Connection) -> list[Run]:
            rows = connection.execute(
                "select body from runs where check_at <= ? order by check_at limit ?", (rfc3339(now), limit)
            )
            return [Run.from_stored_json(body) for (body,) in rows]

        return await self._database.read(select)

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """See `RunWatch.watch`. Another process may write, and SQLite tells nobody, so it looks twice a second."""
        seen: Run | None = None
        first = True
        while True:
            run = await self.get(run_id)
            if first or run != seen:
                yield run
            seen, first = run, False
            await asyncio.sleep(WATCH_SECONDS)

    async def ping(self) -> None:
        """See `Readiness.ping`."""
        await self._database.read(lambda connection: connection.execute("select 1").fetchone())


def _row(run: Run) -> dict[str, str | None]:
    return {
        "run_id": run.run_id,
        "user_email": run.user_email,
        "status": run.status.value,
        "created_at": rfc3339(run.created_at),
        "check_at": rfc3339(run.check_at) if run.check_at else None,
        "body": run.model_dump_json(),
    }


def _find(connection: sqlite3.Connection, run_id: str) -> Run | None:
    row = connection.execute("select body from runs where run_id = ?", (run_id,)).fetchone()
    return None if row is None else Run.from_stored_json(row[0])


def _count(connection: sqlite3.Connection, wanted: RunFilter) -> int:
    where, values = _where(wanted)
    query = f"select count(*) from runs where {where}"  # noqa: S608  # fixed text; values are bound
    return int(connection.execute(query, values).fetchone()[0])


def _where(wanted: RunFilter) -> tuple[str, list[str | int]]:
    terms, values = ["user_email = ?"], [wanted.owner]
    if wanted.statuses:
        terms.append(f"status in ({', '.join('?' for _ in wanted.statuses)})")
        values += [state.value for state in wanted.statuses]
    for moment, term in ((wanted.created_after, "created_at >= ?"), (wanted.created_before, "created_at < ?")):
        if moment is not None:
            terms.append(term)
            values.append(rfc3339(moment))
    return " and ".join(terms), [*values]
