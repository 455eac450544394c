"""A job as the stand-in keeps it: its states, the events that tell of them, and its one task."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from google.cloud import batch_v1

from shared.jobs import JobState

TRANSITIONS: Final = MappingProxyType(
    {
        JobState.QUEUED: frozenset(
            {JobState.SCHEDULED, JobState.FAILED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}
        ),
        JobState.SCHEDULED: frozenset(
            {JobState.RUNNING, JobState.FAILED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}
        ),
        JobState.RUNNING: frozenset(
            {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}
        ),
        JobState.CANCELLATION_IN_PROGRESS: frozenset({JobState.CANCELLED, JobState.DELETION_IN_PROGRESS}),
        JobState.SUCCEEDED: frozenset({JobState.DELETION_IN_PROGRESS}),
        JobState.FAILED: frozenset({JobState.DELETION_IN_PROGRESS}),
        JobState.CANCELLED: frozenset({JobState.DELETION_IN_PROGRESS}),
        JobState.DELETION_IN_PROGRESS: frozenset[JobState](),
    }
)

_TASK_STATES: Final = MappingProxyType(
    {
        JobState.SCHEDULED: "ASSIGNED",
        JobState.RUNNING: "RUNNING",
        JobState.SUCCEEDED: "SUCCEEDED",
        JobState.FAILED: "FAILED",
    }
)

_GROUP: Final = "group0"
_MACHINE: Final = "zones/local-a/instances/1"


class JobRecord:
    """One job.

    Args:
        name: `projects/{project}/locations/{location}/jobs/{job_id}`.
        wanted: the job as it was asked for.
        on_change: told of each change of state: the record, the old state, the new one.
    """

    def __init__(
        self, name: str, wanted: batch_v1.Job, on_change: Callable[["JobRecord", JobState, JobState], None]
    ) -> None:
        now = datetime.now(UTC)
        self.job = batch_v1.Job(wanted)
        self.job.name = name
        self.job.uid = f"{name.rpartition('/')[2][:20].rstrip('-')}-{uuid4()}"
        self.job.status = batch_v1.JobStatus(state="QUEUED")
        batch_v1.Job.pb(self.job).create_time.FromDatetime(now)
        batch_v1.Job.pb(self.job).update_time.FromDatetime(now)
        group = self.job.task_groups[0]
        group.name = f"{name}/taskGroups/{_GROUP}"
        group.task_count = 1
        group.parallelism = 1
        self.task = batch_v1.Task(name=f"{group.name}/tasks/0", status=batch_v1.TaskStatus(state="PENDING"))
        self._on_change = on_change
        self._state = JobState.QUEUED
        self._running_since: datetime | None = None
        self._follow()

    @property
    def name(self) -> str:
        """The job's resource name."""
        return self.job.name

    @property
    def job_id(self) -> str:
        """The last part of the name."""
        return self.job.name.rpartition("/")[2]

    @property
    def state(self) -> JobState:
        """The job's state."""
        return self._state

    @property
    def released(self) -> bool:
        """Whether its place to run is to be taken away, or was: nothing that its process does matters any more."""
        return self._state in {JobState.CANCELLATION_IN_PROGRESS, JobState.CANCELLED, JobState.DELETION_IN_PROGRESS}

    def move(self, to: JobState) -> None:
        """Go to another state.

        Raises:
            ValueError: the real service has no such change of state.
        """
        self._move(to, "")

    def end(self, exit_code: int, cause: str = "") -> None:
        """The task ended: the job SUCCEEDED with exit code 0, else it FAILED.

        Args:
            exit_code: the task's, or one of those that Batch reserves.
            cause: why, in Batch's words after "due to"; empty where the task ended by itself.
        """
        if exit_code == 0:
            self._move(JobState.SUCCEEDED, "")
            return
        due = f" due to {cause}" if cause else ""
        event = (
            f"Task state is updated from {self.task.status.state.name} to FAILED on {_MACHINE}"
            f"{due} with exit code {exit_code}."
        )
        self.task.status.status_events.append(
            batch_v1.StatusEvent(
                type_="STATUS_CHANGED",
                description=event,
                event_time=datetime.now(UTC),
                task_execution=batch_v1.TaskExecution(exit_code=exit_code),
                task_state="FAILED",
            )
        )
        # The job's own event tells the code in words only, as the real service's does.
        self._move(
            JobState.FAILED,
            f'Job failed due to task failure. Specifically, task with index 0 failed due to the following task event: "{event}"',
        )

    def _move(self, to: JobState, because: str) -> None:
        old = self.state
        if to not in TRANSITIONS[old]:
            message = f"{self.name} is {old.name} and cannot become {to.name}"
            raise ValueError(message)
        now = datetime.now(UTC)
        status = self.job.status
        self._state = to
        status.state = getattr(batch_v1.JobStatus.State, to.value)
        status.status_events.append(
            batch_v1.StatusEvent(
                type_="STATUS_CHANGED",
                description=f"Job state is set from {old.name} to {to.name} for job {self.name}.{because}",
                event_time=now,
            )
        )
        self._follow()
        if to is JobState.RUNNING:
            self._running_since = now
        elif self._running_since and to.over:
            batch_v1.JobStatus.pb(status).run_duration.FromTimedelta(now - self._running_since)
        batch_v1.Job.pb(self.job).update_time.FromDatetime(now)
        self._on_change(self, old, to)

    def _follow(self) -> None:
        """Bring the task, and the count of tasks in the job, in line with the job's state."""
        status = self.task.status
        if self._state in _TASK_STATES:
            status.state = getattr(batch_v1.TaskStatus.State, _TASK_STATES[self._state])
        elif self._state is JobState.CANCELLED:
            executed = status.state.name in {"ASSIGNED", "RUNNING"}
            status.state = getattr(batch_v1.TaskStatus.State, "FAILED" if executed else "UNEXECUTED")
        self.job.status.task_groups = {_GROUP: batch_v1.JobStatus.TaskGroupStatus(counts={status.state.name: 1})}
