"""A job as the stand-in keeps it: its states, the events that tell of them, and its one task."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from google.cloud import batch_v1

from local.batch.rehearsal import JobOrder
from shared.runs.jobs import JobState

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
_DELAY: Final = "Quota checking process decides to delay scheduling for the job {uid} due to inadequate quotas"


@dataclass(frozen=True)
class Change:
    """A job has gone from one state to another, and its task, by the names of the Batch API, maybe too."""

    record: "JobRecord"
    old: JobState
    new: JobState
    old_task: str
    new_task: str


OnChange = Callable[[Change], None]


class JobRecord:
    """One job.

    Args:
        name: `projects/{project}/locations/{location}/jobs/{job_id}`.
        wanted: the job as it was asked for.
        on_change: told of each change of state.
        trouble: what goes wrong with it, in a rehearsal.
    """

    def __init__(self, name: str, wanted: batch_v1.Job, on_change: OnChange, trouble: JobOrder | None = None) -> None:
        self.trouble = trouble
        now = datetime.now(UTC)
        self.job = batch_v1.Job(wanted)
        self.job.name = name
        # As the real ones look: 18 characters of the job's id, and half a UUID.
        self.job.uid = f"{name.rpartition('/')[2][:18].rstrip('-')}-{str(uuid4())[:18]}0"
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
        self._told_task = self.task.status.state.name
        self._running_since: datetime | None = None
        self._count()

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
        self._move(to)

    def end(self, exit_code: int, cause: str = "") -> None:
        """The task ended: the job SUCCEEDED with exit code 0, else it FAILED.

        Args:
            exit_code: the task's, or one of those that Batch reserves.
            cause: why, in Batch's words after "due to"; empty where the task ended by itself.
        """
        if exit_code == 0:
            self._move(JobState.SUCCEEDED)
            return
        due = f" due to {cause}" if cause else ""
        event = self._move_task("FAILED", f"{due} with exit code {exit_code}", exit_code)
        # The job's own event tells the code in words only, as the real service's does.
        self._move(
            JobState.FAILED,
            f'Job failed due to task failure. Specifically, task with index 0 failed due to the following task event: "{event}"',
        )

    def delay(self, quota: str) -> None:
        """Tell that there is no quota to run the job, as yet.

        Args:
            quota: the quota in Batch's words.
        """
        self._tell("OPERATIONAL_INFO", f"{_DELAY.format(uid=self.job.uid)} [{quota}].")

    def _move(self, to: JobState, because: str = "") -> None:
        old, old_task = self.state, self._told_task
        if to not in TRANSITIONS[old]:
            message = f"{self.name} is {old.name} and cannot become {to.name}"
            raise ValueError(message)
        self._state = to
        self.job.status.state = getattr(batch_v1.JobStatus.State, to.value)
        self._tell("STATUS_CHANGED", f"Job state is set from {old.name} to {to.name} for job {self.name}.{because}")
        self._move_task(self._task_state())
        now = datetime.now(UTC)
        if to is JobState.RUNNING:
            self._running_since = now
        elif self._running_since and to.over:
            batch_v1.JobStatus.pb(self.job.status).run_duration.FromTimedelta(now - self._running_since)
        self._told_task = self.task.status.state.name
        self._on_change(Change(self, old, to, old_task, self._told_task))

    def _tell(self, kind: str, description: str) -> None:
        now = datetime.now(UTC)
        self.job.status.status_events.append(batch_v1.StatusEvent(type_=kind, description=description, event_time=now))
        batch_v1.Job.pb(self.job).update_time.FromDatetime(now)

    def _task_state(self) -> str:
        """What the job's state makes of the task."""
        now = self.task.status.state.name
        if self._state is JobState.CANCELLED:
            return "FAILED" if now in {"ASSIGNED", "RUNNING"} else "UNEXECUTED"
        return _TASK_STATES.get(self._state, now)

    def _move_task(self, to: str, how: str = "", exit_code: int = 0) -> str:
        """Bring the task into a state, and give the event that tells of it; empty where it is in that state."""
        status = self.task.status
        old = status.state.name
        if old == to:
            return ""
        status.state = getattr(batch_v1.TaskStatus.State, to)
        event = batch_v1.StatusEvent(
            type_="STATUS_CHANGED",
            description=f"Task state is updated from {old} to {to} on {_MACHINE}{how}.",
            event_time=datetime.now(UTC),
            task_state=to,
        )
        if exit_code:
            event.task_execution = batch_v1.TaskExecution(exit_code=exit_code)
        status.status_events.append(event)
        self._count()
        return event.description

    def _count(self) -> None:
        """Bring the count of tasks in the job in line with the task."""
        counts = {self.task.status.state.name: 1}
        self.job.status.task_groups = {_GROUP: batch_v1.JobStatus.TaskGroupStatus(counts=counts)}
