"""The catalog in SQLite: a row for each ingested dataset."""

import sqlite3
from collections.abc import Sequence

from shared.catalog.entries import DatasetEntry
from shared.store.sqlite_database import SqliteDatabase


class SqliteCatalog:
    """The `Catalog` port on SQLite."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""

        def select(connection: sqlite3.Connection) -> list[DatasetEntry]:
            rows = connection.execute("select body from datasets order by name")
            return [DatasetEntry.from_stored_json(body) for (body,) in rows]

        return await self._database.read(select)

    async def put(self, entry: DatasetEntry) -> None:
        """See `Catalog.put`."""
        row = (entry.name, entry.model_dump_json())
        await self._database.write(
            lambda connection: connection.execute(
                "insert into datasets (name, body) values (?, ?) on conflict (name) do update set body = excluded.body",
                row,
            )
        )

    async def remove(self, name: str) -> None:
        """See `Catalog.remove`."""
        await self._database.write(
            lambda connection: connection.execute("delete from datasets where name = ?", (name,))
        )
