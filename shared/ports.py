"""The seams: what the domain asks of the world. Adapters stand behind them, chosen in `shared/wiring.py` alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.catalog import DatasetEntry
from shared.jobs import JobReport, JobRequest
from shared.records import Run, StoredFile
from shared.runs import RunState


@dataclass(frozen=True)
class Cursor:
    """A place in a list of runs ordered newest first: the last run seen."""

    created_at: datetime
    run_id: str


@dataclass(frozen=True)
class Caller:
    """Who is asking, as proved: the e-mail as the identity provider writes it, in lower case."""

    email: str


class RunStore(Protocol):
    """Where runs are kept. Every method may raise `Unavailable`."""

    async def create(self, run: Run) -> None:
        """Keep a new run.

        Raises:
            RunExists: a run of this id is kept already; it is left as it is.
        """

    async def get(self, run_id: str) -> Run | None:
        """The run of this id, or None. Costs one document read."""

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """Change a run in one transaction and give it as it is then.

        Args:
            run_id: which run.
            change: from the run as stored to the run as wanted, or None to leave it. Pure: it is called again when another writer
                came between.

        Raises:
            RunNotFound: there is no such run.
            TransitionRefused: the change of status is not in the transition table; nothing is written.
        """

    async def page(
        self,
        owner: str,
        *,
        statuses: Sequence[RunState] = (),
        limit: int,
        after: Cursor | None = None,
        offset: int = 0,
    ) -> Sequence[Run]:
        """The owner's runs, newest first (then by id, descending).

        Args:
            owner: the e-mail whose runs these are.
            statuses: only runs in these states; empty means all.
            limit: at most so many runs.
            after: begin behind this place; costs nothing for what is skipped.
            offset: skip so many; every skipped document is billed.
        """

    async def count(self, owner: str, *, statuses: Sequence[RunState] = ()) -> int:
        """How many runs `page` would give without limit."""

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """Runs whose `check_at` is not after now, the longest overdue first, at most `limit`."""


class Readiness(Protocol):
    """Whether the database answers."""

    async def ping(self) -> None:
        """Ask the database something small.

        Raises:
            Unavailable: it did not answer in time.
        """


class Catalog(Protocol):
    """Where the ingested datasets are written down. Every method may raise `Unavailable`."""

    async def load(self) -> Sequence[DatasetEntry]:
        """All ingested datasets, by name. Costs one document read."""

    async def put(self, entry: DatasetEntry) -> None:
        """Write a dataset down, in the place of an earlier entry of its name; others are untouched."""

    async def remove(self, name: str) -> None:
        """Forget a dataset; one that is not there is no error."""


class BatchJobs(Protocol):
    """Google Cloud Batch. Every method may raise `Unavailable`."""

    async def submit(self, request: JobRequest) -> None:
        """Have a job run. A job of this id that is there already is adopted: nothing is submitted twice.

        Raises:
            SubmitRejected: Batch will never take this job.
        """

    async def describe(self, job_id: str) -> JobReport | None:
        """What Batch knows of a job, or None where Batch says that there is no such job."""

    async def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled; one that is over or not there is no error. History is kept."""


class ResultFiles(Protocol):
    """The results bucket. Every method may raise `Unavailable`."""

    async def upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        """Put a file at `runs/{run_id}/{path.name}`, in the place of an earlier one, checksum verified."""

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """A V4-signed GET URL for each file, in order, that holds until `expires_at` (at most seven days)."""


class Identity(Protocol):
    """Who is asking."""

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller, from the request's headers (names in lower case).

        Raises:
            Unauthenticated: no identity, or one that does not hold.
            Unavailable: the keys to check it with cannot be had.
        """
