"""The catalog in Firestore: one document, a field for each ingested dataset, so that a cold function reads it at once."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition
from google.cloud.firestore_v1.types.common import Precondition
from google.cloud.firestore_v1.types.document import Document
from google.cloud.firestore_v1.types.write import Write

from shared.catalog import DatasetEntry
from shared.errors import Unavailable
from shared.store.firestore_database import FirestoreDatabase, told
from shared.store.firestore_values import decode_fields, encode_fields

DOCUMENT: Final = "catalog/ingested"
ATTEMPTS: Final = 8


class FirestoreCatalog:
    """The `Catalog` port on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database
        self._name = f"{database.documents}/{DOCUMENT}"

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""
        with told():
            found = await self._database.read(self._name)
        entries = {} if found is None else decode_fields(found)
        return [DatasetEntry.model_validate(entries[name]) for name in sorted(entries)]

    async def put(self, entry: DatasetEntry) -> None:
        """See `Catalog.put`."""
        await self._change(lambda entries: {**entries, entry.name: entry.model_dump()})

    async def remove(self, name: str) -> None:
        """See `Catalog.remove`."""
        await self._change(lambda entries: {key: value for key, value in entries.items() if key != name})

    async def _change(self, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
        for _ in range(ATTEMPTS):
            with told():
                found = await self._database.read(self._name)
            if found is None:
                entries, precondition = {}, Precondition(exists=False)
            else:
                entries = decode_fields(found)
                precondition = Precondition.wrap(Precondition.pb()(update_time=found.update_time))
            raw = Document.pb()(name=self._name, fields=encode_fields(change(entries)))
            write = Write(update=Document.wrap(raw), current_document=precondition)
            try:
                with told():
                    await self._database.client.commit(
                        request={"database": self._database.name, "writes": [write]},
                        **self._database.patience(),
                    )
            except (FailedPrecondition, Aborted, AlreadyExists):
                await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311  # spreads the rivals
                continue
            return
        raise Unavailable("Firestore")
