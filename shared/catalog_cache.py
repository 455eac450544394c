"""The catalog in memory, for as long as it may be old."""

from datetime import datetime, timedelta
from typing import Final

from shared import reference
from shared.catalog_view import CatalogView
from shared.lifecycle import Clock
from shared.ports import Catalog

LIFETIME: Final = timedelta(seconds=60)
"""How long a newly ingested dataset may stay unseen."""


class CatalogCache:
    """The view of a catalog, read again when it is too old.

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
        self._read_at: datetime | None = None

    async def view(self) -> CatalogView:
        """The view. Costs one document read when it is cold or too old, nothing else.

        Raises:
            Unavailable: the store is away and there is no view yet.
        """
        now = self._clock()
        if self._view is None or self._read_at is None or now - self._read_at > self._lifetime:
            self._view = CatalogView(reference.datasets(), await self._catalog.load())
            self._read_at = now
        return self._view
