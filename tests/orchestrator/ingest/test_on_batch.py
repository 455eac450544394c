"""Ingests on Batch: the real commands and the real job, with the Batch emulator and fake-gcs-server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from local.batch.faults import LoseJob, Preempt, StayQueued
from local.batch.service import BatchEmulator
from local.storage.server import BUCKETS, StorageServer
from orchestrator.atlas.atlas import Atlas
from orchestrator.ingest.cloud import ingest_job_id
from orchestrator.ingest.record import IngestRecord, Phase, Records
from shared.catalog.entries import DatasetEntry
from shared.gcp.batch import GoogleBatchJobs
from shared.gcp.objects import GoogleObjects
from shared.runs.jobs import JobState
from shared.settings import Settings
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase
from tests.support.orchestrator import small_atlas

ROOT = Path(__file__).parents[3]
BUCKET = "atlases"
SOURCE = "gs://atlases/incoming/cells.h5ad"
ENTRY = DatasetEntry(name="kang", title="Kang", description="", licence="", source="", ingested=True)

# Each test starts several commands and jobs, which take seconds to load their libraries, more with parallel tests.
pytestmark = pytest.mark.timeout(240)


class Cloud:
    """A project with a bucket, Batch and a catalog, and the commands of an operator."""

    def __init__(self, folder: Path, url: str, batch: BatchEmulator, host: str, common: dict[str, str]) -> None:
        self.folder, self.batch = folder, batch
        self.environment = {**common, "BATCH_EMULATOR_HOST": host, "JOB_IMAGE": "job:1", "ATLAS_BUCKET": BUCKET}
        self.objects = GoogleObjects(Settings(project="demo", storage_emulator_host=url))
        self.jobs = GoogleBatchJobs(Settings(project="demo", region="europe-west1", batch_emulator_host=host))
        self.records = Records(self.objects, BUCKET)
        self.catalog = SqliteCatalog(SqliteDatabase(folder / "runs.db"))

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orchestrator.ingest", *arguments),
            env={"PATH": os.environ["PATH"], **self.environment},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run a command, and return its exit code, standard output and standard error."""
        process = await self.start(*arguments)
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def put(self, path: Path, name: str = "incoming/cells.h5ad") -> None:
        await asyncio.to_thread(self.objects.upload, path, BUCKET, name)

    async def record(self) -> IngestRecord:
        record, _ = await asyncio.to_thread(self.records.read, "kang")
        assert record is not None
        return record

    async def entry(self) -> DatasetEntry:
        (entry,) = await self.catalog.load()
        return entry

    async def until(self, phase: Phase) -> IngestRecord:
        """Wait until the record says this."""
        async with asyncio.timeout(40):
            while True:
                found, _ = await asyncio.to_thread(self.records.read, "kang")
                if found is not None and found.phase is phase:
                    return found
                await asyncio.sleep(0.1)

    async def names(self, prefix: str = "") -> list[str]:
        return [found.name for found in await asyncio.to_thread(self.objects.below, BUCKET, prefix)]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A project whose bucket has one atlas."""
    async with AsyncExitStack() as stack:
        storage = StorageServer(data_dir=tmp_path / "storage", bucket=BUCKET)
        stack.push_async_callback(storage.stop)
        url = await storage.start()
        common = {
            "PROJECT": "demo",
            "REGION": "europe-west1",
            "RESULTS_BUCKET": "results",
            "STORE": "sqlite",
            "SQLITE_PATH": str(tmp_path / "runs.db"),
            "STORAGE_EMULATOR_HOST": url,
        }
        batch = BatchEmulator(
            log_dir=tmp_path / "logs",
            job_env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), **common},
            cwd=ROOT,
            grace_seconds=5.0,
        )
        stack.push_async_callback(batch.stop)
        found = Cloud(tmp_path, url, batch, f"127.0.0.1:{await batch.start()}", common)
        small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
        await found.put(tmp_path / "cells.h5ad")
        stack.push_async_callback(found.jobs.close)
        yield found


async def test_an_atlas_in_a_bucket_gets_into_the_catalog_and_its_folder_into_the_atlas_bucket(cloud: Cloud) -> None:
    code, out, err = await cloud.run("kang", SOURCE, "--on-batch", "--title", "Kang 2018", "--control", "PBS")
    assert (code, "kang is in the catalog" in out) == (0, True), err
    assert "is submitted: Batch job haystack-ingest-kang-" in err
    assert "120 cells" in out  # what the ingest itself prints
    entry = await cloud.entry()
    assert (entry.name, entry.title, entry.n_cells) == ("kang", "Kang 2018", 120)
    atlas = Atlas(cloud.folder / "storage" / BUCKETS / BUCKET / entry.folder)  # as the runs' job mounts it
    assert atlas.counts(atlas.rows(atlas.groups[0], 5, np.random.default_rng(0))).shape[0] == 5
    assert not list(cloud.folder.glob("haystack-ingest-*"))  # the copy on the machine is gone
    code, out, _ = await cloud.run("show", "kang")
    assert code == 0
    assert f"from {SOURCE}: kang is in the catalog" in out


async def test_a_dry_run_prints_its_summary_and_writes_no_atlas(cloud: Cloud) -> None:
    arguments = ("kang", SOURCE, "--on-batch", "--dry-run", "--control=PBS", "--rename", "NK=natural killer cell")
    code, out, err = await cloud.run(*arguments)
    assert code == 0, err
    assert "natural killer cell" in out
    assert "Repeat the command without --dry-run" in out
    assert not await cloud.catalog.load()
    assert await cloud.names("kang/") == []


async def test_a_file_that_cannot_be_ingested_fails_with_its_reason_which_show_repeats(cloud: Cloud) -> None:
    (cloud.folder / "bad.h5ad").write_text("no atlas")
    await cloud.put(cloud.folder / "bad.h5ad", "incoming/bad.h5ad")
    code, _, err = await cloud.run("kang", "gs://atlases/incoming/bad.h5ad", "--on-batch")
    assert code == 1
    assert "The ingest of kang failed. gs://atlases/incoming/bad.h5ad cannot be opened" in err
    code, out, _ = await cloud.run("show", "kang")
    assert code == 0
    assert "failed. gs://atlases/incoming/bad.h5ad cannot be opened" in out
    assert not await cloud.catalog.load()
    assert (await cloud.record()).starts == 1  # Batch does not repeat what fails by itself


async def test_a_repeated_command_adopts_the_running_ingest_and_another_one_is_refused(cloud: Cloud) -> None:
    cloud.batch.faults.begin(StayQueued())
    code, out, _ = await cloud.run("kang", SOURCE, "--on-batch", "--no-wait")
    assert (code, "python -m orchestrator.ingest show kang" in out) == (0, True)
    code, out, _ = await cloud.run("show", "kang")  # although the catalog has no such atlas yet
    assert code == 0
    assert "waiting for a machine of type e2-standard-4" in out
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch", "--title", "Another")
    assert (code, "Another ingest of kang" in err) == (1, True)
    same = await cloud.start("kang", SOURCE, "--on-batch")
    assert same.stderr is not None
    assert b"was under way already" in await same.stderr.readline()
    cloud.batch.faults.end()
    await same.communicate()
    assert same.returncode == 0
    record = await cloud.record()
    assert (record.number, record.job_id) == (1, ingest_job_id(BUCKET, "kang", 1))


async def test_an_ingest_whose_machine_is_lost_starts_again(cloud: Cloud) -> None:
    cloud.batch.faults.begin(Preempt(after_seconds=0.3))  # the job needs longer
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch")
    assert code == 0, err
    record = await cloud.record()
    assert (record.number, record.phase) == (1, Phase.SUCCEEDED)
    report = await cloud.jobs.describe(record.job_id)
    assert report is not None
    assert (report.state, report.exit_codes) == (JobState.SUCCEEDED, (50001,))


async def test_ctrl_c_stops_following_and_not_the_ingest(cloud: Cloud) -> None:
    process = await cloud.start("kang", SOURCE, "--on-batch")
    await cloud.until(Phase.RUNNING)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"The ingest goes on." in err
    await cloud.until(Phase.SUCCEEDED)


async def test_a_cancelled_ingest_says_so_and_can_be_started_again(cloud: Cloud) -> None:
    cloud.batch.faults.begin(StayQueued())
    await cloud.run("kang", SOURCE, "--on-batch", "--no-wait")
    _, out, _ = await cloud.run("cancel", "kang")
    assert "is being cancelled" in out
    _, out, _ = await cloud.run("show", "kang")
    assert "Its job was cancelled or deleted" in out
    cloud.batch.faults.end()
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch")
    assert code == 0, err
    assert (await cloud.record()).number == 2


async def test_a_job_that_somebody_deletes_is_told_to_who_waits(cloud: Cloud) -> None:
    cloud.batch.faults.begin(LoseJob(after_seconds=0.0))
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch")
    assert (code, "Its job was cancelled or deleted" in err) == (1, True)


async def test_a_removed_atlas_leaves_nothing_in_the_bucket_and_the_catalog(cloud: Cloud) -> None:
    cloud.batch.faults.begin(StayQueued())
    await cloud.run("kang", SOURCE, "--on-batch", "--no-wait")
    await cloud.catalog.put((await cloud.catalog.load() or [ENTRY])[0])
    code, _, err = await cloud.run("remove", "kang", "--yes")
    assert (code, "Stop it first: python -m orchestrator.ingest cancel kang" in err) == (1, True)
    cloud.batch.faults.end()
    await cloud.until(Phase.SUCCEEDED)
    code, _, err = await cloud.run("remove", "kang", "--yes")
    assert code == 0, err
    assert not await cloud.catalog.load()
    assert await cloud.names() == ["incoming/cells.h5ad"]


async def test_a_failed_ingest_leaves_the_atlas_in_use(cloud: Cloud) -> None:
    await cloud.run("kang", SOURCE, "--on-batch")
    before = await cloud.entry()
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch", "--donor-column", "nobody")
    assert (code, "obs has no column nobody" in err) == (1, True)
    assert await cloud.entry() == before
    assert f"{before.folder}/profiles.h5" in await cloud.names()


async def test_a_file_that_is_not_there_submits_nothing(cloud: Cloud) -> None:
    code, _, err = await cloud.run("kang", "gs://atlases/none.h5ad", "--on-batch")
    assert (code, "There is no file gs://atlases/none.h5ad." in err) == (1, True)
    assert await asyncio.to_thread(cloud.records.read, "kang") == (None, 0)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["kang", "gs://atlases/a.h5ad"], "--on-batch"),
        (["kang", "a.h5ad", "--on-batch"], "gcloud storage cp a.h5ad"),
        (["kang", "a.h5ad", "--no-wait"], "need --on-batch"),
        (["Kang", "gs://atlases/a.h5ad", "--on-batch"], "not a valid dataset name"),
        (["kang", "gs://atlases/a.h5ad", "--on-batch", "--machine-type", "big one"], "not a machine type"),
        (["kang", "gs://atlases/a.h5ad", "--on-batch", "--disk-gb", "5"], "from 30"),
    ],
)
async def test_a_wrong_command_line_says_what_to_do(cloud: Cloud, arguments: list[str], hint: str) -> None:
    code, _, err = await cloud.run(*arguments)
    assert (code, hint in err) == (2, True), err


async def test_missing_settings_are_named_with_where_to_find_them(cloud: Cloud) -> None:
    cloud.environment = {**cloud.environment, "JOB_IMAGE": "", "ATLAS_BUCKET": ""}
    code, _, err = await cloud.run("kang", SOURCE, "--on-batch")
    assert code == 1
    assert "ATLAS_BUCKET, JOB_IMAGE missing" in err
    assert "ingest.env" in err
