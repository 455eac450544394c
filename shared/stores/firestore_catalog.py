"""The catalog in Firestore: one document with a field for each dataset, so that a cold function reads it in one call.

A field holds the packed entry. A document holds at most 1 MiB, so the largest entries are in parts, which are documents of their own, and
their field names the parts by the hash of the entry. A part never changes. One commit writes the parts of a new entry, switches the field,
and deletes the parts of the old entry, so a reader sees one entry or the other.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shared.catalog.entries import DatasetEntry
from shared.catalog.packing import Known, pack, unpack
from shared.errors import Unavailable
from shared.stores.firestore_client import FirestoreDatabase, Raw, decode_fields, delete, overwrite, write

CATALOG: Final = "catalog/ingested"
# Firestore's limit is 1 MiB (1,048,576 bytes), including the names of the document and its fields.
MAX_DOCUMENT: Final = 900_000
# The size of a field that names parts, rounded up.
_REFERENCE_BYTES: Final = 200
# Readings of a catalog whose parts are being replaced, before a load fails.
_MAX_READINGS: Final = 5
# A packed entry, a map that names its parts, or, of an earlier version, an entry as a map.
Stored = bytes | dict[str, Any]


class FirestoreCatalog:
    """The `Catalog` port on Firestore."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database
        self._name = f"{database.documents}/{CATALOG}"
        self._known: Known[Stored] = Known()

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`. Costs a further read for each part of an entry that is new to this object."""
        for _ in range(_MAX_READINGS):
            _, fields = await self._read()
            entries = await asyncio.gather(*(self._entry(name, fields[name]) for name in fields))
            found = {
                name: (fields[name], entry) for name, entry in zip(fields, entries, strict=True) if entry is not None
            }
            if len(found) == len(fields):
                return self._known.replace(found)
        raise Unavailable("Firestore")

    async def put(self, entry: DatasetEntry) -> None:
        """See `Catalog.put`.

        Raises:
            CatalogFull: the entry is too large.
        """
        await self._change(entry.name, pack(entry))

    async def remove(self, name: str) -> None:
        """See `Catalog.remove`."""
        await self._change(name, None)

    async def _read(self) -> tuple[Raw | None, dict[str, Any]]:
        found = await self._database.read(self._name)
        return found, {} if found is None else decode_fields(found)

    async def _entry(self, name: str, stored: Stored) -> DatasetEntry | None:
        """Return an entry; None if one of its parts is gone, because a writer has replaced the entry."""
        if known := self._known.get(name, stored):
            return known
        if isinstance(stored, bytes):
            return unpack(stored)
        if not _is_reference(stored):
            return DatasetEntry.from_stored(stored)
        parts = await asyncio.gather(*(self._database.read(part) for part in self._part_names(name, stored)))
        found = [part.fields["data"].bytes_value for part in parts if part is not None]
        return unpack(b"".join(found)) if len(found) == len(parts) else None

    async def _change(self, name: str, packed: bytes | None) -> None:
        """Replace one entry, or remove it."""

        async def attempt() -> None:
            found, fields = await self._read()
            old = {part for each in fields for part in self._part_names(each, fields[each])}
            new: dict[str, Stored] = {each: _packed(stored) for each, stored in fields.items() if each != name}
            if packed is not None:
                new[name] = packed
            parts: dict[str, bytes] = {}
            while _size(new) > MAX_DOCUMENT:
                # The largest entry makes most room, and leaves the small ones to be read in one call.
                largest, content = max(_inline(new), key=lambda each: len(each[1]))
                pieces = [content[start : start + MAX_DOCUMENT] for start in range(0, len(content), MAX_DOCUMENT)]
                reference = {"digest": hashlib.sha256(content).hexdigest(), "parts": len(pieces)}
                parts |= zip(self._part_names(largest, reference), pieces, strict=True)
                new[largest] = reference
            kept = {part for each in new for part in self._part_names(each, new[each])}
            await self._database.commit(
                *(overwrite(part, {"data": data}) for part, data in parts.items()),
                *(delete(part) for part in sorted(old - kept)),
                write(self._name, new, replaces=found),
            )

        await self._database.change(attempt)

    def _part_names(self, name: str, stored: Stored) -> list[str]:
        """Return the full names of the documents that hold the parts of an entry; none if it has no parts."""
        if isinstance(stored, bytes) or not _is_reference(stored):
            return []
        return [f"{self._name}.{name}.{stored['digest'][:16]}.{number}" for number in range(stored["parts"])]


def _is_reference(stored: Mapping[str, Any]) -> bool:
    return "parts" in stored


def _packed(stored: Stored) -> Stored:
    if isinstance(stored, bytes) or _is_reference(stored):
        return stored
    return pack(DatasetEntry.from_stored(stored))


def _inline(fields: Mapping[str, Stored]) -> Iterator[tuple[str, bytes]]:
    return ((name, stored) for name, stored in fields.items() if isinstance(stored, bytes))


def _size(fields: Mapping[str, Stored]) -> int:
    return sum(
        len(name) + (len(stored) if isinstance(stored, bytes) else _REFERENCE_BYTES) for name, stored in fields.items()
    )
