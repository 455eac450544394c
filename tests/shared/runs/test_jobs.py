"""Failure reasons derived from the reports of dead jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runs.jobs import JobReport, JobState, failure_for, failure_of
from shared.runs.states import FailureReason

PREFIX = (
    "Job state is set from RUNNING to FAILED for job projects/1/locations/l/jobs/j.Job failed due to task failure. "
)
EVENT = "Task state is updated from RUNNING to FAILED on zones/l-b/instances/8098872438472929780"


def report(*events: str, codes: tuple[int, ...] = (), state: JobState = JobState.FAILED) -> JobReport:
    return JobReport("haystack-1", state, events, codes)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (50001, FailureReason.PREEMPTED),
        (50002, FailureReason.PREEMPTED),
        (50003, FailureReason.PREEMPTED),
        (50004, FailureReason.TIMEOUT),
        (50005, FailureReason.TIMEOUT),
        (50006, FailureReason.PREEMPTED),
        (125, FailureReason.IMAGE_PULL),
        (75, FailureReason.INTERRUPTED),
        (137, FailureReason.INTERRUPTED),
        (139, FailureReason.ORCHESTRATOR_ERROR),
        (1, FailureReason.ORCHESTRATOR_ERROR),
        (2, FailureReason.ORCHESTRATOR_ERROR),
        (127, FailureReason.ORCHESTRATOR_ERROR),
        (143, FailureReason.INTERRUPTED),
        (50000, FailureReason.ORCHESTRATOR_ERROR),
    ],
)
def test_an_exit_code_tells_the_reason(code: int, reason: FailureReason) -> None:
    assert failure_of(report(f"{PREFIX}{EVENT} with exit code {code}.", codes=(code,))).reason is reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("Instance i creation failed: Quota C2_CPUS exceeded. Limit: 8.0 in region europe-west1", FailureReason.QUOTA),
        (
            "Quota checking process decides to delay scheduling for the job j-1 due to inadequate quotas "
            "[Quota: CPUS, limit: 24, usage: 24, wanted: 4].",
            FailureReason.QUOTA,
        ),
        ("Batch Error: code - CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED, description - ...", FailureReason.QUOTA),
        ("Error: code - CODE_GCE_QUOTA_EXCEEDED, description - ...", FailureReason.QUOTA),
        ("Failed to pull image europe-docker.pkg.dev/p/r/i:1: manifest unknown", FailureReason.IMAGE_PULL),
        ("docker: Error response from daemon: pull access denied for r/i", FailureReason.IMAGE_PULL),
        ("Unable to find image 'r/i:1' locally", FailureReason.IMAGE_PULL),
        (
            "Instance i creation failed: Constraint constraints/compute.vmExternalIpAccess violated",
            FailureReason.SUBMIT_FAILED,
        ),
        ("No VM has agent reporting correctly within time window 1080 seconds", FailureReason.SUBMIT_FAILED),
        ("Job state is set from SCHEDULED to FAILED for job j.", FailureReason.ORCHESTRATOR_ERROR),
    ],
)
def test_without_an_exit_code_the_events_tell_the_reason(event: str, reason: FailureReason) -> None:
    assert failure_of(report("Job state is set from QUEUED to SCHEDULED for job j.", event)).reason is reason


def test_a_wait_for_quota_is_not_why_a_job_failed_that_ran_afterwards() -> None:
    delayed = "Quota checking process decides to delay scheduling for the job j-1 due to inadequate quotas"
    assert (
        failure_of(report(delayed, f"{EVENT} with exit code 1.", codes=(1,))).reason is FailureReason.ORCHESTRATOR_ERROR
    )


def test_an_image_that_cannot_be_pulled_is_told_whatever_the_exit_code() -> None:
    failed = report("Failed to pull image r/i:1", f"{EVENT} with exit code 1.", codes=(1,))
    assert failure_of(failed).reason is FailureReason.IMAGE_PULL


def test_the_last_try_decides() -> None:
    assert failure_of(report(codes=(50001, 137))).reason is FailureReason.INTERRUPTED
    assert failure_of(report(codes=(137, 50001))).reason is FailureReason.PREEMPTED


@pytest.mark.parametrize("codes", [(), (1,), (137,), (143,), (50000,)])
def test_regression_a_preemption_is_told_without_a_code_or_with_the_containers(codes: tuple[int, ...]) -> None:
    delayed = "Quota checking process decides to delay scheduling for the job j-1 due to inadequate quotas"
    for event in (
        "Task state is updated from RUNNING to FAILED on zones/l-b/instances/8 due to Spot VM preemption.",
        "A preemption notice has been received and will be processed.",
        "VM reporting timeout: no updates received from the VM.",
        "VM is rebooted during task execution.",
    ):
        assert failure_of(report(delayed, event, codes=codes)).reason is FailureReason.PREEMPTED


def test_the_quota_of_preemptible_machines_is_no_preemption() -> None:
    assert (
        failure_of(report("Instance i creation failed: Quota PREEMPTIBLE_CPUS exceeded.")).reason is FailureReason.QUOTA
    )


@pytest.mark.parametrize("codes", [(), (137,)])
def test_regression_more_memory_is_advised_only_where_an_event_says_that_memory_ran_out(codes: tuple[int, ...]) -> None:
    for event in ("The container was OOMKilled.", "Memory cgroup out of memory: Killed process 7 (python)."):
        assert failure_of(report(event, codes=codes)).reason is FailureReason.OUT_OF_MEMORY
    assert "memory" not in failure_of(report(EVENT, codes=(137,))).advice


def test_a_job_that_was_taken_away_has_vanished() -> None:
    for state in (JobState.CANCELLED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS):
        assert failure_of(report(codes=(143,), state=state)).reason is FailureReason.JOB_VANISHED


def test_a_job_that_succeeded_without_finishing_its_run_is_the_orchestrators_fault() -> None:
    succeeded = report(codes=(50001,), state=JobState.SUCCEEDED)
    assert failure_of(succeeded).reason is FailureReason.ORCHESTRATOR_ERROR


@pytest.mark.parametrize("reason", list(FailureReason))
def test_each_reason_comes_with_a_sentence_that_says_what_to_do(reason: FailureReason) -> None:
    failure = failure_for(reason)
    assert failure.reason is reason
    assert failure.advice.endswith(".")
    assert any(word in failure.advice for word in ("ubmit", "Tell", "tell", "Ask"))
    if failure.retryable:
        assert "ubmit" in failure.advice


def test_only_what_may_go_away_by_itself_is_retryable() -> None:
    assert {reason for reason in FailureReason if failure_for(reason).retryable} == {
        FailureReason.PREEMPTED,
        FailureReason.INTERRUPTED,
        FailureReason.QUOTA,
        FailureReason.SUBMIT_FAILED,
        FailureReason.JOB_VANISHED,
    }


@given(
    st.sampled_from(list(JobState)),
    st.lists(st.text(max_size=80), max_size=5),
    st.lists(st.integers(min_value=0, max_value=60000), max_size=5),
)
def test_any_report_has_a_failure(state: JobState, events: list[str], codes: list[int]) -> None:
    failure = failure_of(JobReport("j", state, tuple(events), tuple(codes)))
    assert failure == failure_for(failure.reason)
