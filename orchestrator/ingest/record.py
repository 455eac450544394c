"""The record of the newest ingest of a dataset on Batch: an object in the atlas bucket, beside what the ingest writes.

Batch itself knows neither the progress nor the reason of a failure, and forgets a job after two months; the catalog describes the atlas
that is in use, which a failed ingest must not touch. Every write names the generation that it replaces, so of two writers the first wins.
"""

from enum import StrEnum
from typing import Final

from shared.catalog.objects import Objects
from shared.fields import Model, Timestamp

# Commands and jobs of older and newer versions read the same records.
FOLDER: Final = ".ingests"


class Phase(StrEnum):
    """What is known about an ingest."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class IngestRecord(Model):
    """An ingest on Batch.

    Attributes:
        number: 1 for the first ingest of the dataset; part of the job's id.
        source: `gs://` address of the atlas.
        arguments: the command line, without what concerns Batch.
        starts: how often the job started; more than once if its machine was lost.
        step: what it does now, with its progress.
        output: what the ingest printed: its summary and its notes.
        message: the final sentence.
    """

    dataset: str
    number: int
    job_id: str
    source: str
    arguments: list[str]
    machine_type: str
    disk_gb: int
    submitted_at: Timestamp
    updated_at: Timestamp
    phase: Phase = Phase.SUBMITTED
    starts: int = 0
    step: str = ""
    output: str = ""
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether the job recorded its end."""
        return self.phase in {Phase.SUCCEEDED, Phase.FAILED}


class Records:
    """The records of an atlas bucket. Every method may raise what `Objects` raises."""

    def __init__(self, objects: Objects, bucket: str) -> None:
        self._objects, self._bucket = objects, bucket

    def read(self, dataset: str) -> tuple[IngestRecord | None, int]:
        """Return the record of a dataset and its generation; None and 0 if it was never ingested on Batch."""
        stored = self._objects.read(self._bucket, _name(dataset))
        return (None, 0) if stored is None else (IngestRecord.from_stored_json(stored[0]), stored[1])

    def write(self, record: IngestRecord, generation: int) -> int | None:
        """Replace the record of this generation, and return the new generation; None if it changed meanwhile."""
        content = record.model_dump_json(indent=1).encode()
        return self._objects.write(content, self._bucket, _name(record.dataset), generation=generation)

    def delete(self, dataset: str) -> None:
        """Delete the record of a dataset."""
        self._objects.delete(self._bucket, _name(dataset))


def _name(dataset: str) -> str:
    return f"{FOLDER}/{dataset}.record.json"
