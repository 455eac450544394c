"""Fakes that implement a port or protocol, for tests that control the outside world."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.runs.jobs import JobReport, JobRequest, JobState


@dataclass
class TestClock:
    """Clock that stands still until it is moved."""

    __test__ = False
    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **amount: float) -> datetime:
        """Move forward by an amount of seconds, minutes, hours or days."""
        self.now += timedelta(**amount)
        return self.now


class FakeBatch:
    """Batch with jobs in a dictionary and injected errors."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobReport] = {}
        self.requests: list[JobRequest] = []
        self.cancelled: list[str] = []
        self.fault: Exception | None = None

    async def submit(self, request: JobRequest) -> None:
        """See `BatchJobs.submit`."""
        self._fail()
        self.requests.append(request)
        self.jobs.setdefault(request.job_id, JobReport(request.job_id, JobState.QUEUED))

    async def describe(self, job_id: str) -> JobReport | None:
        """See `BatchJobs.describe`."""
        self._fail()
        return self.jobs.get(job_id)

    async def cancel(self, job_id: str) -> None:
        """See `BatchJobs.cancel`."""
        self._fail()
        self.cancelled.append(job_id)
        if job_id in self.jobs:
            self.put(job_id, JobState.CANCELLED)

    def put(self, job_id: str, state: JobState, *events: str, exit_codes: tuple[int, ...] = ()) -> None:
        """Set the state of a job."""
        self.jobs[job_id] = JobReport(job_id, state, events, exit_codes)

    async def forget(self) -> None:
        """Lose all jobs."""
        self.jobs.clear()

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
