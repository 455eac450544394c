"""The catalog store as a port, and its content cached in memory."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.catalog import reference
from shared.catalog.entries import DatasetEntry
from shared.catalog.view import CatalogView
from shared.errors import Unavailable
from shared.fields import Clock
from shared.logs import Severity, log

# The longest time for which a newly ingested dataset stays invisible.
LIFETIME: Final = timedelta(seconds=60)


class Catalog(Protocol):
    """The store of ingested datasets. Every method may raise `Unavailable`."""

    async def load(self) -> Sequence[DatasetEntry]:
        """Return all ingested datasets, ordered by name. Costs one document read."""

    async def put(self, entry: DatasetEntry) -> None:
        """Store a dataset and replace an earlier entry of the same name; other entries stay untouched."""

    async def remove(self, name: str) -> None:
        """Remove a dataset; removing an unknown one is not an error."""


class CatalogCache:
    """The view of a catalog, reloaded when it expires.

    An unchanged catalog keeps its view object, and with it everything cached per view, such as the resolver's lexicon.
    """

    def __init__(self, catalog: Catalog, clock: Clock, lifetime: timedelta = LIFETIME) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lifetime = lifetime
        self._view: CatalogView | None = None
        self._ingested: Sequence[DatasetEntry] = ()
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def view(self) -> CatalogView:
        """Return the current view. Costs one document read if there is none or it has expired; concurrent callers share that read.

        While the store is unavailable, the expired view stays in use and the next read waits for another lifetime.

        Raises:
            Unavailable: the store is unavailable and there is no view yet.
        """
        if not self._is_fresh():
            async with self._reading:
                if not self._is_fresh():
                    await self._read()
        assert self._view is not None
        return self._view

    def _is_fresh(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at <= self._lifetime

    async def _read(self) -> None:
        try:
            ingested = await self._catalog.load()
        except Unavailable as error:
            if self._view is None:
                raise
            log(Severity.WARNING, "Cannot read the catalog; using the expired view", error=error)
        else:
            if self._view is None or list(ingested) != list(self._ingested):
                self._view = CatalogView(reference.datasets(), ingested)
                self._ingested = ingested
        self._read_at = self._clock()
