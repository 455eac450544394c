"""The Batch adapter against the emulator and against servers that misbehave."""

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
from google.cloud import batch_v1

from local.batch.mounts import IMAGE_USER
from local.batch.service import BatchEmulator
from shared.errors import PermissionMissing, SubmitRejected, Unavailable
from shared.gcp.batch import GoogleBatchJobs, job_spec
from shared.runs.jobs import JobKind, JobReport, JobRequest, JobState, Machine, failure_of
from shared.runs.ports import BatchJobs
from shared.runs.states import FailureReason, job_id
from shared.settings import Settings

SETTINGS = Settings(
    project="demo",
    region="europe-west1",
    results_bucket="results",
    job_image="europe-docker.pkg.dev/demo/haystack/job:1",
    atlas_dir="/mnt/atlases",
)
ROOT = Path(__file__).parents[3]
JOB = job_id("run_0123456789ab", 1)
NAME = f"projects/demo/locations/europe-west1/jobs/{JOB}"

MAIN = """
import json, os, pathlib, signal, sys, time
print(json.dumps(dict(os.environ)), flush=True)
step = os.environ["STEP"]
if step == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    time.sleep(60)
sys.exit(int(step))
"""


def request(step: str, **changes: Any) -> JobRequest:  # noqa: ANN401  # any field of JobRequest
    """Return a job whose process waits, or exits with this code."""
    return JobRequest(JOB, {"RUN_ID": "run_0123456789ab", "STEP": step})._replace(**changes)


async def until(jobs: BatchJobs, state: JobState) -> JobReport:
    """Return the job's report as soon as the job is in this state."""
    async with asyncio.timeout(20):
        while True:
            report = await jobs.describe(JOB)
            if report and report.state is state:
                return report
            await asyncio.sleep(0.02)


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[BatchEmulator]:
    """An emulator whose jobs find a small orchestrator in their working directory."""
    (tmp_path / "orchestrator").mkdir()
    (tmp_path / "orchestrator" / "__init__.py").touch()  # a package, which wins over the one of this project
    (tmp_path / "orchestrator" / "main.py").write_text(MAIN)
    server = BatchEmulator(
        log_dir=tmp_path / "logs",
        job_env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        max_parallel=1,
        grace_seconds=2,
        buckets={"atlases": tmp_path / "bucket"},
    )
    yield server
    await server.stop()


@pytest.fixture
async def jobs(emulator: BatchEmulator) -> AsyncIterator[GoogleBatchJobs]:
    """The adapter, pointed at the emulator."""
    port = await emulator.start()
    adapter = GoogleBatchJobs(SETTINGS._replace(batch_emulator_host=f"127.0.0.1:{port}"))
    yield adapter
    await adapter.close()


class Misbehaving:
    """A Batch server that answers each method with the next status of its list, and records the requests."""

    def __init__(self, **statuses: list[grpc.StatusCode]) -> None:
        self.statuses = statuses
        self.requests: list[bytes] = []

    def handler(self, method: str) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def answer(asked: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            self.requests.append(asked)
            left = self.statuses[method]
            status = left.pop(0) if len(left) > 1 else left[0]
            if status is not grpc.StatusCode.OK:
                await context.abort(status, "internal details")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[GoogleBatchJobs]:
        """An adapter that calls this server."""
        server = grpc.aio.server()
        handlers = {method: self.handler(method) for method in self.statuses}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("google.cloud.batch.v1.BatchService", handlers),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        adapter = GoogleBatchJobs(
            SETTINGS._replace(batch_emulator_host=f"127.0.0.1:{port}"), attempt_seconds=1.0, total_seconds=1.2
        )
        try:
            yield adapter
        finally:
            await adapter.close()
            await server.stop(None)


async def test_a_submitted_job_runs_the_orchestrator_with_what_it_needs_to_build_its_settings(
    jobs: GoogleBatchJobs, emulator: BatchEmulator
) -> None:
    await jobs.submit(request("0"))
    report = await until(jobs, JobState.SUCCEEDED)
    environment = json.loads(emulator.log_path(JOB).read_text())
    assert environment["RUN_ID"] == "run_0123456789ab"
    settings = Settings.from_env(environment)
    assert settings == SETTINGS._replace(job_image="")
    assert report.job_id == JOB
    assert len(report.events) == 3
    assert report.exit_codes == ()


async def test_a_repeated_submit_adopts_the_job_and_runs_nothing_twice(jobs: GoogleBatchJobs) -> None:
    await jobs.submit(request("0"))
    first = await until(jobs, JobState.SUCCEEDED)
    await jobs.submit(request("0"))
    assert await jobs.describe(JOB) == first


async def test_a_job_of_another_maker_with_this_id_is_adopted(jobs: GoogleBatchJobs, emulator: BatchEmulator) -> None:
    other = GoogleBatchJobs(jobs._settings)
    parent = NAME.partition("/jobs/")[0]
    create = batch_v1.CreateJobRequest(parent=parent, job_id=JOB, job=job_spec(request("0"), SETTINGS))
    await other._connection.call(lambda client, options: client.create_job(create, **options))
    await other.close()
    await jobs.submit(request("1"))
    await until(jobs, JobState.SUCCEEDED)


@pytest.mark.parametrize(
    ("step", "reason"), [("1", FailureReason.ORCHESTRATOR_ERROR), ("137", FailureReason.INTERRUPTED)]
)
async def test_the_report_of_a_failed_job_tells_its_exit_code(
    jobs: GoogleBatchJobs, step: str, reason: FailureReason
) -> None:
    await jobs.submit(request(step))
    report = await until(jobs, JobState.FAILED)
    assert report.exit_codes == (int(step),)
    assert f"with exit code {step}." in report.events[-1]
    assert failure_of(report).reason is reason


async def test_a_job_over_its_time_is_a_timeout(jobs: GoogleBatchJobs) -> None:
    await jobs.submit(request("wait", max_run_seconds=1))
    report = await until(jobs, JobState.FAILED)
    assert report.exit_codes == (50005,)
    assert failure_of(report).reason is FailureReason.TIMEOUT


async def test_a_job_that_does_not_exist_is_none(jobs: GoogleBatchJobs) -> None:
    assert await jobs.describe(JOB) is None


async def test_a_cancelled_job_ends_and_keeps_its_history(jobs: GoogleBatchJobs) -> None:
    await jobs.submit(request("wait"))
    await until(jobs, JobState.RUNNING)
    await jobs.cancel(JOB)
    report = await until(jobs, JobState.CANCELLED)
    assert any("CANCELLATION_IN_PROGRESS" in event for event in report.events)


async def test_cancelling_again_or_too_late_or_nothing_at_all_is_no_error(jobs: GoogleBatchJobs) -> None:
    await jobs.cancel(JOB)
    await jobs.submit(request("wait"))
    await jobs.cancel(JOB)
    await jobs.cancel(JOB)
    await until(jobs, JobState.CANCELLED)
    await jobs.cancel(JOB)


async def test_a_job_that_breaks_the_rules_of_batch_is_rejected(jobs: GoogleBatchJobs) -> None:
    with pytest.raises(SubmitRejected, match="INVALID_ARGUMENT"):
        await jobs.submit(request("0", labels={"user": "someone@example.com"}))
    assert await jobs.describe(JOB) is None


@pytest.mark.parametrize("wrong", ["run_0123456789ab", "", "A", "a" * 64])
async def test_an_id_that_batch_would_not_take_is_rejected_without_asking(wrong: str) -> None:
    adapter = GoogleBatchJobs(SETTINGS._replace(batch_emulator_host="127.0.0.1:1"))
    with pytest.raises(SubmitRejected, match="id"):
        await adapter.submit(request("0", job_id=wrong))
    assert adapter._connection._current is None


async def test_a_batch_that_is_not_there_is_unavailable_for_every_call() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening, so connections are refused
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        jobs = GoogleBatchJobs(SETTINGS._replace(batch_emulator_host=host), attempt_seconds=0.3, total_seconds=0.5)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: jobs.submit(request("0")),
            lambda: jobs.describe(JOB),
            lambda: jobs.cancel(JOB),
        ]
        for call in calls:
            with pytest.raises(Unavailable, match="Batch"):
                await call()
        await jobs.close()


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "OUT_OF_RANGE"])
async def test_a_refusal_for_good_rejects_the_job_without_telling_details(status: str) -> None:
    server = Misbehaving(CreateJob=[grpc.StatusCode[status]])
    async with server.served() as jobs:
        with pytest.raises(SubmitRejected) as refused:
            await jobs.submit(request("0"))
    assert len(server.requests) == 1
    assert "details" not in refused.value.detail


@pytest.mark.parametrize(
    "status", ["RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED", "UNKNOWN", "UNAVAILABLE", "CANCELLED"]
)
async def test_any_other_error_leaves_the_job_in_doubt(status: str) -> None:
    async with Misbehaving(CreateJob=[grpc.StatusCode[status]]).served() as jobs:
        with pytest.raises(Unavailable, match="Batch"):
            await jobs.submit(request("0"))


@pytest.mark.parametrize(
    "status",
    ["INVALID_ARGUMENT", "INTERNAL", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE"],
)
async def test_an_error_while_asking_never_counts_as_a_missing_job(status: str) -> None:
    async with Misbehaving(GetJob=[grpc.StatusCode[status]]).served() as jobs:
        with pytest.raises(Unavailable, match="Batch"):
            await jobs.describe(JOB)


async def test_a_missing_permission_is_an_error_of_its_own_and_not_retried() -> None:
    denied = [grpc.StatusCode.PERMISSION_DENIED]
    server = Misbehaving(CreateJob=denied, GetJob=denied, CancelJob=denied)
    async with server.served() as jobs:
        for call in (jobs.submit(request("0")), jobs.describe(JOB), jobs.cancel(JOB)):
            with pytest.raises(PermissionMissing, match="Google Cloud Batch") as refused:
                await call
            assert "details" not in refused.value.detail
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", ["UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED"])
async def test_a_passing_error_is_tried_again_with_the_same_request_id(status: str) -> None:
    server = Misbehaving(CreateJob=[grpc.StatusCode[status], grpc.StatusCode.OK])
    async with server.served() as jobs:
        await jobs.submit(request("0"))
        await jobs.submit(request("0"))
    first, retry, second = (batch_v1.CreateJobRequest.deserialize(asked).request_id for asked in server.requests)
    assert first == retry != second
    assert UUID(first).version == 4


async def test_a_job_that_somebody_deleted_is_made_again(jobs: GoogleBatchJobs) -> None:
    await jobs.submit(request("wait"))
    await jobs._connection.call(lambda client, options: client.delete_job(name=NAME, **options))
    async with asyncio.timeout(20):
        while await jobs.describe(JOB) is not None:  # noqa: ASYNC110  # the emulator has no event to wait for
            await asyncio.sleep(0.02)
    await jobs.submit(request("0"))
    await until(jobs, JobState.SUCCEEDED)


async def test_each_cancel_has_a_request_id_of_its_own_that_its_retries_share() -> None:
    server = Misbehaving(CancelJob=[grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK])
    async with server.served() as jobs:
        await jobs.cancel(JOB)
        await jobs.cancel(JOB)
    first, retry, second = (batch_v1.CancelJobRequest.deserialize(asked).request_id for asked in server.requests)
    assert first == retry != second


async def test_a_cancel_that_is_refused_while_the_job_lives_did_not_hold() -> None:
    server = Misbehaving(CancelJob=[grpc.StatusCode.FAILED_PRECONDITION], GetJob=[grpc.StatusCode.OK])
    async with server.served() as jobs:
        with pytest.raises(Unavailable, match="Batch"):
            await jobs.cancel(JOB)


async def test_a_state_that_this_service_does_not_know_is_unknown_and_not_over() -> None:
    async with Misbehaving(GetJob=[grpc.StatusCode.OK]).served() as jobs:
        report = await jobs.describe(JOB)
    assert report is not None
    assert report.state is JobState.UNKNOWN
    assert not report.state.over


def test_the_job_is_one_container_on_an_e2_standard_4_for_an_hour_that_batch_does_not_retry() -> None:
    job = job_spec(request("0", labels={"run": "run_0123456789ab"}), SETTINGS)
    [group] = job.task_groups
    spec = group.task_spec
    [runnable] = spec.runnables
    assert (group.task_count, spec.max_retry_count) == (1, 0)
    assert batch_v1.TaskSpec.pb(spec).max_run_duration.seconds == 3600
    assert (spec.compute_resource.cpu_milli, spec.compute_resource.memory_mib) == (4000, 16384)
    assert runnable.container.image_uri == SETTINGS.job_image
    assert list(runnable.container.commands) == ["python", "-m", "orchestrator.main"]
    policy = job.allocation_policy
    assert policy.instances[0].policy.machine_type == "e2-standard-4"
    assert policy.instances[0].policy.provisioning_model.name == "STANDARD"
    assert list(policy.location.allowed_locations) == ["regions/europe-west1"]
    assert dict(job.labels) == dict(policy.labels) == {"run": "run_0123456789ab"}
    assert job.logs_policy.destination.name == "CLOUD_LOGGING"
    assert not job.notifications
    assert not policy.service_account.email
    assert not spec.volumes


def test_topic_service_account_and_read_only_atlases_come_from_the_settings() -> None:
    settings = SETTINGS._replace(
        job_topic="projects/demo/topics/jobs",
        job_service_account="job@demo.iam.gserviceaccount.com",
        atlas_bucket="atlases",
        atlas_dir="/data/atlases",
    )
    job = job_spec(request("0"), settings)
    spec = job.task_groups[0].task_spec
    [notification] = job.notifications
    assert notification.pubsub_topic == settings.job_topic
    assert notification.message.type_.name == "JOB_STATE_CHANGED"
    assert job.allocation_policy.service_account.email == settings.job_service_account
    assert spec.volumes[0].gcs.remote_path == "atlases"
    assert spec.volumes[0].mount_path.startswith("/mnt/disks/")
    assert list(spec.runnables[0].container.volumes) == [f"{spec.volumes[0].mount_path}:/data/atlases:ro"]


def test_an_ingest_has_its_own_account_disk_and_retries_and_neither_a_topic_nor_the_atlases() -> None:
    settings = SETTINGS._replace(
        job_topic="projects/demo/topics/jobs",
        job_service_account="job@demo.iam.gserviceaccount.com",
        ingest_service_account="ingest@demo.iam.gserviceaccount.com",
        atlas_bucket="atlases",
    )
    machine = Machine("e2-highmem-8", 8000, 65536, boot_disk_gb=200)
    job = job_spec(request("0", kind=JobKind.INGEST, command=("python", "-m", "x"), machine=machine), settings)
    spec, policy = job.task_groups[0].task_spec, job.allocation_policy
    assert policy.service_account.email == settings.ingest_service_account
    assert policy.instances[0].policy.machine_type == "e2-highmem-8"
    assert policy.instances[0].policy.boot_disk.size_gb == 200
    assert (spec.compute_resource.cpu_milli, spec.compute_resource.memory_mib) == (8000, 65536)
    assert list(spec.runnables[0].container.commands) == ["python", "-m", "x"]
    assert spec.max_retry_count == 2
    [retried] = spec.lifecycle_policies
    assert retried.action.name == "RETRY_TASK"
    assert sorted(retried.action_condition.exit_codes) == [50001, 50002, 50003, 50006]
    assert not job.notifications
    assert not spec.volumes


def test_atlases_are_mounted_for_the_user_of_the_image() -> None:
    (user,) = set(re.findall(r"(?m)^USER (\S+)$", (ROOT / "orchestrator" / "Dockerfile").read_text()))
    assert user == str(IMAGE_USER)
    job = job_spec(request("0"), SETTINGS._replace(atlas_bucket="atlases"))
    options = list(job.task_groups[0].task_spec.volumes[0].mount_options)
    # Batch mounts as root: any other user sees nothing without allow_other, written as an option of its own.
    assert options == (["--implicit-dirs"] if user in {"0", "root"} else ["-o allow_other", "--implicit-dirs"])


def test_a_job_finds_those_secrets_that_it_asks_for_and_the_settings_have_by_reference_only() -> None:
    version = "projects/demo/secrets/haystack-anthropic-api-key/versions/latest"
    settings = SETTINGS._replace(job_secrets=f"ANTHROPIC_API_KEY={version}, OPENAI_API_KEY={version}")
    asked = request("0", secrets=frozenset({"ANTHROPIC_API_KEY", "GOOGLE_API_KEY"}))
    environment = job_spec(asked, settings).task_groups[0].task_spec.runnables[0].environment
    assert dict(environment.secret_variables) == {"ANTHROPIC_API_KEY": version}
    assert not [name for name in environment.variables if name.endswith("_API_KEY")]
    plain = job_spec(request("0"), settings).task_groups[0].task_spec.runnables[0].environment
    assert not plain.secret_variables


@pytest.mark.parametrize(("external", "hidden"), [(1, False), (0, True)])
def test_a_job_runs_in_the_network_of_the_settings(external: int, *, hidden: bool) -> None:
    network, subnet = "projects/demo/global/networks/lab", "projects/demo/regions/europe-west1/subnetworks/jobs"
    settings = SETTINGS._replace(job_network=network, job_subnetwork=subnet, job_external_ip=external)
    (interface,) = job_spec(request("0"), settings).allocation_policy.network.network_interfaces
    assert (interface.network, interface.subnetwork, interface.no_external_ip_address) == (network, subnet, hidden)
    assert not job_spec(request("0"), SETTINGS).allocation_policy.network.network_interfaces


def test_a_request_cannot_point_the_job_at_another_place() -> None:
    job = job_spec(JobRequest(JOB, {"RESULTS_BUCKET": "elsewhere"}), SETTINGS)
    assert job.task_groups[0].task_spec.runnables[0].environment.variables["RESULTS_BUCKET"] == "results"


async def test_a_full_production_job_keeps_the_rules_of_the_service_and_sees_its_atlases(
    emulator: BatchEmulator, tmp_path: Path
) -> None:
    port = await emulator.start()
    settings = SETTINGS._replace(
        batch_emulator_host=f"127.0.0.1:{port}",
        job_topic="projects/demo/topics/jobs",
        job_service_account="job@demo.iam.gserviceaccount.com",
        atlas_bucket="atlases",
    )
    jobs: BatchJobs = GoogleBatchJobs(settings)
    await jobs.submit(request("0", labels={"run": "run_0123456789ab", "app": "haystack"}))
    await until(jobs, JobState.SUCCEEDED)
    assert json.loads(emulator.log_path(JOB).read_text())["ATLAS_DIR"] == str(tmp_path / "bucket")
    assert isinstance(jobs, GoogleBatchJobs)
    await jobs.close()
