"""The catalog in memory, for as long as it may be old."""

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


class Catalog(Protocol):
    """Where the ingested datasets are written down. Every method may raise `Unavailable`."""

    async def load(self) -> Sequence[DatasetEntry]:
        """All ingested datasets, by name. Costs one document read."""

    async def put(self, entry: DatasetEntry) -> None:
        """Write a dataset down, in the place of an earlier entry of its name; others are untouched."""

    async def remove(self, name: str) -> None:
        """Forget a dataset; one that is not there is no error."""


LIFETIME: Final = timedelta(seconds=60)
"""How long a newly ingested dataset may stay unseen."""


class CatalogCache:
    """The view of a catalog, read again when it is too old.

    What did not change keeps its view, and with it everything that was made for that view, such as the resolver's index.

    Args:
        catalog: where the ingested datasets are written down.
        clock: the time.
        lifetime: how old a view may be.
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
        """The view. Costs one document read when it is cold or too old, nothing else; simultaneous callers share that read.

        While the store is away the old view is given on, and the store asked again after another lifetime.

        Raises:
            Unavailable: the store is away and there is no view yet.
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
            log(Severity.WARNING, "The catalog cannot be read; the old one is used", error=error)
        else:
            if self._view is None or list(ingested) != list(self._ingested):
                self._view = CatalogView(reference.datasets(), ingested)
                self._ingested = ingested
        self._read_at = self._clock()
