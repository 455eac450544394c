"""The cached catalog: its reads, and when it reloads."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from shared.catalog.cache import LIFETIME, CatalogCache
from shared.catalog.entries import DatasetEntry
from shared.errors import Unavailable
from shared.resolver import resolve
from shared.resolver.lexicon import lexicon
from tests.support.catalogs import small_pbmc
from tests.support.fakes import TestClock

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"


@dataclass
class CountingCatalog:
    """A `Catalog` that counts its reads and can be made unavailable."""

    entries: list[DatasetEntry] = field(default_factory=lambda: [small_pbmc()])
    reads: int = 0
    unavailable: bool = False

    async def load(self) -> Sequence[DatasetEntry]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.unavailable:
            raise Unavailable("Firestore")
        return [DatasetEntry.model_validate(entry.model_dump()) for entry in self.entries]

    async def put(self, entry: DatasetEntry) -> None:
        self.entries.append(entry)

    async def remove(self, name: str) -> None:
        self.entries = [entry for entry in self.entries if entry.name != name]


@pytest.fixture
def catalog() -> CountingCatalog:
    return CountingCatalog()


@pytest.fixture
def cache(catalog: CountingCatalog, clock: TestClock) -> CatalogCache:
    return CatalogCache(catalog, clock)


async def test_twenty_simultaneous_first_requests_cost_one_read(cache: CatalogCache, catalog: CountingCatalog) -> None:
    views = await asyncio.gather(*(cache.view() for _ in range(20)))
    assert len({id(view) for view in views}) == 1
    assert catalog.reads == 1


async def test_it_reloads_when_it_expires_and_not_before(
    cache: CatalogCache, catalog: CountingCatalog, clock: TestClock
) -> None:
    await cache.view()
    clock.move(seconds=LIFETIME.total_seconds())
    await cache.view()
    assert catalog.reads == 1
    clock.move(seconds=1)
    await cache.view()
    assert catalog.reads == 2


async def test_an_unchanged_catalog_keeps_its_view_and_the_resolver_its_index(
    cache: CatalogCache, clock: TestClock
) -> None:
    first = await cache.view()
    resolve(QUESTION, first)
    misses = lexicon.cache_info().misses
    clock.move(minutes=2)
    again = await cache.view()
    resolve(QUESTION, again)
    assert again is first
    assert lexicon.cache_info().misses == misses


async def test_a_changed_catalog_is_seen(cache: CatalogCache, catalog: CountingCatalog, clock: TestClock) -> None:
    await cache.view()
    await catalog.put(small_pbmc("another"))
    assert "another" not in (await cache.view()).dataset_names()
    clock.move(minutes=2)
    assert "another" in (await cache.view()).dataset_names()


async def test_the_expired_view_serves_while_the_store_is_unavailable_and_the_log_says_so(
    cache: CatalogCache, catalog: CountingCatalog, clock: TestClock, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await cache.view()
    catalog.unavailable = True
    clock.move(minutes=2)
    assert await cache.view() is first
    assert await cache.view() is first
    assert catalog.reads == 2
    assert "Cannot read the catalog" in capsys.readouterr().err


async def test_without_a_view_an_unavailable_store_is_an_error_and_the_next_call_reads_again(
    cache: CatalogCache, catalog: CountingCatalog
) -> None:
    catalog.unavailable = True
    with pytest.raises(Unavailable):
        await cache.view()
    catalog.unavailable = False
    assert (await cache.view()).dataset_names()
