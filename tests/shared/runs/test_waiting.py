"""What a run waits for, recognized in Batch's words; and what becomes of a run that waits too long."""

import pytest

from local.batch.jobs import DELAYS
from shared.runs import lifecycle, waiting
from shared.runs.jobs import JobReport, JobState, failure_for
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import ComputeState, FailureReason, RunState, WaitingReason
from shared.runs.submission import RunSubmission
from shared.runs.views import run_status
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.shared.runs.test_reconciler import Service
from tests.support.builders import ADA, ANSWERABLE, lease, make_sweeper
from tests.support.fakes import FakeBatch, TestClock

DELAYED = (
    "Quota checking process decides to delay scheduling for the job j-1 due to inadequate quotas "
    "[Quota: CPUS, limit: 24, usage: 24, wanted: 4]."
)
EXCEEDED = (
    "VM in Managed Instance Group meets error: Batch Error: code - CODE_GCE_QUOTA_EXCEEDED, description - error count is 4, "
    "latest message example: Instance 'i' creation failed: Quota 'N2_CPUS' exceeded.  Limit: 24.0 in region us-central1"
)
EXHAUSTED = (
    "VM in Managed Instance Group meets error: Batch Error: code - CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED, description - error "
    "count is 1, latest message example: Instance 'i' creation failed: The zone 'z' does not have enough resources available."
)
SCHEDULED = "Job state is set from QUEUED to SCHEDULED for job projects/1/locations/l/jobs/j."


@pytest.fixture
def service(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Service:
    return Service(SqliteRunStore(sqlite), batch, clock)


@pytest.mark.parametrize(
    ("state", "events", "reason"),
    [
        (JobState.QUEUED, (), WaitingReason.QUEUE),
        (JobState.QUEUED, (DELAYED,), WaitingReason.QUOTA),
        (JobState.QUEUED, (EXHAUSTED, DELAYED), WaitingReason.QUOTA),
        (JobState.QUEUED, (DELAYED, EXHAUSTED), WaitingReason.MACHINES),
        (JobState.SCHEDULED, (DELAYED, SCHEDULED), WaitingReason.MACHINE),
        (JobState.SCHEDULED, (SCHEDULED, EXCEEDED), WaitingReason.QUOTA),
        (JobState.SCHEDULED, (SCHEDULED, EXHAUSTED), WaitingReason.MACHINES),
        (JobState.SCHEDULED, (SCHEDULED, EXHAUSTED, "Something new."), WaitingReason.MACHINES),
        (JobState.SCHEDULED, (SCHEDULED, "Failed to pull image r/i:1"), WaitingReason.IMAGE),
        (JobState.RUNNING, (SCHEDULED, EXHAUSTED), WaitingReason.IMAGE),
        (JobState.SUCCEEDED, (), None),
        (JobState.FAILED, (DELAYED,), None),
        (JobState.UNKNOWN, (DELAYED,), None),
    ],
)
def test_the_latest_event_in_the_present_state_tells_the_reason(
    state: JobState, events: tuple[str, ...], reason: WaitingReason | None
) -> None:
    assert waiting.waiting_reason(JobReport("j", state, events)) is reason


def test_every_reason_is_one_plain_sentence() -> None:
    texts = [waiting.sentence(reason) for reason in WaitingReason]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.endswith(".")
        assert text.count(".") == 1


def test_the_emulator_says_what_is_recognized() -> None:
    found = {because: waiting.waiting_reason(JobReport("j", JobState.QUEUED, (t,))) for because, t in DELAYS.items()}
    assert found == {
        "quota": WaitingReason.QUOTA,
        "quota-exceeded": WaitingReason.QUOTA,
        "machines": WaitingReason.MACHINES,
    }


def test_a_wait_that_nothing_explains_is_given_up_with_the_usual_advice() -> None:
    failure = waiting.given_up(None)
    assert failure == failure_for(FailureReason.QUOTA)
    explained = waiting.given_up(WaitingReason.MACHINES).advice
    known = f"Last known reason for the wait: {waiting.sentence(WaitingReason.MACHINES)} "
    assert explained == known + failure.advice


async def test_a_new_run_waits_for_its_turn_and_one_that_begins_for_nothing(service: Service) -> None:
    run = await service.pending()
    status = run_status(run)
    assert status.waiting_for is not None
    assert (status.waiting_for.reason, status.waiting_for.text) == ("queue", waiting.sentence(WaitingReason.QUEUE))
    begun = await lease(run.run_id, store=service.store, clock=service.clock).begin()
    assert run_status(begun).waiting_for is None


async def test_the_sweep_and_notifications_tell_what_a_run_waits_for(service: Service) -> None:
    run = await service.pending()
    job = run.compute.job_id
    service.jobs.put(job, JobState.QUEUED, DELAYED)
    await service.sweep(minutes=3)
    assert (await service.now()).waiting_for is WaitingReason.QUOTA
    service.jobs.put(job, JobState.SCHEDULED, DELAYED, SCHEDULED)
    await service.notify()
    assert (await service.now()).waiting_for is WaitingReason.MACHINE
    service.jobs.put(job, JobState.RUNNING, DELAYED, SCHEDULED)
    await service.notify()
    assert (await service.now()).waiting_for is WaitingReason.IMAGE
    await lease(run.run_id, store=service.store, clock=service.clock).begin()
    await service.notify()
    assert (await service.now()).waiting_for is None


async def test_the_owner_sees_a_change_only_if_the_reason_changes(service: Service) -> None:
    run = await service.pending()
    service.jobs.put(run.compute.job_id, JobState.QUEUED, DELAYED)
    await service.sweep(minutes=3)
    first = await service.now()
    assert first.updated_at > run.updated_at
    await service.sweep(minutes=3)
    second = await service.now()
    assert run_status(second) == run_status(first)
    assert second.check_at != first.check_at


async def test_a_state_that_is_not_known_keeps_the_reason(service: Service) -> None:
    run = await service.pending()
    service.jobs.put(run.compute.job_id, JobState.QUEUED, DELAYED)
    await service.sweep(minutes=3)
    service.jobs.put(run.compute.job_id, JobState.UNKNOWN)
    await service.sweep(minutes=3)
    assert (await service.now()).waiting_for is WaitingReason.QUOTA


async def test_a_run_that_ended_waits_for_nothing(service: Service) -> None:
    run = await service.pending()
    ended = await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=service.clock)
    assert ended.waiting_for is None
    await service.sweep(minutes=1)
    assert (await service.now()).waiting_for is None


async def test_the_second_attempt_waits_again_until_its_process_begins(service: Service) -> None:
    run = await service.running()
    service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.notify()
    second = await service.now()
    assert (second.status, second.compute.attempt, second.waiting_for) == (RunState.RUNNING, 2, WaitingReason.QUEUE)
    service.jobs.put(second.compute.job_id, JobState.SCHEDULED, SCHEDULED, EXHAUSTED)
    await service.sweep(minutes=6)
    assert (await service.now()).waiting_for is WaitingReason.MACHINES
    begun = await lease(run.run_id, attempt=2, owner="2", store=service.store, clock=service.clock).begin()
    assert begun.waiting_for is None


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.SCHEDULED])
async def test_a_job_that_waits_longer_than_the_limit_fails_its_run_and_is_cancelled(
    service: Service, state: JobState
) -> None:
    run = await service.pending()
    service.jobs.put(run.compute.job_id, state, EXHAUSTED)
    await service.sweep(hours=24)
    assert (await service.now()).status is RunState.PENDING
    report = await service.sweep(minutes=3)
    assert report.failed == [run.run_id]
    failed = await service.now()
    assert failed.failure is not None
    assert (failed.failure.reason, failed.failure.retryable) == (FailureReason.QUOTA, True)
    assert waiting.sentence(WaitingReason.MACHINES) in failed.failure.advice
    assert failed.error_message == "The job waited too long for a machine of Google Cloud."
    assert (failed.waiting_for, failed.compute.attempt) == (None, 1)
    await service.sweep(minutes=1)
    assert service.jobs.cancelled == [run.compute.job_id]
    await service.sweep(minutes=1)
    assert (await service.now()).compute.state is ComputeState.RELEASED


async def test_the_first_look_at_a_job_that_waited_too_long_still_tells_why(service: Service) -> None:
    run = await service.pending()
    service.jobs.put(run.compute.job_id, JobState.QUEUED, EXHAUSTED)
    await service.sweep(hours=25)
    failed = await service.now()
    assert failed.failure is not None
    assert waiting.sentence(WaitingReason.MACHINES) in failed.failure.advice


async def test_a_look_that_finds_another_reason_keeps_what_else_it_finds(service: Service) -> None:
    run = await service.pending()
    assert run.compute.state is ComputeState.REQUESTED
    service.jobs.put(run.compute.job_id, JobState.QUEUED, EXHAUSTED)
    await service.sweep(minutes=3)
    seen = await service.now()
    assert (seen.waiting_for, seen.compute.state) == (WaitingReason.MACHINES, ComputeState.SUBMITTED)


async def test_the_limit_of_the_second_attempt_starts_with_its_job(service: Service) -> None:
    run = await service.running()
    service.clock.move(hours=23)
    service.jobs.put(run.compute.job_id, JobState.FAILED, exit_codes=(50001,))
    await service.notify()
    await service.sweep(hours=23)
    assert (await service.now()).status is RunState.RUNNING
    await service.sweep(hours=2)
    assert await service.reason() is FailureReason.QUOTA


async def test_the_wait_of_a_job_that_batch_took_late_starts_late(service: Service) -> None:
    await service.pending()
    await service.jobs.forget()
    await service.sweep(hours=30)  # submits it again
    await service.sweep(hours=23)
    assert (await service.now()).status is RunState.PENDING
    await service.sweep(hours=2)
    assert await service.reason() is FailureReason.QUOTA


async def test_a_job_that_loads_its_image_or_works_is_not_given_up(service: Service) -> None:
    run = await service.pending()
    service.jobs.put(run.compute.job_id, JobState.RUNNING)
    await service.sweep(hours=40)
    assert (await service.now()).status is RunState.PENDING
    begun = await lease(run.run_id, store=service.store, clock=service.clock).begin()
    service.jobs.put(run.compute.job_id, JobState.QUEUED)  # an old report
    await service.notify()
    assert (await service.now()).status is begun.status is RunState.RUNNING


async def test_a_job_that_begins_at_the_moment_when_it_is_given_up_goes_on(service: Service) -> None:
    run = await service.pending()
    service.clock.move(hours=25)
    clock = service.clock

    class BeginsMeanwhile(FakeBatch):
        async def describe(self, job_id: str) -> JobReport | None:
            report = await super().describe(job_id)
            await lease(run.run_id, store=service.store, clock=clock).begin()
            return report

    meanwhile = BeginsMeanwhile()
    meanwhile.jobs = service.jobs.jobs
    service.jobs = meanwhile
    await service.sweep()
    assert (await service.now()).status is RunState.RUNNING


async def test_without_a_limit_batch_decides(service: Service) -> None:
    await service.pending()
    service.clock.move(hours=47)
    swept = make_sweeper(service.store, service.jobs, service.clock, queue_limit=None)
    assert (await swept.sweep()).failed == []


async def test_regression_the_use_of_a_key_after_the_limit_asks_again(service: Service) -> None:
    async def create() -> Run:
        request = CreateRunRequest(query="How would NK cells respond to IL-15?")
        return await RunSubmission(service.store, service.jobs, service.clock).create(request, ANSWERABLE, ADA, "k")

    first = await create()
    service.run_id = first.run_id
    await service.sweep(hours=24, minutes=3)
    assert await service.reason() is FailureReason.QUOTA
    assert (await create()).run_id != first.run_id
