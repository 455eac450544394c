"""The emulator follows the rules of the real service, as seen by the real client."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from local.batch import rules
from local.batch.jobs import TRANSITIONS, JobRecord, new_job
from local.batch.rules import Refused
from shared.runs.jobs import JobState

if TYPE_CHECKING:
    from tests.local.batch.conftest import World

LABEL = st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True).filter(
    lambda key: not key.startswith(("goog-", "google-"))
)


@pytest.mark.parametrize("job_id", ["Run", "run_1", "1run", "-run", "run-", "a" * 64, "run.1", "läuft"])
async def test_a_job_id_out_of_the_alphabet_is_refused(world: World, job_id: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="job_id"):
        await world.run(job_id, "pass")


@pytest.mark.parametrize("job_id", ["a", "a" * 63, "run-1", "a1"])
async def test_a_job_id_in_the_alphabet_is_taken(world: World, job_id: str) -> None:
    assert (await world.run(job_id, "pass")).name == world.name(job_id)


async def test_a_job_without_an_id_gets_one(world: World) -> None:
    made = await world.run("", "pass")
    assert rules.JOB_ID.fullmatch(made.name.rpartition("/")[2])
    await world.until(made.name.rpartition("/")[2], "SUCCEEDED")


async def test_the_same_id_twice_is_already_there(world: World) -> None:
    first = await world.run("one", "pass")
    with pytest.raises(exceptions.AlreadyExists):
        await world.run("one", "pass")
    assert (await world.get("one")).uid == first.uid


async def test_the_same_request_id_again_gives_the_same_job_and_runs_nothing(world: World) -> None:
    request_id = str(uuid4())
    job = world.job("python", "-c", "print('once')")
    first = await world.create("one", job, request_id)
    await world.until("one", "SUCCEEDED")
    again = await world.create("one", job, request_id)
    assert (again.uid, again.status.state.name) == (first.uid, "SUCCEEDED")
    assert world.emulator.log_path("one").read_text() == "once\n"


@pytest.mark.parametrize("request_id", ["retry-1", str(UUID(int=0))])
async def test_a_request_id_is_a_uuid_other_than_zero(world: World, request_id: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="request_id"):
        await world.create("one", world.job("true"), request_id)
    with pytest.raises(exceptions.InvalidArgument, match="request_id"):
        await world.client.cancel_job(batch_v1.CancelJobRequest(name=world.name("one"), request_id=request_id))


def no_task_group(job: batch_v1.Job) -> None:
    job.task_groups = []


def two_task_groups(job: batch_v1.Job) -> None:
    job.task_groups = [job.task_groups[0], job.task_groups[0]]


def no_runnable(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.runnables = []


def no_image(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.runnables[0].container.image_uri = ""


def priority_100(job: batch_v1.Job) -> None:
    job.priority = 100


def negative_time(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.max_run_duration = Duration(seconds=-1)


def negative_memory(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.compute_resource = batch_v1.ComputeResource(memory_mib=-1)


def bare_topic(job: batch_v1.Job) -> None:
    job.notifications = [batch_v1.JobNotification(pubsub_topic="jobs")]


def email_label(job: batch_v1.Job) -> None:
    job.labels = {"user": "someone@example.com"}


def capital_label(job: batch_v1.Job) -> None:
    job.labels = {"User": "x"}


def reserved_label(job: batch_v1.Job) -> None:
    job.labels = {"goog-batch": "x"}


def too_many_labels(job: batch_v1.Job) -> None:
    job.labels = {f"key-{number}": "x" for number in range(65)}


def machine_label(job: batch_v1.Job) -> None:
    job.allocation_policy = batch_v1.AllocationPolicy(labels={"user": "A"})


def runnable_label(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.runnables[0].labels = {"user": "A"}


def negative_disk(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.compute_resource = batch_v1.ComputeResource(boot_disk_mib=-1)


def negative_timeout(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.runnables[0].timeout = Duration(seconds=-1)


def too_many_tasks(job: batch_v1.Job) -> None:
    job.task_groups[0].task_count = 100_001


def too_many_at_once(job: batch_v1.Job) -> None:
    job.task_groups[0].parallelism = 5_001


def too_large(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.environment.variables = {"DATA": "x" * 1_000_000}


def secret_without_version(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.runnables[0].environment.secret_variables = {"KEY": "projects/p/secrets/s"}


def bare_secret(job: batch_v1.Job) -> None:
    job.task_groups[0].task_spec.environment.secret_variables = {"KEY": "s"}


@pytest.mark.parametrize(
    "spoil",
    [
        runnable_label,
        negative_disk,
        negative_timeout,
        too_many_tasks,
        too_many_at_once,
        too_large,
        secret_without_version,
        bare_secret,
        no_task_group,
        two_task_groups,
        no_runnable,
        no_image,
        priority_100,
        negative_time,
        negative_memory,
        bare_topic,
        email_label,
        capital_label,
        reserved_label,
        too_many_labels,
        machine_label,
    ],
)
async def test_a_job_that_breaks_a_rule_is_invalid_and_not_made(
    world: World, spoil: Callable[[batch_v1.Job], None]
) -> None:
    job = world.job("true")
    spoil(job)
    with pytest.raises(exceptions.InvalidArgument):
        await world.create("one", job)
    with pytest.raises(exceptions.NotFound):
        await world.get("one")


async def test_more_than_ten_retries_are_out_of_range(world: World) -> None:
    job = world.job("true")
    job.task_groups[0].task_spec.max_retry_count = 11
    with pytest.raises(exceptions.OutOfRange):
        await world.create("one", job)


async def test_two_lifecycle_policies_are_invalid(world: World) -> None:
    job = world.job("true")
    job.task_groups[0].task_spec.lifecycle_policies = [batch_v1.LifecyclePolicy(), batch_v1.LifecyclePolicy()]
    with pytest.raises(exceptions.InvalidArgument, match="lifecycle_policies"):
        await world.create("one", job)


async def test_a_job_that_only_the_real_service_can_run_is_refused_not_run_otherwise(world: World) -> None:
    many = world.job("true")
    many.task_groups[0].task_count = 2
    shell = world.job("true")
    shell.task_groups[0].task_spec.runnables[0].script = batch_v1.Runnable.Script(text="true")
    secret = world.job("true")
    secret.task_groups[0].task_spec.runnables[0].environment.secret_variables = {
        "KEY": "projects/p/secrets/s/versions/1"
    }
    sealed = world.job("true")
    sealed.task_groups[0].task_spec.environment = batch_v1.Environment(
        encrypted_variables=batch_v1.Environment.KMSEnvMap(key_name="k", cipher_text="c")
    )
    for job in (many, shell, secret, sealed):
        with pytest.raises(exceptions.MethodNotImplemented):
            await world.create("one", job)


async def test_a_parent_that_is_no_location_is_invalid(world: World) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="parent"):
        await world.client.create_job(parent="projects/demo", job=world.job("true"), job_id="one")
    with pytest.raises(exceptions.InvalidArgument, match="parent"):
        await world.client.list_jobs(parent="demo")


async def test_what_is_not_there_is_not_found(world: World) -> None:
    for ask in (
        world.get("none"),
        world.client.cancel_job(name=world.name("none")),
        world.client.delete_job(name=world.name("none")),
        world.client.get_operation(operations_pb2.GetOperationRequest(name=f"{world.parent}/operations/none")),
    ):
        with pytest.raises(exceptions.NotFound):
            await ask


async def test_a_job_that_is_over_cannot_be_cancelled(world: World) -> None:
    await world.run("one", "pass")
    await world.until("one", "SUCCEEDED")
    with pytest.raises(exceptions.FailedPrecondition):
        await world.client.cancel_job(name=world.name("one"))
    await world.run("two", "import time; time.sleep(60)")
    await world.cancel("two")
    with pytest.raises(exceptions.FailedPrecondition):
        await world.client.cancel_job(name=world.name("two"))


async def test_a_cancel_is_an_operation_that_the_same_request_id_finds_again(world: World) -> None:
    await world.run("one", "import time; time.sleep(60)")
    request = batch_v1.CancelJobRequest(name=world.name("one"), request_id=str(uuid4()))
    first = (await world.client.cancel_job(request)).operation
    assert first.name.startswith(f"{world.parent}/operations/")
    await world.until("one", "CANCELLED")
    assert (await world.client.cancel_job(request)).operation.name == first.name
    asked = operations_pb2.GetOperationRequest(name=first.name)
    done = await world.client.get_operation(asked)
    metadata = batch_v1.OperationMetadata.pb(batch_v1.OperationMetadata())
    assert done.done
    assert done.metadata.Unpack(metadata)
    assert (metadata.target, metadata.verb) == (world.name("one"), "cancel")
    assert metadata.end_time.ToNanoseconds() >= metadata.create_time.ToNanoseconds()


async def test_what_only_the_service_may_say_of_a_job_is_not_taken_from_who_asks_for_it(world: World) -> None:
    wanted = world.job("true")
    wanted.name, wanted.uid = "projects/other/locations/europe-west1/jobs/other", "mine"
    wanted.status = batch_v1.JobStatus(state=batch_v1.JobStatus.State.SUCCEEDED)
    wanted.labels = {"run": "r1"}
    made = await world.create("one", wanted)
    assert (made.name, made.status.state.name, dict(made.labels)) == (world.name("one"), "QUEUED", {"run": "r1"})
    assert re.fullmatch(r"one-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{5}", made.uid)
    assert made.task_groups[0].name == f"{made.name}/taskGroups/group0"


async def test_the_id_that_a_job_has_beside_its_name_stays_short(world: World) -> None:
    made = await world.run("a" * 63, "pass")
    assert len(made.uid) == 38


async def test_the_time_that_a_job_ran_is_told_when_it_is_over(world: World) -> None:
    await world.run("one", "import time; time.sleep(0.2)")
    job = await world.until("one", "SUCCEEDED")
    assert batch_v1.Job.pb(job).status.run_duration.ToMilliseconds() >= 200


async def test_a_delete_is_an_operation_that_the_same_request_id_finds_again(world: World) -> None:
    ignores_sigterm = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(0.5)"
    )
    await world.run("one", ignores_sigterm)
    await world.log_says("one", "up")
    request = batch_v1.DeleteJobRequest(name=world.name("one"), request_id=str(uuid4()))
    begun = await world.client.delete_job(request)
    assert not begun.operation.done
    assert (await world.get("one")).status.state.name == "DELETION_IN_PROGRESS"
    with pytest.raises(exceptions.AlreadyExists):
        await world.run("one", "pass")
    await begun.result(timeout=10)  # type: ignore[no-untyped-call]  # the client has no types there
    again = (await world.client.delete_job(request)).operation
    assert (again.name, again.done) == (begun.operation.name, True)
    with pytest.raises(exceptions.NotFound):
        await world.client.delete_job(name=world.name("one"))


async def test_a_deleted_job_may_be_made_anew(world: World) -> None:
    first = await world.run("one", "pass")
    await world.until("one", "SUCCEEDED")
    await world.delete("one")
    with pytest.raises(exceptions.NotFound):
        await world.get("one")
    assert (await world.run("one", "pass")).uid != first.uid


async def test_the_jobs_of_a_location_are_listed_newest_first(world: World) -> None:
    for number in range(3):
        await world.create(f"job-{number}", world.job("true"))
    listed = await world.client.list_jobs(parent=world.parent)
    assert [job.name async for job in listed] == [world.name(f"job-{number}") for number in (2, 1, 0)]
    other = await world.client.list_jobs(parent="projects/demo/locations/us-central1")
    assert [job async for job in other] == []


@pytest.mark.parametrize(
    "option", [{"filter": "status.state=RUNNING"}, {"order_by": "name"}, {"page_size": 2}, {"page_token": "2"}]
)
async def test_a_list_with_options_is_refused_not_guessed(world: World, option: dict[str, str | int]) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="without filter, order_by, page_size and page_token"):
        await world.client.list_jobs(batch_v1.ListJobsRequest(parent=world.parent, **option))


@given(st.dictionaries(LABEL, st.from_regex(r"[a-z0-9_-]{0,63}", fullmatch=True), max_size=64))
def test_labels_in_the_alphabet_are_taken(labels: dict[str, str]) -> None:
    rules.check_labels(labels, "labels")


@given(LABEL, st.text(min_size=1).filter(lambda value: not set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")))
def test_a_label_value_with_any_other_character_is_refused(key: str, value: str) -> None:
    with pytest.raises(Refused):
        rules.check_labels({key: value}, "labels")


@given(st.lists(st.sampled_from(list(JobState)), max_size=12))
def test_a_job_only_ever_moves_as_the_table_says_and_tells_each_move(wanted: list[JobState]) -> None:
    told: list[tuple[JobState, JobState]] = []
    task = batch_v1.TaskGroup(task_spec=batch_v1.TaskSpec(runnables=[batch_v1.Runnable()]))
    job = new_job("projects/p/locations/l/jobs/j", batch_v1.Job(task_groups=[task]))
    record = JobRecord(job, lambda record, old: told.append((old, record.state)))
    state = JobState.QUEUED
    moves = []
    for to in wanted:
        if to in TRANSITIONS[state]:
            record.move(to)
            moves.append((state, to))
            state = to
        else:
            with pytest.raises(ValueError, match="cannot become"):
                record.move(to)
        assert record.state is state
        assert record.job.status.state.name == state.value
    assert told == moves
    assert len(record.job.status.status_events) == len(moves)
