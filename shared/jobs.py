"""What the domain says to Batch and hears from it, free of Batch's own types."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class JobState(StrEnum):
    """A Batch job's state, by the names of the Batch API."""

    QUEUED = "QUEUED"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DELETION_IN_PROGRESS = "DELETION_IN_PROGRESS"
    CANCELLATION_IN_PROGRESS = "CANCELLATION_IN_PROGRESS"
    CANCELLED = "CANCELLED"
    UNKNOWN = "STATE_UNSPECIFIED"

    @property
    def over(self) -> bool:
        """Whether the job holds no compute any more."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class JobRequest(NamedTuple):
    """A job to run.

    Attributes:
        job_id: `runs.job_id(run_id, attempt)`.
        environment: what the job's process finds in its environment, beside what the adapter's settings add.
        labels: keys and values of `[a-z0-9_-]`, at most 63 characters; never an e-mail.
        max_run_seconds: how long it may run.
        secrets: names of those secrets that it is to find in its environment, where the adapter's settings have them.
    """

    job_id: str
    environment: Mapping[str, str]
    labels: Mapping[str, str] = MappingProxyType({})
    max_run_seconds: int = 3600
    secrets: frozenset[str] = frozenset()


class JobReport(NamedTuple):
    """What Batch knows of a job.

    Attributes:
        job_id: which job.
        state: its state.
        events: Batch's status events in the order it keeps them, descriptions only.
        exit_codes: exit codes of its tasks' executions, where Batch told them (50001 to 50006 are Batch's own).
    """

    job_id: str
    state: JobState
    events: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()
