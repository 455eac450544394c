"""Ingests as jobs of Google Cloud Batch: submits, adopts, describes and cancels them, by the rules of the runs' reconciler.

The record of an ingest (`orchestrator.ingest.record`) names its job before that job exists, so that a repeated command meets the same job,
and of two simultaneous commands the first wins. Batch repeats a job whose machine was lost. A job that ended without recording why is
explained by its report.
"""

import asyncio
import hashlib
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from orchestrator.ingest.cloud_source import find_source
from orchestrator.ingest.record import IngestRecord, Phase, Records
from shared.catalog.cache import Catalog
from shared.catalog.folders import ENTRY_FILE
from shared.catalog.objects import Objects
from shared.errors import Conflict, PermissionMissing, SettingsInvalid, SubmitRejected, Unavailable
from shared.fields import Clock
from shared.runs.jobs import JobKind, JobReport, JobRequest, JobState, Machine, failure_of
from shared.runs.ports import BatchJobs
from shared.runs.states import FailureReason
from shared.settings import Settings

GB: Final = 1_000_000_000
# Counts pass through memory in blocks, but labels and groups of all cells are held: machines by size of the file in GB.
MACHINES: Final = (
    (10, "e2-standard-4"),
    (50, "e2-highmem-4"),
    (200, "e2-highmem-8"),
    (math.inf, "e2-highmem-16"),
)
LARGEST: Final = "n2-highmem-32"
# The image and the system, and for each GB of the file: its copy, its counts without compression, and temporary files.
DISK_GB: Final = 30
DISK_GB_PER_GB: Final = 4
HOURS: Final = 2
GB_PER_HOUR: Final = 10
# Batch ends every job after 14 days.
MOST_HOURS: Final = 300
POLL_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Wanted:
    """An ingest that somebody asks for; 0 and empty: by the size of the file."""

    dataset: str
    source: str
    arguments: tuple[str, ...]
    machine_type: str = ""
    disk_gb: int = 0


class IngestState(NamedTuple):
    """A record and what it means now: a sentence, whether the ingest is over, and whether it succeeded."""

    record: IngestRecord
    sentence: str
    over: bool
    succeeded: bool = False


class CloudIngests:
    """The ingests of one atlas bucket. Every method may raise `Unavailable`, and what `Objects` raises."""

    def __init__(self, settings: Settings, jobs: BatchJobs, objects: Objects, clock: Clock) -> None:
        self._settings, self._jobs, self._objects, self._clock = settings, jobs, objects, clock
        self._records = Records(objects, settings.atlas_bucket)

    async def submit(self, wanted: Wanted) -> tuple[IngestRecord, bool]:
        """Start an ingest, or adopt it if it runs; return its record, and whether it ran before.

        Raises:
            AtlasUnusable: there is no such file.
            Conflict: another ingest of this dataset runs.
            SettingsInvalid: the settings lack what an ingest on Batch needs.
            SubmitRejected: Batch will never accept this job.
            PermissionMissing: the operator may not use Batch.
        """
        if missing := [name for name in ("atlas_bucket", "job_image") if not getattr(self._settings, name)]:
            hint = "./deploy.sh writes the settings of an ingest on Batch to build/deploy/PROJECT/ENV/ingest.env"
            raise SettingsInvalid([f"{', '.join(missing).upper()} missing ({hint})"])
        source = await asyncio.to_thread(find_source, wanted.source, self._objects)
        while True:
            stored, generation = await asyncio.to_thread(self._records.read, wanted.dataset)
            number = await self._unused(wanted.dataset) if stored is None else stored.number + 1
            if stored is not None and not stored.done:
                report = await self._jobs.describe(stored.job_id)
                if report is None and not stored.starts:
                    number = stored.number  # an earlier command ended before it submitted this job
                same = (stored.source, tuple(stored.arguments)) == (wanted.source, wanted.arguments)
                if report is not None and not report.state.ending:
                    if not same:
                        raise Conflict(
                            f"Another ingest of {wanted.dataset}, from {stored.source}, is under way. Wait for its end, "
                            f"or stop it: python -m orchestrator.ingest cancel {wanted.dataset}"
                        )
                    return stored, True
            record = self._record(wanted, number, source.size)
            written = await asyncio.to_thread(self._records.write, record, generation)
            if written is not None:  # else another command came first
                await self._start(record, written, source.size)
                return record, False

    async def state(self, dataset: str) -> IngestState | None:
        """Return what is known about the newest ingest of a dataset on Batch, or None if there was none."""
        record, _ = await asyncio.to_thread(self._records.read, dataset)
        if record is None:
            return None
        if record.done:
            return _ended(record)
        report = await self._jobs.describe(record.job_id)
        if report is not None and not report.state.ending:
            return IngestState(record, _progress(record, report), over=False)
        # The job may have recorded its end after the record was read.
        record = (await asyncio.to_thread(self._records.read, dataset))[0] or record
        return _ended(record) if record.done else IngestState(record, self._why(record, report), over=True)

    async def follow(self, record: IngestRecord, tell: Callable[[str], None]) -> IngestState:
        """Wait for the end of an ingest, and report its progress."""
        while True:
            try:
                state = await self.state(record.dataset)
            except Unavailable as error:
                tell(f"{error.service} does not answer. The ingest goes on without it; waiting for its state")
                await asyncio.sleep(POLL_SECONDS)
                continue
            if state is None or state.record.job_id != record.job_id:
                return IngestState(record, "Another ingest of this dataset took its place.", over=True)
            if state.over:
                return state
            tell(state.sentence)
            await asyncio.sleep(POLL_SECONDS)

    async def cancel(self, dataset: str) -> str:
        """Stop the ingest of a dataset, and return a sentence; the atlas in use stays."""
        state = await self.state(dataset)
        if state is None or state.over:
            return f"No ingest of {dataset} is under way."
        await self._jobs.cancel(state.record.job_id)
        return f"The ingest of {dataset} is being cancelled. An earlier atlas of this name stays in use."

    async def remove(self, dataset: str, catalog: Catalog) -> None:
        """Remove a dataset from the catalog, then delete its objects and its record; a run that is reading them fails.

        Raises:
            Conflict: an ingest of this dataset runs.
        """
        state = await self.state(dataset)
        if state is not None and not state.over:
            raise Conflict(
                f"{dataset} is being ingested. Stop it first: python -m orchestrator.ingest cancel {dataset}"
            )
        await catalog.remove(dataset)
        await asyncio.to_thread(keep_versions, self._objects, self._settings.atlas_bucket, dataset, ())
        await asyncio.to_thread(self._records.delete, dataset)

    async def _unused(self, dataset: str) -> int:
        """Return the first number without a job; Batch still knows the jobs of a record that was deleted."""
        number = 1
        while await self._jobs.describe(ingest_job_id(self._settings.atlas_bucket, dataset, number)) is not None:
            number += 1
        return number

    def _record(self, wanted: Wanted, number: int, size: int) -> IngestRecord:
        now = self._clock()
        return IngestRecord(
            dataset=wanted.dataset,
            number=number,
            job_id=ingest_job_id(self._settings.atlas_bucket, wanted.dataset, number),
            source=wanted.source,
            arguments=list(wanted.arguments),
            machine_type=wanted.machine_type or machine_type_for(size),
            disk_gb=wanted.disk_gb or disk_gb_for(size),
            submitted_at=now,
            updated_at=now,
        )

    async def _start(self, record: IngestRecord, generation: int, size: int) -> None:
        settings = self._settings
        environment = {"ATLAS_BUCKET": settings.atlas_bucket, "INGEST_SERVICE_ACCOUNT": settings.ingest_service_account}
        request = JobRequest(
            job_id=record.job_id,
            environment={name: value for name, value in environment.items() if value},
            labels={"app": "haystack", "ingest": record.dataset},
            max_run_seconds=3600 * hours_for(size),
            kind=JobKind.INGEST,
            command=("python", "-m", "orchestrator.ingest.job", record.dataset, record.job_id),
            # The only task of its machine may use all of it; so little fits any machine type.
            machine=Machine(record.machine_type, 1000, 1024, record.disk_gb),
        )
        try:
            await self._jobs.submit(request)
        except (SubmitRejected, PermissionMissing) as error:
            failed = record.model_copy(update={"phase": Phase.FAILED, "message": error.detail})
            await asyncio.to_thread(self._records.write, failed, generation)
            raise

    def _why(self, record: IngestRecord, report: JobReport | None) -> str:
        """Return why an ingest cannot succeed whose job ended without recording its end."""
        reason = FailureReason.JOB_VANISHED if report is None else failure_of(report).reason
        again = "Repeat the command"
        place = f"--project={self._settings.project}"
        explained = {
            FailureReason.PREEMPTED: f"Google Cloud lost its machine each time. {again}.",
            FailureReason.INTERRUPTED: f"Its job was stopped before it finished, perhaps because the memory of {record.machine_type} "
            f"was too small. {again}; if it is stopped again, with a larger --machine-type.",
            FailureReason.IMAGE_PULL: "Its container image could not be started. Set JOB_IMAGE to an image that exists; "
            "./deploy.sh writes it to build/deploy/PROJECT/ENV/ingest.env.",
            FailureReason.TIMEOUT: f"It reached its time limit. {again} with a larger --machine-type.",
            FailureReason.OUT_OF_MEMORY: out_of_memory(record.machine_type),
            FailureReason.QUOTA: f"Google Cloud had no machine of type {record.machine_type}. "
            f"Raise the quota, or repeat the command with another --machine-type.",
            FailureReason.SUBMIT_FAILED: f"It could not start on a machine. {again}.",
            FailureReason.JOB_VANISHED: f"Its job was cancelled or deleted, or never reached Batch. {again} to start it.",
        }
        unknown = (
            "It ended without giving a reason. Its log: gcloud logging read "
            f"'jsonPayload.ingest_job=\"{record.job_id}\"' {place} --freshness=14d --order=asc"
        )
        return f"The ingest of {record.dataset} failed. {explained.get(reason, unknown)}"


def keep_versions(objects: Objects, bucket: str, dataset: str, kept: Collection[str]) -> None:
    """Delete the other versions of a dataset in a bucket, as `folders.keep_versions` does in a folder."""
    found = [(each, each.name.rpartition("/")[0]) for each in objects.below(bucket, f"{dataset}/")]
    # First the file that makes a version complete.
    for each, folder in sorted(found, key=lambda pair: not pair[0].name.endswith(f"/{ENTRY_FILE}")):
        if folder not in kept:
            objects.delete(bucket, each.name)


def ingest_job_id(bucket: str, dataset: str, number: int) -> str:
    """Return the id of a Batch job; the digest tells long names and the environments of a project apart."""
    return f"haystack-ingest-{dataset[:30].replace('_', '-')}-{_digest(f'{bucket}/{dataset}')}-{number}"


def machine_type_for(size: int) -> str:
    """Return the machine type for a file of this many bytes."""
    return next(machine_type for most, machine_type in MACHINES if size <= most * GB)


def disk_gb_for(size: int) -> int:
    """Return the size of the boot disk for a file of this many bytes, in GB."""
    return DISK_GB + math.ceil(DISK_GB_PER_GB * size / GB)


def hours_for(size: int) -> int:
    """Return the time limit for a file of this many bytes, in hours."""
    return min(HOURS + math.ceil(size / GB / GB_PER_HOUR), MOST_HOURS)


def out_of_memory(machine_type: str) -> str:
    """Return what to do if an ingest needs more memory than a machine of this type has."""
    types = [name for _, name in MACHINES]
    larger = (types[types.index(machine_type) + 1 :] if machine_type in types else []) or [LARGEST]
    return f"It needs more memory than {machine_type} has. Repeat the command with --machine-type {larger[0]}."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _progress(record: IngestRecord, report: JobReport) -> str:
    since = f" ({record.dataset} from {record.source}, since {record.submitted_at:%Y-%m-%d %H:%M} UTC)"
    if report.state is not JobState.RUNNING:
        return f"waiting for a machine of type {record.machine_type}{since}"
    again = f", start {record.starts} because the machine was lost" if record.starts > 1 else ""
    return f"ingesting: {record.step or 'starting'}{again}{since}"


def _ended(record: IngestRecord) -> IngestState:
    succeeded = record.phase is Phase.SUCCEEDED
    sentence = record.message if succeeded else f"The ingest of {record.dataset} failed. {record.message}"
    return IngestState(record, sentence, over=True, succeeded=succeeded)
