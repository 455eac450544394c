"""The seams: what the domain asks of the world. Adapters stand behind them, chosen in `shared/wiring.py` alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # a function that has no runs, datasets or jobs starts without their models
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from shared.runs.jobs import JobReport, JobRequest
    from shared.runs.records import Run, RunSummary, StoredFile
    from shared.runs.states import RunState


class Cursor(NamedTuple):
    """A place in a list of runs ordered newest first: the last run seen."""

    created_at: datetime
    run_id: str


class RunFilter(NamedTuple):
    """Which runs are meant.

    Attributes:
        owner: the e-mail whose runs these are.
        statuses: only runs in these states; empty means all.
        created_after: only runs created at this time or later.
        created_before: only runs created before this time.
    """

    owner: str
    statuses: tuple[RunState, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None


class RunStore(Protocol):
    """Where runs are kept. Every method may raise `Unavailable`."""

    async def create(self, run: Run, *, max_active: int = 0) -> None:
        """Keep a new run.

        Args:
            run: the run.
            max_active: most unfinished runs that its owner may have with this one, counted in the same transaction, so that it
                holds under simultaneous creates; 0: no limit.

        Raises:
            RunExists: a run of this id is kept already; it is left as it is.
            TooManyRuns: the owner has `max_active` unfinished runs; nothing was kept.
        """

    async def get(self, run_id: str) -> Run | None:
        """The run of this id, or None. Costs one document read."""

    async def summary(self, run_id: str) -> RunSummary | None:
        """What the owner is shown of the run of this id, or None. Costs one document read, too, but most of a run is not fetched."""

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
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        """Summaries of runs, newest first (then by id, descending).

        Args:
            wanted: which.
            limit: at most so many runs.
            after: begin behind this place; costs nothing for what is skipped.
            offset: skip so many; every skipped document is billed.
        """

    async def count(self, wanted: RunFilter) -> int:
        """How many runs `page` would give without limit."""

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        """Runs whose `check_at` is not after now, the longest overdue first, at most `limit`."""


class RunWatch(Protocol):
    """What tells of a run's changes as they happen."""

    def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        """The run as it is now, and again after each change; None while there is no such run. Close it when it is not needed.

        Costs one document read at the beginning and one a change, where the store can watch; else bounded reads.

        Raises:
            Unavailable: while it is iterated, the store is away.
        """


class Readiness(Protocol):
    """Whether the database answers."""

    async def ping(self) -> None:
        """Ask the database something small.

        Raises:
            Unavailable: it did not answer in time.
        """


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
