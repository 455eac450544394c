"""A job of the Batch emulator, with its states, its status events and its one task; and the operations on jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Self
from uuid import uuid4

from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from local.batch.faults import JobFault
from local.batch.rules import not_found
from shared.runs.jobs import JobState

_RELEASES: Final = frozenset({JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS})
_DELETION: Final = frozenset({JobState.DELETION_IN_PROGRESS})
TRANSITIONS: Final = MappingProxyType(
    {
        JobState.QUEUED: _RELEASES | {JobState.SCHEDULED, JobState.FAILED},
        JobState.SCHEDULED: _RELEASES | {JobState.RUNNING, JobState.FAILED},
        JobState.RUNNING: _RELEASES | {JobState.SUCCEEDED, JobState.FAILED},
        JobState.CANCELLATION_IN_PROGRESS: _DELETION | {JobState.CANCELLED},
        JobState.SUCCEEDED: _DELETION,
        JobState.FAILED: _DELETION,
        JobState.CANCELLED: _DELETION,
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
    """A job's change of state, and that of its task, by the names of the Batch API."""

    record: "JobRecord"
    old: JobState
    new: JobState
    old_task: str
    new_task: str


OnChange = Callable[[Change], None]


class JobRecord:
    """One job, named `projects/{project}/locations/{location}/jobs/{job_id}`."""

    def __init__(self, name: str, wanted: batch_v1.Job, on_change: OnChange, fault: JobFault | None = None) -> None:
        self.fault = fault
        now = datetime.now(UTC)
        self.job = batch_v1.Job(wanted)
        self.job.name = name
        # Like the ids of the real service: 18 characters of the job id, and half a UUID.
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
        self._published_task_state = self.task.status.state.name
        self._running_since: datetime | None = None
        self._count()

    @classmethod
    def restore(cls, job: batch_v1.Job, task: batch_v1.Task, on_change: OnChange) -> Self:
        """Return the record of a stored job."""
        record = cls(job.name, job, on_change)
        record.job, record.task = job, task
        record._state = JobState(job.status.state.name)
        record._published_task_state = task.status.state.name
        return record

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
        """Whether the job is, or is about to be, cancelled or deleted, so that the end of its process does not matter."""
        return self._state in _RELEASES | {JobState.CANCELLED}

    def move(self, to: JobState, because: str = "") -> None:
        """Change the state, with an event that ends in `because`.

        Raises:
            ValueError: the real service has no such change of state.
        """
        old, old_task = self.state, self._published_task_state
        if to not in TRANSITIONS[old]:
            message = f"{self.name} is {old.name} and cannot become {to.name}"
            raise ValueError(message)
        self._state = to
        self.job.status.state = getattr(batch_v1.JobStatus.State, to.value)
        self._add_event(
            "STATUS_CHANGED", f"Job state is set from {old.name} to {to.name} for job {self.name}.{because}"
        )
        self._move_task(self._task_state())
        now = datetime.now(UTC)
        if to is JobState.RUNNING:
            self._running_since = now
        elif self._running_since and to.over:
            batch_v1.JobStatus.pb(self.job.status).run_duration.FromTimedelta(now - self._running_since)
        self._published_task_state = self.task.status.state.name
        self._on_change(Change(self, old, to, old_task, self._published_task_state))

    def end(self, exit_code: int, cause: str = "") -> None:
        """End the task: exit code 0 makes the job SUCCEEDED, any other FAILED.

        Args:
            exit_code: the task's, or one that Batch reserves.
            cause: the reason in Batch's words, after "due to"; empty if the task ended by itself.
        """
        if exit_code == 0:
            self.move(JobState.SUCCEEDED)
            return
        due = f" due to {cause}" if cause else ""
        event = self._move_task("FAILED", f"{due} with exit code {exit_code}", exit_code)
        # As in the real service, the job's own event contains the code only in its text.
        self.move(
            JobState.FAILED,
            f'Job failed due to task failure. Specifically, task with index 0 failed due to the following task event: "{event}"',
        )

    def delay(self, quota: str) -> None:
        """Add the event of a job that waits for quota, described in Batch's words."""
        self._add_event("OPERATIONAL_INFO", f"{_DELAY.format(uid=self.job.uid)} [{quota}].")

    def _add_event(self, kind: str, description: str) -> None:
        now = datetime.now(UTC)
        self.job.status.status_events.append(batch_v1.StatusEvent(type_=kind, description=description, event_time=now))
        batch_v1.Job.pb(self.job).update_time.FromDatetime(now)

    def _task_state(self) -> str:
        """Return the task state that follows from the job's."""
        now = self.task.status.state.name
        if self._state is JobState.CANCELLED:
            return "FAILED" if now in {"ASSIGNED", "RUNNING"} else "UNEXECUTED"
        return _TASK_STATES.get(self._state, now)

    def _move_task(self, to: str, how: str = "", exit_code: int = 0) -> str:
        """Change the task's state and return the text of its event; empty if nothing changes."""
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
        """Update the job's count of tasks."""
        counts = {self.task.status.state.name: 1}
        self.job.status.task_groups = {_GROUP: batch_v1.JobStatus.TaskGroupStatus(counts=counts)}


class Operations:
    """The long-running operations that CancelJob and DeleteJob return, since the start of the process."""

    def __init__(self) -> None:
        self._by_name: dict[str, operations_pb2.Operation] = {}

    def begin(self, target: str, verb: str) -> operations_pb2.Operation:
        """Return a new operation, `cancel` or `delete`, on the job with this resource name."""
        parent = target.partition("/jobs/")[0]
        operation = operations_pb2.Operation(name=f"{parent}/operations/operation-{uuid4()}")
        now = datetime.now(UTC)
        metadata = batch_v1.OperationMetadata(create_time=now, target=target, verb=verb, api_version="v1")
        operation.metadata.Pack(batch_v1.OperationMetadata.pb(metadata))
        self._by_name[operation.name] = operation
        return operation

    def finish(self, operation: operations_pb2.Operation, response: Message) -> None:
        """Mark an operation as done, with this response."""
        metadata = batch_v1.OperationMetadata.pb(batch_v1.OperationMetadata())
        operation.metadata.Unpack(metadata)
        metadata.end_time.FromDatetime(datetime.now(UTC))
        operation.metadata.Pack(metadata)
        operation.response.Pack(response)
        operation.done = True

    def get(self, name: str) -> operations_pb2.Operation:
        """Return the operation of this name, or raise `Refused`."""
        if name not in self._by_name:
            raise not_found(name)
        return self._by_name[name]
