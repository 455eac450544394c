"""The catalog in Firestore: one document, a field for each ingested dataset, so that a cold function reads it at once."""

import asyncio
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Final

from shared.catalog.entries import DatasetEntry
from shared.errors import Unavailable
from shared.stores.firestore_client import (
    Document,
    DocumentChanged,
    FirestoreDatabase,
    Write,
    decode_fields,
    encode_fields,
)

DOCUMENT: Final = "catalog/ingested"
ATTEMPTS: Final = 8


class FirestoreCatalog:
    """The `Catalog` port on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database
        self._name = f"{database.documents}/{DOCUMENT}"

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""
        found = await self._database.read(self._name)
        entries = {} if found is None else decode_fields(found)
        return [DatasetEntry.from_stored(entries[name]) for name in sorted(entries)]

    async def put(self, entry: DatasetEntry) -> None:
        """See `Catalog.put`."""
        await self._change(lambda entries: {**entries, entry.name: entry.model_dump()})

    async def remove(self, name: str) -> None:
        """See `Catalog.remove`."""
        await self._change(lambda entries: {key: value for key, value in entries.items() if key != name})

    async def _change(self, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
        for _ in range(ATTEMPTS):
            found = await self._database.read(self._name)
            entries = {} if found is None else decode_fields(found)
            seen = {"exists": False} if found is None else {"update_time": found.update_time}
            kept = Document(name=self._name, fields=encode_fields(change(entries)))
            try:
                await self._database.commit(Write(update=kept, current_document=seen))
            except DocumentChanged:
                await asyncio.sleep(SystemRandom().uniform(0, 0.1))
                continue
            return
        raise Unavailable("Firestore")
