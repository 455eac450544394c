"""Entries as compressed JSON, for stores that limit the size of a record: 10,000 conditions × 5 types × 12 donors make 1.3 MB of 6.6 MB."""

import gc
import zlib
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from shared.catalog.entries import DatasetEntry
from shared.errors import CatalogFull

# Higher levels take ten times as long for a tenth of the size.
LEVEL: Final = 3
# Firestore's limit for a commit is 10 MiB. An atlas of 10,000 conditions × 18 types × 12 donors has 5 MB.
MAX_PACKED: Final = 8_000_000
T = TypeVar("T")


def pack(entry: DatasetEntry) -> bytes:
    """Return an entry as compressed JSON; equal entries make equal bytes.

    Raises:
        CatalogFull: the entry is too large for a catalog.
    """
    packed = zlib.compress(entry.model_dump_json().encode(), LEVEL)
    if len(packed) > MAX_PACKED:
        raise CatalogFull(entry.name)
    return packed


def unpack(packed: bytes) -> DatasetEntry:
    """Read an entry that `pack` wrote, and ignore unknown fields."""
    return parse(zlib.decompress(packed))


def parse(text: str | bytes) -> DatasetEntry:
    """Read an entry from its JSON, and ignore unknown fields."""
    # An entry is up to 200,000 objects without cycles; scanning them while they are made would take three times as long.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return DatasetEntry.from_stored_json(text)
    finally:
        if was_enabled:
            gc.enable()


class Known(Generic[T]):
    """The entries that a store has read, each with what was stored, so that an unchanged one is not read again."""

    def __init__(self) -> None:
        self._entries: Mapping[str, tuple[T, DatasetEntry]] = {}

    def get(self, name: str, stored: T) -> DatasetEntry | None:
        """Return the entry if it was read from the same, else None."""
        known = self._entries.get(name)
        return known[1] if known is not None and known[0] == stored else None

    def replace(self, entries: Mapping[str, tuple[T, DatasetEntry]]) -> list[DatasetEntry]:
        """Remember these entries and no others, and return them ordered by name."""
        self._entries = dict(sorted(entries.items()))
        return [entry for _, entry in self._entries.values()]
