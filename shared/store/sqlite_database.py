"""An SQLite database in WAL mode: safe between processes, one connection in one thread of its own."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from shared.errors import Unavailable

BUSY_SECONDS: Final = 10
SCHEMA: Final = """
create table if not exists runs (
    run_id text primary key,
    user_email text not null,
    status text not null,
    created_at text not null,
    check_at text,
    body text not null
) strict;
create index if not exists runs_of_owner on runs (user_email, created_at desc, run_id desc);
create index if not exists runs_of_owner_in_status on runs (user_email, status, created_at desc, run_id desc);
create index if not exists runs_due on runs (check_at) where check_at is not null;
create table if not exists datasets (name text primary key, body text not null) strict;
"""
T = TypeVar("T")


class SqliteDatabase:
    """A database file, opened at the first use.

    Args:
        path: the file; its folder must be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something that only reads.

        Raises:
            Unavailable: the file is locked, or cannot be read.
        """
        return await self._do(work, write=False)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction that locks out other writers from its start; any error undoes it all.

        Raises:
            Unavailable: the file is locked, or cannot be written.
        """
        return await self._do(work, write=True)

    async def close(self) -> None:
        """Close the connection and end its thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work, write)
        except sqlite3.OperationalError as error:
            raise Unavailable("The SQLite database") from error

    def _transact(self, work: Callable[[sqlite3.Connection], T], write: bool) -> T:
        connection = self._connect()
        if not write:
            return work(connection)
        connection.execute("begin immediate")
        try:
            done = work(connection)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
        return done

    def _connect(self) -> sqlite3.Connection:
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
