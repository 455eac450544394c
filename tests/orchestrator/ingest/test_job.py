"""The job of an ingest: what it leaves if its machine is lost, its disk is full or another job took its place."""

import asyncio
import errno
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.storage.server import StorageServer
from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.cloud_source import CloudSource, find_source
from orchestrator.ingest.job import IngestJob, RecordKeeper, Superseded
from orchestrator.ingest.record import IngestRecord, Phase, Records
from shared.catalog.objects import OnBytes, StoredObject
from shared.errors import Forbidden
from shared.gcp.objects import GoogleObjects
from shared.settings import Settings
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase
from tests.support.orchestrator import small_atlas

RECORD = IngestRecord(
    dataset="kang",
    number=1,
    job_id="haystack-ingest-kang-1",
    source="gs://cells/cells.h5ad",
    arguments=["kang", "gs://cells/cells.h5ad"],
    machine_type="e2-standard-4",
    disk_gb=31,
    submitted_at=datetime(2026, 11, 27, tzinfo=UTC),
    updated_at=datetime(2026, 11, 27, tzinfo=UTC),
)


class FailingObjects(GoogleObjects):
    """Cloud Storage whose next upload or download raises this."""

    error: BaseException | None = None

    def upload(self, path: Path, bucket: str, name: str) -> None:
        if self.error is not None and name.endswith("profiles.h5"):
            raise self.error
        super().upload(path, bucket, name)

    def download(self, found: StoredObject, path: Path, on_bytes: OnBytes) -> None:
        if self.error is not None and not isinstance(self.error, SystemExit):
            raise self.error
        super().download(found, path, on_bytes)


class World:
    """A bucket with an atlas and the record of its ingest, and the job's adapters."""

    def __init__(self, folder: Path, url: str) -> None:
        self.settings = Settings(
            project="p", atlas_bucket="cells", storage_emulator_host=url, ingest_service_account="ingest@p"
        )
        self.objects = FailingObjects(self.settings)
        self.records = Records(self.objects, "cells")
        self.catalog = SqliteCatalog(SqliteDatabase(folder / "runs.db"))

    def run(self) -> int:
        keeper = RecordKeeper(self.records, "kang", RECORD.job_id)
        return IngestJob(self.settings, self.objects, self.catalog, keeper).run()

    def record(self) -> IngestRecord:
        record, _ = self.records.read("kang")
        assert record is not None
        return record


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A bucket with a small atlas; the job's own process reads its settings from the environment."""
    server = StorageServer(data_dir=None, bucket="cells")
    world = World(tmp_path, await server.start())
    for name, value in {"PROJECT": "p", "REGION": "r", "RESULTS_BUCKET": "results", "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
    await asyncio.to_thread(world.objects.upload, tmp_path / "cells.h5ad", "cells", "cells.h5ad")
    await asyncio.to_thread(world.records.write, RECORD, 0)
    yield world
    await server.stop()


async def test_a_machine_that_is_lost_while_it_writes_leaves_the_catalog_alone_and_the_next_one_finishes(
    world: World,
) -> None:
    world.objects.error = SystemExit(143)
    with pytest.raises(SystemExit):
        await asyncio.to_thread(world.run)
    assert not await world.catalog.load()
    assert (await asyncio.to_thread(world.record)).phase is Phase.RUNNING
    world.objects.error = None
    assert await asyncio.to_thread(world.run) == 0
    record = await asyncio.to_thread(world.record)
    assert (record.phase, record.starts) == (Phase.SUCCEEDED, 2)
    (entry,) = await world.catalog.load()
    names = [found.name for found in await asyncio.to_thread(world.objects.below, "cells", "kang/")]
    complete = {name.rpartition("/")[0] for name in names if name.endswith("/dataset.json")}
    assert complete == {name.rpartition("/")[0] for name in names} == {entry.folder}  # the lost one's files are gone
    with pytest.raises(Superseded):  # a third start has nothing to do
        await asyncio.to_thread(world.run)


async def test_a_replaced_version_stays_until_the_next_ingest_because_runs_may_read_it(world: World) -> None:
    versions = []
    for number in (1, 2, 3):
        stored, generation = await asyncio.to_thread(world.records.read, "kang")
        assert stored is not None
        again = stored.model_copy(update={"number": number, "phase": Phase.SUBMITTED})
        await asyncio.to_thread(world.records.write, again, generation)
        assert await asyncio.to_thread(world.run) == 0
        versions.append((await world.catalog.load())[0].folder)
    kept = {found.name.rpartition("/")[0] for found in await asyncio.to_thread(world.objects.below, "cells", "kang/")}
    assert kept == set(versions[1:])


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "a larger --disk-gb"),
        (Forbidden("No."), "add-iam-policy-binding gs://cells --member=serviceAccount:ingest@p"),
    ],
)
async def test_a_failure_of_the_copy_says_what_to_do(world: World, error: Exception, advice: str) -> None:
    world.objects.error = error
    assert await asyncio.to_thread(world.run) == 1
    record = await asyncio.to_thread(world.record)
    assert record.phase is Phase.FAILED
    assert advice in record.message


async def test_a_job_whose_place_another_one_took_stops_and_records_nothing(world: World) -> None:
    keeper = await asyncio.to_thread(RecordKeeper, world.records, "kang", RECORD.job_id)
    other = RECORD.model_copy(update={"job_id": "haystack-ingest-kang-2"})
    _, generation = await asyncio.to_thread(world.records.read, "kang")
    await asyncio.to_thread(world.records.write, other, generation)
    job = IngestJob(world.settings, world.objects, world.catalog, keeper)
    with pytest.raises(Superseded):
        await asyncio.to_thread(job.run)
    assert await asyncio.to_thread(world.record) == other


async def test_a_folder_is_copied_as_a_folder(world: World, tmp_path: Path) -> None:
    def act() -> Path:
        for name in ("mtx/matrix.mtx", "mtx/deeper/genes.tsv", "mtxother/x"):
            world.objects.upload(tmp_path / "cells.h5ad", "cells", name)
        return find_source("gs://cells/mtx/", world.objects).download(world.objects, tmp_path / "to", lambda _: None)

    folder = await asyncio.to_thread(act)
    files = [str(each.relative_to(folder)) for each in sorted(folder.rglob("*")) if each.is_file()]
    assert (folder.name, files) == ("mtx", ["deeper/genes.tsv", "matrix.mtx"])


@pytest.mark.parametrize("uri", ["gs://cells", "gs://cells/", "gs://B_/x", "s3://b/x", "gs://cells/x\ny", ""])
def test_what_is_no_address_is_refused_without_asking(uri: str) -> None:
    objects: Any = None
    with pytest.raises(AtlasUnusable, match="is not the address of a file"):
        find_source(uri, objects)


def test_an_object_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    evil = StoredObject("cells", "mtx/../../evil", 1, 1)
    source = CloudSource("mtx", (evil,))
    storage = GoogleObjects(Settings(project="p"))
    with pytest.raises(AtlasUnusable, match="leaves its folder"):
        source.download(storage, tmp_path, lambda _: None)
