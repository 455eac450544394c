"""The rules of the real service, from its API reference and its quotas page; pure. Each check raises `Refused`.

Sources: the field comments of `google.cloud.batch.v1` (job ids, request ids, ranges),
https://cloud.google.com/batch/docs/organize-resources-using-labels (labels), https://docs.cloud.google.com/batch/quotas (sizes) and
https://docs.cloud.google.com/batch/docs/create-run-job-secret-manager (secrets).
"""

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import grpc
from google.cloud import batch_v1

JOB_ID: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
PARENT: Final = re.compile(r"projects/[a-z0-9][a-z0-9:.-]*/locations/[a-z0-9-]+")
TOPIC: Final = re.compile(r"projects/[^/]+/topics/[^/]+")
LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")
RESERVED_LABELS: Final = ("goog-", "google-")
MAX_LABELS: Final = 64
MAX_RETRIES: Final = 10
MAX_PRIORITY: Final = 99
MAX_TASKS: Final = 100_000
MAX_PARALLEL_TASKS: Final = 5_000
MAX_BYTES: Final = 1_000_000
# A task runs on Container-Optimized OS, where nothing else can be mounted.
MOUNT_PATH: Final = re.compile(r"/mnt/disks/[\w.-]+(/[\w.-]+)*")
# Batch passes the options through a shell: it refused `-o rw,allow_other` (https://github.com/nextflow-io/nextflow/issues/4331).
MOUNT_OPTION: Final = re.compile(r"-[\w./:= -]+")
SECRET: Final = re.compile(r"projects/[a-z0-9][a-z0-9:.-]*/secrets/[A-Za-z0-9_-]{1,255}/versions/[A-Za-z0-9_-]+")


class Refused(Exception):
    """A request that the real service answers with an error: a gRPC status and a text."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refused:
    """Return the error of an invalid request."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(name: str) -> Refused:
    """Return the error of a resource that does not exist."""
    return Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{name}' was not found")


def unimplemented(reason: str) -> Refused:
    """Return the error of a request that only the real service can serve."""
    return Refused(grpc.StatusCode.UNIMPLEMENTED, f"The local Batch emulator {reason}")


def check_create(request: batch_v1.CreateJobRequest) -> None:
    """Check a CreateJob request; UNIMPLEMENTED for jobs that only the real service can run."""
    check_parent(request.parent)
    check_request_id(request.request_id)
    if request.job_id and not JOB_ID.fullmatch(request.job_id):
        raise invalid(f"job_id field is invalid. job_id must match ^{JOB_ID.pattern}$, got {request.job_id!r}")
    job = request.job
    size = batch_v1.Job.pb(job).ByteSize()
    if size > MAX_BYTES:
        raise invalid(f"job field is invalid. A job's definition may have {MAX_BYTES} bytes, got {size}")
    if not 0 <= job.priority <= MAX_PRIORITY:
        raise invalid(f"priority field is invalid. It must be in [0, 100), got {job.priority}")
    if len(job.task_groups) != 1:
        raise invalid(f"task_groups field is invalid. Exactly one task group is supported, got {len(job.task_groups)}")
    check_labels(job.labels, "labels")
    check_labels(job.allocation_policy.labels, "allocation_policy.labels")
    for notification in job.notifications:
        if notification.pubsub_topic and not TOPIC.fullmatch(notification.pubsub_topic):
            raise invalid("pubsub_topic field is invalid. Its format is projects/{project}/topics/{topic}")
    _check_task(job.task_groups[0])


def check_parent(parent: str) -> None:
    """Check that a parent is `projects/{project}/locations/{location}`."""
    if not PARENT.fullmatch(parent):
        raise invalid(
            f"parent field is invalid. Its format is projects/{{project}}/locations/{{location}}, got {parent!r}"
        )


def check_list(request: batch_v1.ListJobsRequest) -> None:
    """Check a ListJobs request; UNIMPLEMENTED for a filter, an order or a page."""
    check_parent(request.parent)
    if request.filter or request.order_by or request.page_size or request.page_token:
        raise unimplemented("lists all jobs of a location, without filter, order_by, page_size and page_token")


def check_request_id(request_id: str) -> None:
    """Check that a request id is empty or a UUID other than zero."""
    if not request_id:
        return
    try:
        usable = UUID(request_id).int != 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid(f"request_id field is invalid. It must be a UUID other than zero, got {request_id!r}")


def check_labels(labels: Mapping[str, str], field: str) -> None:
    """Check that Google Cloud accepts these labels."""
    if len(labels) > MAX_LABELS:
        raise invalid(f"{field} field is invalid. At most {MAX_LABELS} labels, got {len(labels)}")
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or key.startswith(RESERVED_LABELS):
            raise invalid(f"{field} field is invalid. {key!r} is not a valid label key")
        if not LABEL_VALUE.fullmatch(value):
            raise invalid(f"{field} field is invalid. {value!r} is not a valid label value")


def _check_task(group: batch_v1.TaskGroup) -> None:
    spec = group.task_spec
    if not spec.runnables:
        raise invalid("runnables field is invalid. A task needs at least one runnable")
    if not 0 <= spec.max_retry_count <= MAX_RETRIES:
        message = f"max_retry_count {spec.max_retry_count} is not in between 0 and {MAX_RETRIES}"
        raise Refused(grpc.StatusCode.OUT_OF_RANGE, message)
    if len(spec.lifecycle_policies) > 1:
        raise invalid(f"lifecycle_policies field is invalid. At most one policy, got {len(spec.lifecycle_policies)}")
    if batch_v1.TaskSpec.pb(spec).max_run_duration.ToNanoseconds() < 0:
        raise invalid("max_run_duration field is invalid. It must not be negative")
    if not (0 <= group.task_count <= MAX_TASKS and 0 <= group.parallelism <= MAX_PARALLEL_TASKS):
        raise invalid(f"task_count field is invalid. At most {MAX_TASKS} tasks, {MAX_PARALLEL_TASKS} at once")
    resource = spec.compute_resource
    if min(resource.cpu_milli, resource.memory_mib, resource.boot_disk_mib) < 0:
        raise invalid("compute_resource field is invalid. Its values must not be negative")
    for volume in spec.volumes:
        _check_volume(volume)
    for runnable in spec.runnables:
        _check_runnable(runnable)
    _check_secrets(spec.environment)
    _check_runs_here(group)


def _check_volume(volume: batch_v1.Volume) -> None:
    if not MOUNT_PATH.fullmatch(volume.mount_path):
        raise invalid(f"volume.mount_path field is invalid. It must be below /mnt/disks, got {volume.mount_path!r}")
    for option in volume.mount_options:
        if not MOUNT_OPTION.fullmatch(option):
            raise invalid(
                "volume.mount_options field is invalid. "
                f"mount_option {option} has potential shell injection, please check again."
            )


def _check_runnable(runnable: batch_v1.Runnable) -> None:
    if batch_v1.Runnable.pb(runnable).timeout.ToNanoseconds() < 0:
        raise invalid("timeout field is invalid. It must not be negative")
    if "container" in runnable and not runnable.container.image_uri:
        raise invalid("image_uri field is invalid. A container needs an image")
    check_labels(runnable.labels, "runnables.labels")
    _check_secrets(runnable.environment)


def _check_secrets(environment: batch_v1.Environment) -> None:
    for version in environment.secret_variables.values():
        if not SECRET.fullmatch(version):
            raise invalid(
                f"secret_variables field is invalid. The format is projects/P/secrets/S/versions/V, got {version!r}"
            )


def _check_runs_here(group: batch_v1.TaskGroup) -> None:
    """Refuse jobs that the emulator cannot run, rather than run something else."""
    spec = group.task_spec
    environments = [spec.environment, *(runnable.environment for runnable in spec.runnables)]
    if any("gcs" not in volume for volume in spec.volumes):
        reason = "mounts buckets, nothing else"
    elif group.task_count > 1 or len(spec.runnables) > 1 or "container" not in spec.runnables[0]:
        reason = "runs jobs of one task with one container, nothing else"
    elif any(environment.secret_variables or environment.encrypted_variables for environment in environments):
        reason = "has no Secret Manager, so it runs no job with secret variables"
    else:
        return
    raise unimplemented(reason)
