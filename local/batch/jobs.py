"""A job of the Batch emulator, with its states and its status events; and the long-running operations on jobs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from local.batch.faults import Because, JobFault
from shared.runs.jobs import JobState

OnChange = Callable[["JobRecord", JobState], None]

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

_MACHINE: Final = "zones/local-a/instances/1"
_QUOTA: Final = "Quota: CPUS, limit: 0, usage: 0, wanted: 4"
_CREATION: Final = (
    "VM in Managed Instance Group meets error: Batch Error: code - {code}, description - error count is 4, "
    "latest message example: "
)
# What Batch says of a job that waits (https://cloud.google.com/batch/docs/troubleshooting; nextflow-io/nextflow#3061).
DELAYS: Final[Mapping[Because, str]] = MappingProxyType(
    {
        "quota": "Quota checking process decides to delay scheduling for the job {uid} due to inadequate quotas "
        f"[{_QUOTA}].",
        "quota-exceeded": _CREATION.replace("{code}", "CODE_GCE_QUOTA_EXCEEDED")
        + "Instance '{uid}-group0-0-5pdz' creation failed: Quota 'CPUS' exceeded.  Limit: 0.0 in region local",
        "machines": _CREATION.replace("{code}", "CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED")
        + "Instance '{uid}-group0-0-5pdz' creation failed: The zone 'projects/p/zones/local-a' does not have enough resources "
        "available to fulfill the request.  '(resource type:compute)'.",
    }
)


def new_job(name: str, wanted: batch_v1.Job) -> batch_v1.Job:
    """Return the queued job that Batch creates from a specification: it sets the fields that only Batch may set."""
    job = batch_v1.Job(wanted)
    job.name = name
    # Like the ids of the real service: 18 characters of the job id, and half a UUID.
    job.uid = f"{name.rpartition('/')[2][:18].rstrip('-')}-{str(uuid4())[:18]}0"
    job.status = batch_v1.JobStatus(state="QUEUED")
    now = datetime.now(UTC)
    batch_v1.Job.pb(job).create_time.FromDatetime(now)
    batch_v1.Job.pb(job).update_time.FromDatetime(now)
    group = job.task_groups[0]
    group.name = f"{name}/taskGroups/group0"
    group.task_count = 1
    group.parallelism = 1
    return job


class JobRecord:
    """A new or a stored job, named `projects/{project}/locations/{location}/jobs/{job_id}`.

    Args:
        job: the job, which the record changes.
        on_change: receives the record and its old state after each change of state.
        fault: the injected fault of the job.
        request_key: identifies the request that created the job; empty if the request had no id.
    """

    def __init__(
        self, job: batch_v1.Job, on_change: OnChange, *, fault: JobFault | None = None, request_key: str = ""
    ) -> None:
        self.job = job
        self.fault = fault
        self.request_key = request_key
        # The last operation that CancelJob or DeleteJob returned.
        self.operation: operations_pb2.Operation | None = None
        self._on_change = on_change
        self._running_since: datetime | None = None

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
        return JobState(self.job.status.state.name)

    @property
    def released(self) -> bool:
        """Whether the job is, or is about to be, cancelled or deleted, so that the end of its process does not matter."""
        return self.state in _RELEASES | {JobState.CANCELLED}

    def move(self, to: JobState, because: str = "") -> None:
        """Change the state, with an event that ends in `because`.

        Raises:
            ValueError: the real service has no such change of state.
        """
        old = self.state
        if to not in TRANSITIONS[old]:
            raise ValueError(f"{self.name} is {old.name} and cannot become {to.name}")
        self.job.status.state = getattr(batch_v1.JobStatus.State, to.value)
        self._add_event(
            "STATUS_CHANGED", f"Job state is set from {old.name} to {to.name} for job {self.name}.{because}"
        )
        now = datetime.now(UTC)
        if to is JobState.RUNNING:
            self._running_since = now
        elif self._running_since and to.over:
            batch_v1.JobStatus.pb(self.job.status).run_duration.FromTimedelta(now - self._running_since)
        self._on_change(self, old)

    def end(self, exit_code: int, cause: str = "") -> None:
        """End the task: exit code 0 makes the job SUCCEEDED, any other FAILED.

        Args:
            exit_code: the task's, or one that Batch reserves.
            cause: the reason in Batch's words, after "due to"; empty if the task ended by itself.
        """
        if exit_code == 0:
            self.move(JobState.SUCCEEDED)
            return
        event = self._failed_task(exit_code, cause)
        # As in the real service, the job's own event contains the code only in its text.
        self.move(
            JobState.FAILED,
            f'Job failed due to task failure. Specifically, task with index 0 failed due to the following task event: "{event}"',
        )

    def repeat(self, exit_code: int, cause: str = "") -> None:
        """Add the event of a task that failed and is started again; the job keeps its state."""
        self._add_event("STATUS_CHANGED", self._failed_task(exit_code, cause))

    def delay(self, because: Because) -> None:
        """Add the event of a job that waits for this, in Batch's words; a job that waits only for its turn has none."""
        if because in DELAYS:
            self._add_event("OPERATIONAL_INFO", DELAYS[because].format(uid=self.job.uid))

    def _failed_task(self, exit_code: int, cause: str) -> str:
        task_state = "ASSIGNED" if self.state is JobState.SCHEDULED else self.state.name
        due = f" due to {cause}" if cause else ""
        return f"Task state is updated from {task_state} to FAILED on {_MACHINE}{due} with exit code {exit_code}."

    def _add_event(self, kind: str, description: str) -> None:
        now = datetime.now(UTC)
        self.job.status.status_events.append(batch_v1.StatusEvent(type_=kind, description=description, event_time=now))
        batch_v1.Job.pb(self.job).update_time.FromDatetime(now)


def begin_operation(target: str, verb: str) -> operations_pb2.Operation:
    """Return a new long-running operation, `cancel` or `delete`, on the job with this resource name."""
    metadata = batch_v1.OperationMetadata(create_time=datetime.now(UTC), target=target, verb=verb, api_version="v1")
    operation = operations_pb2.Operation(name=f"{target.partition('/jobs/')[0]}/operations/operation-{uuid4()}")
    operation.metadata.Pack(batch_v1.OperationMetadata.pb(metadata))
    return operation


def finish_operation(operation: operations_pb2.Operation, response: Message) -> None:
    """Mark an operation as done, with this response."""
    metadata = batch_v1.OperationMetadata.pb(batch_v1.OperationMetadata())
    operation.metadata.Unpack(metadata)
    metadata.end_time.FromDatetime(datetime.now(UTC))
    operation.metadata.Pack(metadata)
    operation.response.Pack(response)
    operation.done = True
