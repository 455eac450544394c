"""Google Cloud Batch behind the `BatchJobs` port.

One instance belongs to the event loop that first uses it, because gRPC's asynchronous channel does.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import grpc.aio
from google.longrunning.operations_pb2 import Operation
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from grpc.aio import AioRpcError

from shared.errors import SubmitRejected, Unavailable
from shared.google_grpc import Patience, library_left_out, open_channel
from shared.runs.jobs import JobReport, JobRequest, JobState
from shared.settings import Settings

with library_left_out("google.cloud.batch_v1"):
    from google.cloud.batch_v1 import types as batch_v1

T = TypeVar("T")
HOST: Final = "batch.googleapis.com"
_SERVICE: Final = "/google.cloud.batch.v1.BatchService/"
COMMANDS: Final = ("python", "-m", "orchestrator.main")
MACHINE_TYPE: Final = "e2-standard-4"
CPU_MILLI: Final = 4000
MEMORY_MIB: Final = 16384
JOB_ID: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")

ATTEMPT_SECONDS: Final = 10.0
"""One attempt of a call; creating a job takes Batch a second or two."""
TOTAL_SECONDS: Final = 25.0
"""All attempts of a call: as long as a person at a browser may be left waiting."""

_HOST_ATLASES: Final = "/mnt/disks/atlases"
# Batch's default VM image for containers has a read-only root; buckets mount below /mnt/disks there and are bound into the container.

_PASSING: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.ABORTED})
_BAD_REQUEST: Final = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION, StatusCode.OUT_OF_RANGE})
_REFUSED: Final = _BAD_REQUEST | {StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND}

_EXIT_CODE_TEXT: Final = re.compile(r"with exit code (\d+)")


class GoogleBatchJobs:
    """The jobs of one project and region.

    Args:
        settings: project, region, job_image, job_service_account, job_topic, atlas_bucket and atlas_dir, what the job needs to
            build its own settings, and batch_emulator_host, where that is set the only place that is asked.
        attempt_seconds: deadline of one attempt of a call.
        total_seconds: deadline of a call with all its attempts.
    """

    def __init__(
        self, settings: Settings, *, attempt_seconds: float = ATTEMPT_SECONDS, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._settings = settings
        self._patience = Patience(total_seconds, attempt_seconds, _PASSING, first_pause=0.25, longest_pause=4.0)
        self._channel: grpc.aio.Channel | None = None

    async def submit(self, request: JobRequest) -> None:
        """Have a job run, or adopt the job of this id that is there already.

        Raises:
            SubmitRejected: Batch will never take this job.
            Unavailable: Batch did not answer, or has no room; whether the job exists is not known.
        """
        if not JOB_ID.fullmatch(request.job_id):
            raise SubmitRejected(f"{request.job_id!r} is not an id that Google Cloud Batch takes. Tell the operators.")
        create = batch_v1.CreateJobRequest(
            parent=self._parent,
            job_id=request.job_id,
            job=job_spec(request, self._settings),
            # One for all tries of this call. A later call has another: Batch ignores a repeated one for an hour, even if the job was
            # deleted meanwhile; and a job that is there already is known by its own id.
            request_id=str(uuid4()),
        )
        try:
            await self._ask("CreateJob", create, batch_v1.Job.deserialize, parent=self._parent)
        except AioRpcError as error:
            if error.code() is StatusCode.ALREADY_EXISTS:
                return
            if error.code() in _REFUSED:
                raise SubmitRejected(
                    f"Google Cloud Batch refuses this job ({error.code().name}). Submitting again will not help: "
                    "tell the operators of the service."
                ) from error
            raise Unavailable("Batch") from error

    async def describe(self, job_id: str) -> JobReport | None:
        """What Batch knows of a job, or None where Batch itself says that there is no such job.

        Raises:
            Unavailable: for any other error: an error while asking never counts as a missing job.
        """
        name = self._name(job_id)
        try:
            job = await self._ask("GetJob", batch_v1.GetJobRequest(name=name), batch_v1.Job.deserialize, name=name)
        except AioRpcError as error:
            if error.code() is StatusCode.NOT_FOUND:
                return None
            raise Unavailable("Batch") from error
        events = job.status.status_events
        return JobReport(
            job_id=job_id,
            state=_state(job.status.state),
            events=tuple(event.description for event in events),
            exit_codes=tuple(_exit_codes(events)),
        )

    async def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled, without waiting for it; one that is over or not there is no error.

        Raises:
            Unavailable: Batch did not take the request.
        """
        # A new id for each call: Batch ignores a repeated one, and the reconciler repeats a cancel just because the last one did not hold.
        name = self._name(job_id)
        cancel = batch_v1.CancelJobRequest(name=name, request_id=str(uuid4()))
        try:
            await self._ask("CancelJob", cancel, Operation.FromString, name=name)
        except AioRpcError as error:
            if error.code() is StatusCode.NOT_FOUND:
                return
            if error.code() not in _BAD_REQUEST or not await self._releasing(job_id):
                raise Unavailable("Batch") from error

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _releasing(self, job_id: str) -> bool:
        """Whether a job that Batch would not cancel holds nothing any more, or is on the way there."""
        report = await self.describe(job_id)
        return (
            report is None
            or report.state.over
            or report.state in {JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}
        )

    async def _ask(self, method: str, request: Any, read: Callable[[bytes], T], **routing: str) -> T:  # noqa: ANN401  # any message
        if self._channel is None:
            self._channel = open_channel("Batch", HOST, self._settings.batch_emulator_host)
        call: Any = self._channel.unary_unary(f"{_SERVICE}{method}", type(request).serialize, read)
        metadata = [("x-goog-request-params", urlencode(routing))]

        async def attempt(seconds: float) -> T:
            answer: T = await call(request, timeout=seconds, metadata=metadata)
            return answer

        return await self._patience.give(attempt)

    @property
    def _parent(self) -> str:
        return f"projects/{self._settings.project}/locations/{self._settings.region}"

    def _name(self, job_id: str) -> str:
        return f"{self._parent}/jobs/{job_id}"


def job_spec(request: JobRequest, settings: Settings) -> batch_v1.Job:
    """The Batch job for a request: one task, one container, no retry by Batch itself.

    Args:
        request: what to run, and for how many seconds.
        settings: image, service account, topic, atlas bucket, secrets, and what the job's own settings are built from.
    """
    container = batch_v1.Runnable.Container(image_uri=settings.job_image, commands=list(COMMANDS))
    task = batch_v1.TaskSpec(
        compute_resource=batch_v1.ComputeResource(cpu_milli=CPU_MILLI, memory_mib=MEMORY_MIB),
        max_run_duration=Duration(seconds=request.max_run_seconds),
        max_retry_count=0,
    )
    if settings.atlas_bucket:
        # Without --implicit-dirs, folders that no object stands for are not seen. Bound read-only here, because Batch mounts buckets
        # so that a container may write.
        task.volumes = [
            batch_v1.Volume(
                gcs=batch_v1.GCS(remote_path=settings.atlas_bucket),
                mount_path=_HOST_ATLASES,
                mount_options=["--implicit-dirs"],
            )
        ]
        container.volumes = [f"{_HOST_ATLASES}:{settings.atlas_dir}:ro"]
    environment = batch_v1.Environment(
        variables={**request.environment, **job_environment(settings)},
        # Batch puts in the values when the job starts: no key is in the job's specification, which anyone who sees jobs may read.
        secret_variables={
            name: version for name, version in settings.secret_versions.items() if name in request.secrets
        },
    )
    task.runnables = [batch_v1.Runnable(container=container, environment=environment)]
    allocation = batch_v1.AllocationPolicy(
        instances=[
            batch_v1.AllocationPolicy.InstancePolicyOrTemplate(
                policy=batch_v1.AllocationPolicy.InstancePolicy(
                    machine_type=MACHINE_TYPE,
                    provisioning_model=batch_v1.AllocationPolicy.ProvisioningModel.STANDARD,
                )
            )
        ],
        location=batch_v1.AllocationPolicy.LocationPolicy(allowed_locations=[f"regions/{settings.region}"]),
        labels=dict(request.labels),
    )
    if settings.job_service_account:
        allocation.service_account = batch_v1.ServiceAccount(email=settings.job_service_account)
    job = batch_v1.Job(
        task_groups=[batch_v1.TaskGroup(task_spec=task, task_count=1, parallelism=1)],
        allocation_policy=allocation,
        labels=dict(request.labels),
        logs_policy=batch_v1.LogsPolicy(destination=batch_v1.LogsPolicy.Destination.CLOUD_LOGGING),
    )
    if settings.job_topic:
        job.notifications = [
            batch_v1.JobNotification(
                pubsub_topic=settings.job_topic,
                message=batch_v1.JobNotification.Message(type_=batch_v1.JobNotification.Type.JOB_STATE_CHANGED),
            )
        ]
    return job


def job_environment(settings: Settings) -> dict[str, str]:
    """What the job's process needs in its environment to build its own settings; empty values are left out."""
    names = ("project", "region", "store", "sqlite_path", "results_bucket", "firestore_database", "atlas_dir")
    values = {name.upper(): str(getattr(settings, name)) for name in names}
    return {name: value for name, value in values.items() if value}


def _state(state: batch_v1.JobStatus.State) -> JobState:
    """The state by name; one that this service does not know yet is UNKNOWN, not an error."""
    try:
        return JobState(batch_v1.JobStatus.State(state).name)
    except ValueError:
        return JobState.UNKNOWN


def _exit_codes(events: Iterable[batch_v1.StatusEvent]) -> Iterable[int]:
    """The exit codes in status events. Events of a job tell them in words only, events of a task in a field too."""
    for event in events:
        if event.task_execution.exit_code:
            yield event.task_execution.exit_code
        elif found := _EXIT_CODE_TEXT.search(event.description):
            yield int(found[1])
