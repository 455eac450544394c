"""Google Cloud Batch behind the `BatchJobs` port."""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar
from uuid import uuid4

from google.api_core import exceptions
from google.cloud import batch_v1
from google.cloud.batch_v1.services.batch_service.transports import BatchServiceGrpcAsyncIOTransport

from shared.errors import PermissionMissing, SubmitRejected, Unavailable
from shared.gcp.connection import Connection
from shared.runs.jobs import MACHINE_LOST, JobKind, JobReport, JobRequest, JobState, Machine
from shared.settings import Settings

T = TypeVar("T")
# How often Batch repeats an ingest whose machine was lost.
INGEST_RETRIES: Final = 2
JOB_ID: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
# Creating a job takes Batch a second or two.
ATTEMPT_SECONDS: Final = 10.0
# All attempts of a call: as long as a person at a browser waits.
TOTAL_SECONDS: Final = 25.0

# The root of Batch's default VM image for containers is read-only. Buckets mount below /mnt/disks, and are bound into the container.
_HOST_ATLASES: Final = "/mnt/disks/atlases"
# Batch mounts as root, and the image runs as another user, who sees the mount only with allow_other. Batch rejects `-o rw,allow_other` as a
# shell injection. --implicit-dirs shows the folders that no object stands for.
MOUNT_OPTIONS: Final = ("-o allow_other", "--implicit-dirs")
_RETRIED: Final = (exceptions.ServiceUnavailable, exceptions.DeadlineExceeded, exceptions.Aborted)
# BadRequest stands for INVALID_ARGUMENT, FAILED_PRECONDITION and OUT_OF_RANGE.
_REFUSALS: Final = (exceptions.BadRequest, exceptions.NotFound)
_EXIT_CODE_TEXT: Final = re.compile(r"with exit code (\d+)")


class GoogleBatchJobs:
    """The jobs of one project and region.

    Args:
        settings: what `job_spec` needs, with project, region and batch_emulator_host.
        total_seconds: deadline of a call with all its attempts.
    """

    def __init__(
        self, settings: Settings, *, attempt_seconds: float = ATTEMPT_SECONDS, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._settings = settings
        self._parent = f"projects/{settings.project}/locations/{settings.region}"
        self._connection = Connection(
            "Batch",
            batch_v1.BatchServiceAsyncClient,
            BatchServiceGrpcAsyncIOTransport,
            emulator_host=settings.batch_emulator_host,
            retried=_RETRIED,
            attempt_seconds=attempt_seconds,
            total_seconds=total_seconds,
            pauses=(0.25, 4.0),
        )

    async def submit(self, request: JobRequest) -> None:
        """See `BatchJobs.submit`; after `Unavailable`, the job may exist."""
        if not JOB_ID.fullmatch(request.job_id):
            raise SubmitRejected(
                f"{request.job_id!r} is not a valid id of a Batch job. Contact the service's operators."
            )
        create = batch_v1.CreateJobRequest(
            parent=self._parent,
            job_id=request.job_id,
            job=job_spec(request, self._settings),
            # The same for all attempts of this call, and another for the next call: Batch ignores a repeated one for an hour, even if
            # the job was deleted since, and the job's own id already prevents a second job.
            request_id=str(uuid4()),
        )
        try:
            await self._call(
                lambda client, options: client.create_job(create, **options),
                raises=(exceptions.AlreadyExists, *_REFUSALS),
            )
        except exceptions.AlreadyExists:
            return
        except _REFUSALS as error:
            status = error.grpc_status_code.name if error.grpc_status_code else error.code
            raise SubmitRejected(
                f"Google Cloud Batch rejected this job ({status}). Submitting it again will not help. "
                "Contact the service's operators."
            ) from error

    async def describe(self, job_id: str) -> JobReport | None:
        """See `BatchJobs.describe`; an error other than NOT_FOUND does not mean that the job is missing."""
        request = batch_v1.GetJobRequest(name=self._name(job_id))
        try:
            job = await self._call(
                lambda client, options: client.get_job(request, **options), raises=(exceptions.NotFound,)
            )
        except exceptions.NotFound:
            return None
        events = job.status.status_events
        return JobReport(
            job_id=job_id,
            state=_state(job.status.state),
            events=tuple(event.description for event in events),
            exit_codes=tuple(_exit_codes(events)),
        )

    async def cancel(self, job_id: str) -> None:
        """See `BatchJobs.cancel`; it does not wait for the cancellation."""
        # A new request id for each call: Batch ignores a repeated one, and the reconciler cancels again because the last one failed.
        request = batch_v1.CancelJobRequest(name=self._name(job_id), request_id=str(uuid4()))
        try:
            await self._call(
                lambda client, options: client.cancel_job(request, **options),
                raises=(exceptions.NotFound, exceptions.BadRequest),
            )
        except exceptions.NotFound:
            return
        except exceptions.BadRequest as error:
            if not await self._is_ending(job_id):
                raise Unavailable("Batch") from error

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        await self._connection.close()

    async def _call(
        self,
        attempt: Callable[[batch_v1.BatchServiceAsyncClient, dict[str, Any]], Awaitable[T]],
        *,
        raises: tuple[type[exceptions.GoogleAPICallError], ...],
    ) -> T:
        """Make a call; no retry restores a permission, so its absence is an error of its own."""
        try:
            return await self._connection.call(attempt, raises=(*raises, exceptions.PermissionDenied))
        except exceptions.PermissionDenied as error:
            raise PermissionMissing("Google Cloud Batch") from error

    async def _is_ending(self, job_id: str) -> bool:
        report = await self.describe(job_id)
        return report is None or report.state.ending

    def _name(self, job_id: str) -> str:
        return f"{self._parent}/jobs/{job_id}"


def job_spec(request: JobRequest, settings: Settings) -> batch_v1.Job:
    """Return the Batch job for a request: one task with one container.

    Args:
        request: what to run, on which machine, and for how many seconds.
        settings: image, service accounts, topic, atlas bucket, secrets, and what the job's own settings are built from.
    """
    ingest, machine = request.kind is JobKind.INGEST, request.machine
    container: dict[str, Any] = {"image_uri": settings.job_image, "commands": request.command}
    environment = {
        "variables": {**request.environment, **job_environment(settings)},
        # Batch inserts the values when the job starts: a job's specification, which anyone who lists jobs can read, holds no key.
        "secret_variables": {
            name: version for name, version in settings.secret_versions.items() if name in request.secrets
        },
    }
    task: dict[str, Any] = {
        "compute_resource": {"cpu_milli": machine.cpu_milli, "memory_mib": machine.memory_mib},
        "max_run_duration": {"seconds": request.max_run_seconds},
        "max_retry_count": 0,
        "runnables": [{"container": container, "environment": environment}],
    }
    if ingest:
        # An ingest has no reconciler, which would submit the next attempt. Other failures repeat themselves: they end the task.
        lost = {"action": "RETRY_TASK", "action_condition": {"exit_codes": MACHINE_LOST}}
        task |= {"max_retry_count": INGEST_RETRIES, "lifecycle_policies": [lost]}
    elif settings.atlas_bucket:
        # Batch mounts buckets writable, so the container binds it read-only.
        gcs = {"remote_path": settings.atlas_bucket}
        task["volumes"] = [{"gcs": gcs, "mount_path": _HOST_ATLASES, "mount_options": MOUNT_OPTIONS}]
        container["volumes"] = [f"{_HOST_ATLASES}:{settings.atlas_dir}:ro"]
    allocation: dict[str, Any] = {
        "instances": [{"policy": _policy(machine)}],
        "location": {"allowed_locations": [f"regions/{settings.region}"]},
        "labels": request.labels,
    }
    account = settings.ingest_service_account if ingest else settings.job_service_account
    if account:
        allocation["service_account"] = {"email": account}
    if settings.job_network:
        interface: dict[str, Any] = {"network": settings.job_network, "subnetwork": settings.job_subnetwork}
        interface["no_external_ip_address"] = not settings.job_external_ip
        allocation["network"] = {"network_interfaces": [interface]}
    notification = {"pubsub_topic": settings.job_topic, "message": {"type_": "JOB_STATE_CHANGED"}}
    return batch_v1.Job(
        task_groups=[{"task_spec": task, "task_count": 1, "parallelism": 1}],
        allocation_policy=allocation,
        labels=request.labels,
        logs_policy={"destination": "CLOUD_LOGGING"},
        notifications=[notification] if settings.job_topic and not ingest else [],
    )


def job_environment(settings: Settings) -> dict[str, str]:
    """Return the environment from which the job's process builds its own settings, without empty values."""
    names = ("project", "region", "store", "sqlite_path", "results_bucket", "firestore_database", "atlas_dir")
    values = {name.upper(): str(getattr(settings, name)) for name in names}
    return {name: value for name, value in values.items() if value}


def _policy(machine: Machine) -> dict[str, Any]:
    policy: dict[str, Any] = {"machine_type": machine.machine_type, "provisioning_model": "STANDARD"}
    if machine.boot_disk_gb:
        policy["boot_disk"] = {"size_gb": machine.boot_disk_gb, "type_": "pd-balanced"}
    return policy


def _state(state: batch_v1.JobStatus.State) -> JobState:
    """Return the state by its name; a state that this service does not know yet is UNKNOWN, not an error."""
    try:
        return JobState(batch_v1.JobStatus.State(state).name)
    except ValueError:
        return JobState.UNKNOWN


def _exit_codes(events: Iterable[batch_v1.StatusEvent]) -> Iterable[int]:
    """Yield the exit codes in status events. Only a task's event has a field for it; a job's event has it in its text."""
    for event in events:
        if event.task_execution.exit_code:
            yield event.task_execution.exit_code
        elif found := _EXIT_CODE_TEXT.search(event.description):
            yield int(found[1])
