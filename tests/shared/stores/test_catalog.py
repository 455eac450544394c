"""Contract suite of the `Catalog` port."""

import asyncio

from shared.catalog.cache import Catalog
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry, GroupCount


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
