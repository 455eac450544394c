"""Ports of the run domain. `shared/wiring.py` alone chooses their adapters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.runs.jobs import JobReport, JobRequest
from shared.runs.records import Run, RunSummary, StoredFile
from shared.runs.states import RunState

if TYPE_CHECKING:
    from shared.runs.notifications import RunEnded


class Cursor(NamedTuple):
    """Position in a list of runs, newest first: the last run seen."""

    created_at: datetime
    run_id: str


class RunFilter(NamedTuple):
    """Selection of runs.

    Attributes:
        owners: the values of `owner` that are one user, the subject first.
        statuses: only runs in these states; empty: all.
        created_after: only runs created at or after this time.
        created_before: only runs created before this time.
        label: only runs with this label; None: all.
    """

    owners: tuple[str, ...]
    statuses: tuple[RunState, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    label: str | None = None


class RunStore(Protocol):
    """Store of runs. Every method may raise `Unavailable`."""

    async def create(self, run: Run, *, max_active: int = 0, replaces: str | None = None) -> None:
        """Store a new run, and in the same transaction that its idempotency key, if it has one, stands for it.

        Args:
            max_active: maximum number of unfinished runs of the owner, this one included, counted in the same transaction, so that
                the limit holds under simultaneous creates; 0: no limit.
            replaces: the run that the key stood for until now, as `run_of_key` returned it.

        Raises:
            RunExists: a run with this id exists, or the key stands for another run than `replaces`; nothing was stored.
            TooManyRuns: the owner has `max_active` unfinished runs; nothing was stored.
        """

    async def run_of_key(self, key: str) -> str | None:
        """Return the id of the last run that was created with the idempotency key of this digest, or None.

        The run itself may be deleted. Costs one document read.
        """

    async def get(self, run_id: str) -> Run | None:
        """Return the run with this id, or None. Costs one document read."""

    async def summary(self, run_id: str) -> RunSummary | None:
        """Return what the owner sees of a run, or None. Costs one document read, but most of the document is not fetched."""

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """Change a run in one transaction and return it as stored afterwards.

        Args:
            change: pure function from the stored run to the wanted run, or None to leave it unchanged. It is called again if another
                writer came first.

        Raises:
            RunNotFound: there is no such run.
            TransitionRefused: the change of status is not in the transition table; nothing is written.
        """

    async def delete(self, run_id: str) -> None:
        """Delete a run; a missing run is not an error."""

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """Return summaries of runs, newest first, then by descending id. A run that cannot be read is logged and left out.

        Args:
            after: start after this position; skipped runs cost nothing.
            offset: number of runs to skip; every skipped document is a billed read.
        """

    async def count(self, wanted: RunFilter) -> int:
        """Return how many runs `page` would return without a limit, and how many it would leave out."""

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """Return runs whose `check_at` is not after `now`, longest overdue first; one that cannot be read is logged and left out."""


class RunWatch(Protocol):
    """Notifications of changes to a run."""

    def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """Yield the run now and after each change, or None while it does not exist. Close the generator when done.

        Costs one document read at the start and one per change if the store can watch, otherwise bounded reads.

        Raises:
            Unavailable: during iteration, if the store does not answer.
        """


class RunDatabase(RunStore, RunWatch, Protocol):
    """A run store that notifies of changes and reports whether it is ready."""

    async def ping(self) -> None:
        """Make a minimal read.

        Raises:
            Unavailable: the database did not answer in time, or refused.
        """

    async def ping_write(self, moment: datetime) -> None:
        """Make a minimal write: this time into a record that nothing else uses, and that all processes share.

        Raises:
            NotWritable: the database refused.
            Unavailable: it did not answer in time.
        """


class BatchJobs(Protocol):
    """Google Cloud Batch. Every method may raise `Unavailable`, or `PermissionMissing` if no retry can help."""

    async def submit(self, request: JobRequest) -> None:
        """Submit a job, or adopt the job with this id if it exists.

        Raises:
            SubmitRejected: Batch will never accept this job.
        """

    async def describe(self, job_id: str) -> JobReport | None:
        """Return what Batch knows about a job, or None if Batch says that it does not exist."""

    async def cancel(self, job_id: str) -> None:
        """Request the cancellation of a job; a finished or missing job is not an error. Its history remains."""


class ResultFiles(Protocol):
    """Results bucket. Every method may raise `Unavailable`."""

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        """Upload a file to `runs/{folder}/{path.name}` and verify the checksum; a file that exists is never replaced.

        A repeated upload of the same bytes is not an error.

        Raises:
            Unavailable: also if other bytes have this name.
        """

    async def delete(self, run_id: str) -> None:
        """Delete everything under `runs/{run_id}/`; missing files are not an error."""

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """Return a V4 signed GET URL for each file, in order, valid until `expires_at` (at most seven days)."""


class Sender(Protocol):
    """One channel of notifications."""

    async def send(self, event: RunEnded, to: str) -> None:
        """Send the news that a run ended, and wait until the receiver accepts it.

        Args:
            to: URL of a webhook, or e-mail address.

        Raises:
            DeliveryFailed: the receiver did not accept it.
        """
