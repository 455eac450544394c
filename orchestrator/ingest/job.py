"""The job of an ingest on Batch: `python -m orchestrator.ingest.job DATASET JOB_ID`.

It copies the atlas to the disk of its machine, runs the same command there as an operator would, writes the resulting folder to the atlas
bucket as a new version, and only then points the catalog to it, so that runs read the earlier atlas until that moment. HDF5 reads and
writes in many places of a file, which is slow through a mounted bucket; a sequential copy is not.

The ingest is a process of its own: this one records its progress, and why it failed if memory runs out.

Exit codes:
    0    the atlas is in the catalog, a dry run ended, or another job took the place of this one
    1    the ingest failed; the record says why
    143  stopped by SIGTERM; Batch repeats the job if its machine was lost
"""

import asyncio
import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.cloud import GB, keep_versions, out_of_memory
from orchestrator.ingest.cloud_source import find_source
from orchestrator.ingest.printed import Printed
from orchestrator.ingest.record import IngestRecord, Phase, Records
from shared import logs, wiring
from shared.catalog.cache import Catalog
from shared.catalog.folders import ENTRY_FILE
from shared.catalog.objects import Objects
from shared.catalog.packing import parse
from shared.errors import Forbidden, HaystackError, SettingsInvalid, Unavailable
from shared.fields import utc_now
from shared.logs import Severity
from shared.settings import Settings

# Cloud Storage accepts one write of an object a second.
RECORD_SECONDS: Final = 2.0
CATALOG_PAUSES: Final = (1.0, 4.0, 16.0, 60.0)
LARGE_BYTES: Final = 100_000_000
KILLED: Final = -signal.SIGKILL
TERMINATED: Final = 143
DISK_FULL: Final = re.compile(r"No space left on device|errno = 28\b")


class Superseded(Exception):
    """Another job ingests this dataset now."""


class Failed(Exception):
    """The ingest cannot succeed; the message says what to do."""


class RecordKeeper:
    """Writes the record of this job: at once when its phase changes, otherwise every few seconds.

    Raises:
        Superseded: the record is that of another job, or says that this one ended.
    """

    def __init__(self, records: Records, dataset: str, job_id: str) -> None:
        self._records = records
        record, self._generation = records.read(dataset)
        if record is None or record.job_id != job_id or record.done:
            raise Superseded
        self.record: IngestRecord = record
        self._lock = threading.Lock()
        self._written_at = -RECORD_SECONDS

    def update(self, **changes: object) -> None:
        """Change the record and write it."""
        with self._lock:
            self.record = self.record.model_copy(update={**changes, "updated_at": utc_now()})
            self._write()

    def step(self, text: str) -> None:
        """Tell what the job does; repeated calls are cheap, and a failure to write is not one of the ingest."""
        with self._lock:
            if time.monotonic() < self._written_at + RECORD_SECONDS or text == self.record.step:
                return
            self.record = self.record.model_copy(update={"step": text, "updated_at": utc_now()})
            try:
                self._write()
            except Unavailable as error:
                logs.log(Severity.WARNING, "the progress could not be recorded", error=error)

    def _write(self) -> None:
        self._written_at = time.monotonic()
        generation = self._records.write(self.record, self._generation)
        if generation is None:
            raise Superseded
        self._generation = generation


class IngestJob:
    """One ingest from beginning to end."""

    def __init__(self, settings: Settings, objects: Objects, catalog: Catalog, keeper: RecordKeeper) -> None:
        self._settings, self._objects, self._catalog, self._keeper = settings, objects, catalog, keeper
        self._record = keeper.record

    def run(self) -> int:
        """Do the ingest, record how it ended, and return the exit code.

        Raises:
            Superseded: another job took its place.
        """
        self._keeper.update(phase=Phase.RUNNING, starts=self._record.starts + 1, step="starting", output="")
        try:
            with tempfile.TemporaryDirectory(prefix="haystack-ingest-") as folder:
                message = self._ingest(Path(folder))
        except (Failed, AtlasUnusable, HaystackError, OSError) as error:
            logs.log(Severity.ERROR, "the ingest failed", error=error)
            self._keeper.update(phase=Phase.FAILED, message=self._explained(error))
            return 1
        self._keeper.update(phase=Phase.SUCCEEDED, step="", message=message)
        return 0

    def _ingest(self, folder: Path) -> str:
        source = self._download(folder)
        atlases = folder / "atlases"
        self._run_command(source, atlases)
        entries = sorted(atlases.rglob(ENTRY_FILE))
        if not entries:
            return "Repeat the command without --dry-run to ingest the atlas."
        return self._publish(entries[-1])

    def _download(self, folder: Path) -> Path:
        try:
            found = find_source(self._record.source, self._objects)
            began, done = time.monotonic(), 0

            def on_bytes(count: int) -> None:
                nonlocal done
                done += count
                self._keeper.step(transferred(done, found.size, time.monotonic() - began))

            return found.download(self._objects, folder / "source", on_bytes)
        except Forbidden as error:
            bucket = self._record.source.split("/")[2]
            account = self._settings.ingest_service_account or "ACCOUNT"
            raise Failed(
                f"The job may not read gs://{bucket}. Allow it, and repeat the command: gcloud storage buckets "
                f"add-iam-policy-binding gs://{bucket} --member=serviceAccount:{account} --role=roles/storage.objectViewer"
            ) from error

    def _run_command(self, source: Path, atlases: Path) -> None:
        """Run the operators' command on the copy; its catalog is a file of its own."""
        atlases.mkdir()
        environment = {
            **os.environ,
            "ATLAS_DIR": str(atlases),
            "STORE": "sqlite",
            "SQLITE_PATH": str(atlases.with_name("catalog.db")),
            "TMPDIR": str(atlases.parent),
        }
        command = [sys.executable, "-m", "orchestrator.ingest", *self._record.arguments, "--local-copy", str(source)]
        printed = Printed(lambda text: text.replace(str(source), self._record.source), self._keeper.step)
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                code = printed.read(process)
            finally:
                process.terminate()  # Ctrl-C of the ingest; without effect on one that has ended
        self._keeper.update(output=printed.text)
        if code == KILLED:
            raise Failed(out_of_memory(self._record.machine_type))
        if code:
            raise Failed(printed.last_message or f"The ingest ended with exit code {code}.")

    def _publish(self, file: Path) -> str:
        """Write the new version of the atlas to the bucket, its entry last, and point the catalog to it."""
        bucket, entry = self._settings.atlas_bucket, parse(file.read_bytes())
        files = sorted((each for each in file.parent.rglob("*") if each.is_file()), key=lambda each: each == file)
        for place, each in enumerate(files, 1):
            if each.stat().st_size >= LARGE_BYTES:  # the record may not skip what takes minutes
                self._keeper.update(step=f"writing {each.name} to the bucket ({place} of {len(files)} files)")
            self._objects.upload(each, bucket, f"{entry.folder}/{each.relative_to(file.parent)}")
        replaced = [each.folder for each in self._with_catalog(self._catalog.load) if each.name == entry.name]
        self._with_catalog(lambda: self._catalog.put(entry))
        # Runs that began before still read the version that this one replaces; the next ingest deletes it.
        keep_versions(self._objects, bucket, entry.name, {entry.folder, *replaced})
        return f"{entry.name} is in the catalog; questions about it are answered within a minute."

    def _with_catalog(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401  # each call has its own result
        """Call the catalog, and again while it is unavailable."""
        for pause in CATALOG_PAUSES:
            try:
                return asyncio.run(_awaited(call))
            except Unavailable as error:
                logs.log(Severity.WARNING, "the catalog is unavailable, trying again", error=error)
                time.sleep(pause)
        return asyncio.run(_awaited(call))

    def _explained(self, error: Exception) -> str:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or DISK_FULL.search(str(error)):
            return f"The disk of {self._record.disk_gb} GB is full. Repeat the command with a larger --disk-gb."
        return str(error)


def transferred(done: int, total: int, seconds: float) -> str:
    """Return the progress of a download."""
    share = done / total if total else 1.0
    text = f"copying the file: {share:.0%} of {total / GB:.1f} GB"
    left = seconds * (1 - share) / share if share else 0.0
    return f"{text}, {left / 60:.0f} min left" if left >= 60 else text


async def _awaited(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    return await call()


def _on_sigterm(*_: object) -> None:
    raise SystemExit(TERMINATED)


def main(arguments: list[str] | None = None) -> int:
    """Run the job, and return the exit code that the module's docstring describes; 2 if it cannot start."""
    logs.configure()
    dataset, job_id = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _on_sigterm)
    with logs.fields(ingest_job=job_id):
        try:
            container = wiring.container()
            keeper = RecordKeeper(Records(container.objects, container.settings.atlas_bucket), dataset, job_id)
            return IngestJob(container.settings, container.objects, container.catalog, keeper).run()
        except Superseded:
            logs.log(Severity.INFO, "the ingest ended already, or another job took its place")
            return 0
        except SettingsInvalid as error:
            logs.log(Severity.ERROR, "the job cannot start", detail=error.detail)
            return 2
        except HaystackError as error:
            logs.log(Severity.ERROR, "the end of the ingest could not be recorded", error=error)
            return 1


if __name__ == "__main__":
    sys.exit(main())
