"""Contract suite of the `Catalog` port."""

import asyncio
import itertools

import pytest

from shared.catalog.cache import Catalog
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry, GroupCount
from tests.support.catalogs import large_entry

# (conditions, cell types, donors): Parse's cytokines, and screens with 10,000 guides.
SIZES = [(90, 18, 12), (10_000, 1, 1), (10_000, 5, 12), (10_000, 18, 3)]


def make_entry(name: str, cells: int = 10) -> DatasetEntry:
    """Return a small ingested dataset."""
    return DatasetEntry(
        name=name,
        title="A data set",
        description="For a test.",
        licence="MIT",
        source="made here",
        ingested=True,
        atlas=name,
        n_cells=cells,
        n_genes=5,
        donors=["d1", "d2"],
        cell_types=[CellTypeEntry(label="NK/ILC.1", cell_ontology_id="CL:0000623", cell_ontology_label=None)],
        conditions=[ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True)],
        groups=[GroupCount(cell_type="NK/ILC.1", condition="PBS", cells=cells, donors=[cells, 0])],
    )


async def test_an_empty_catalog_is_empty(catalog: Catalog) -> None:
    assert list(await catalog.load()) == []


async def test_datasets_come_back_by_name_as_they_were_put(catalog: Catalog) -> None:
    entries = [make_entry("beta"), make_entry("alpha")]
    for entry in entries:
        await catalog.put(entry)
    assert list(await catalog.load()) == entries[::-1]


async def test_a_put_takes_the_place_of_its_name_only(catalog: Catalog) -> None:
    for entry in (make_entry("alpha"), make_entry("beta"), make_entry("alpha", cells=99)):
        await catalog.put(entry)
    assert list(await catalog.load()) == [make_entry("alpha", cells=99), make_entry("beta")]


async def test_simultaneous_puts_lose_nothing(catalog: Catalog) -> None:
    names = [f"set_{number}" for number in range(5)]
    await asyncio.gather(*(catalog.put(make_entry(name)) for name in names))
    assert [entry.name for entry in await catalog.load()] == names


async def test_a_removed_dataset_is_gone_and_removing_it_again_is_no_error(catalog: Catalog) -> None:
    await catalog.put(make_entry("alpha"))
    await catalog.remove("alpha")
    await catalog.remove("alpha")
    assert list(await catalog.load()) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
async def test_large_datasets_fit_beside_small_ones(catalog: Catalog, size: tuple[int, int, int]) -> None:
    conditions, cell_types, donors = size
    large = large_entry(conditions=conditions, cell_types=cell_types, donors=donors)
    await catalog.put(make_entry("alpha"))
    await catalog.put(large)
    await catalog.put(make_entry("zeta"))
    assert list(await catalog.load()) == [make_entry("alpha"), large, make_entry("zeta")]
    await catalog.remove(large.name)
    assert list(await catalog.load()) == [make_entry("alpha"), make_entry("zeta")]


async def test_many_large_datasets_fit(catalog: Catalog) -> None:
    entries = [large_entry(f"set_{number}", conditions=2_000) for number in range(5)]
    for entry in entries:
        await catalog.put(entry)
        await catalog.put(entry)  # the same again changes nothing
    assert list(await catalog.load()) == entries


async def test_a_large_dataset_becomes_a_small_one_and_large_again(catalog: Catalog) -> None:
    large = [large_entry("alpha", conditions=8_000, donors=number) for number in (12, 11)]
    for entry in (large[0], make_entry("alpha"), *large):
        await catalog.put(entry)
        assert list(await catalog.load()) == [entry]


async def test_a_reader_sees_the_old_or_the_new_entry_and_never_half(catalog: Catalog) -> None:
    versions = [large_entry("alpha", conditions=8_000, donors=number) for number in (12, 11)]
    await catalog.put(versions[0])
    all_read = asyncio.Event()

    async def write() -> None:
        for number in itertools.count(1):
            if all_read.is_set():
                return
            await catalog.put(versions[number % 2])
            await asyncio.sleep(0)

    async def read() -> None:
        for _ in range(5):
            (found,) = await catalog.load()
            assert found in versions
            await asyncio.sleep(0)
        all_read.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        tasks.create_task(read())


async def test_an_unchanged_entry_is_read_once(catalog: Catalog) -> None:
    await catalog.put(make_entry("alpha"))
    await catalog.put(make_entry("beta"))
    first = await catalog.load()
    await catalog.put(make_entry("beta", cells=20))
    again = await catalog.load()
    assert again[0] is first[0]
    assert again[1] == make_entry("beta", cells=20)
