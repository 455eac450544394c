"""How the catalog is stored in Firestore: what earlier versions wrote, and what is in parts."""

import pytest

from shared.catalog.packing import MAX_PACKED, pack, unpack
from shared.errors import CatalogFull, Unavailable
from shared.stores.firestore_catalog import CATALOG, MAX_DOCUMENT, FirestoreCatalog
from shared.stores.firestore_client import FirestoreDatabase, decode_fields, delete, overwrite, write
from tests.shared.stores.test_catalog import make_entry
from tests.support.catalogs import large_entry


async def fields(database: FirestoreDatabase) -> dict[str, object]:
    found = await database.read(f"{database.documents}/{CATALOG}")
    assert found is not None
    return decode_fields(found)


async def parts(database: FirestoreDatabase) -> list[str]:
    documents = await database.query({"from_": [{"collection_id": "catalog"}]})
    names = [document.name.rpartition("/")[2] for document in documents]
    assert all(document.ByteSize() < 2**20 for document in documents)
    return sorted(name for name in names if name != "ingested")


async def test_entries_that_earlier_versions_stored_stay_readable(firestore: FirestoreDatabase) -> None:
    old = {name: {**make_entry(name).model_dump(), "dropped": 1} for name in ("alpha", "beta")}
    await firestore.commit(write(f"{firestore.documents}/{CATALOG}", old, replaces=None))
    catalog = FirestoreCatalog(firestore)
    assert list(await catalog.load()) == [make_entry("alpha"), make_entry("beta")]
    await catalog.put(make_entry("gamma"))
    assert [entry.name for entry in await FirestoreCatalog(firestore).load()] == ["alpha", "beta", "gamma"]
    assert all(isinstance(stored, bytes) for stored in (await fields(firestore)).values())


async def test_only_the_largest_entries_are_in_parts_and_no_part_is_left_over(firestore: FirestoreDatabase) -> None:
    catalog = FirestoreCatalog(firestore)
    await catalog.put(make_entry("alpha"))
    await catalog.put(large_entry("beta", conditions=5_000))
    assert await parts(firestore) == []
    await catalog.put(large_entry("gamma"))
    large = await parts(firestore)
    assert len(large) == 2
    assert isinstance((await fields(firestore))["beta"], bytes)
    await catalog.put(large_entry("gamma"))
    assert await parts(firestore) == large
    await catalog.put(make_entry("gamma"))
    assert await parts(firestore) == []


async def test_a_part_that_stays_lost_makes_the_catalog_unavailable_until_the_next_ingest(
    firestore: FirestoreDatabase,
) -> None:
    catalog = FirestoreCatalog(firestore)
    await catalog.put(large_entry())
    lost, _ = await parts(firestore)
    other = f"{firestore.documents}/catalog/other"
    await firestore.commit(delete(f"{firestore.documents}/catalog/{lost}"), write(other, {}, replaces=None))
    with pytest.raises(Unavailable):
        await catalog.load()
    await catalog.put(large_entry())
    assert list(await catalog.load()) == [large_entry()]


async def test_a_write_without_a_precondition_repeats_what_is_there(firestore: FirestoreDatabase) -> None:
    name = f"{firestore.documents}/catalog/other"
    for content in (b"", b"\0\xff"):
        await firestore.commit(overwrite(name, {"data": content}))
        found = await firestore.read(name)
        assert found is not None
        assert decode_fields(found) == {"data": content}


def test_a_dataset_with_more_groups_than_a_commit_holds_is_refused_with_a_way_out() -> None:
    entry = large_entry(conditions=2_000, cell_types=1, donors=240, cells=10**9)
    too_large = entry.model_copy(update={"groups": entry.groups * 8})
    with pytest.raises(CatalogFull, match="guides: it has too many groups"):
        pack(too_large)
    assert MAX_DOCUMENT < MAX_PACKED


def test_packing_loses_nothing() -> None:
    entry = large_entry(conditions=50)
    assert unpack(pack(entry)) == entry
