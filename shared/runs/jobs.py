"""What the domain says to Batch and hears from it, free of Batch's own types."""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.runs.schemas import Failure, FailureReason


class JobState(StrEnum):
    """A Batch job's state, by the names of the Batch API."""

    QUEUED = "QUEUED"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DELETION_IN_PROGRESS = "DELETION_IN_PROGRESS"
    CANCELLATION_IN_PROGRESS = "CANCELLATION_IN_PROGRESS"
    CANCELLED = "CANCELLED"
    UNKNOWN = "STATE_UNSPECIFIED"

    @property
    def over(self) -> bool:
        """Whether the job holds no compute any more."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class JobRequest(NamedTuple):
    """A job to run.

    Attributes:
        job_id: `runs.job_id(run_id, attempt)`.
        environment: what the job's process finds in its environment, beside what the adapter's settings add.
        labels: keys and values of `[a-z0-9_-]`, at most 63 characters; never an e-mail.
        max_run_seconds: how long it may run.
        secrets: names of those secrets that it is to find in its environment, where the adapter's settings have them.
    """

    job_id: str
    environment: Mapping[str, str]
    labels: Mapping[str, str] = MappingProxyType({})
    max_run_seconds: int = 3600
    secrets: frozenset[str] = frozenset()


class JobReport(NamedTuple):
    """What Batch knows of a job.

    Attributes:
        job_id: which job.
        state: its state.
        events: Batch's status events in the order it keeps them, descriptions only.
        exit_codes: exit codes of its tasks' executions, where Batch told them (50001 to 50006 are Batch's own).
    """

    job_id: str
    state: JobState
    events: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


# FOLDED from failures.py: """From what Batch says of a dead job to why a run failed and what its owner can do about it; pure. The reserved exit codes and the wording of Batch's status events are those of https://cloud.google.com/batch/docs/troubleshooting (section "Task failure exit codes", read in the version of 2026-04-08). Exit codes 125 and 137 are Docker's: its daemon could not start the container, and the container w  # noqa: E501
_STANDARD: Final = MappingProxyType(
    {
        FailureReason.PREEMPTED: (
            True,
            "The machine that worked on this run was lost before it finished. Nothing is wrong with the question: submit it again.",
        ),
        FailureReason.IMAGE_PULL: (
            False,
            "The job's container image could not be started. Submitting again will not help: tell the operators of the service.",
        ),
        FailureReason.TIMEOUT: (
            False,
            "The run took longer than a run may take. Submit it again with fewer iterations or a narrower question.",
        ),
        FailureReason.OUT_OF_MEMORY: (
            False,
            "The run needed more memory than its machine has. Ask about one cell type and one perturbation, "
            "or tell the operators of the service.",
        ),
        FailureReason.QUOTA: (
            True,
            "Google Cloud had no machine to give to this run. Submit it again in an hour; if that fails too, "
            "tell the operators of the service.",
        ),
        FailureReason.SUBMIT_FAILED: (
            True,
            "The run could not be handed to Google Cloud Batch. Submit it again; if it fails the same way, "
            "tell the operators of the service.",
        ),
        FailureReason.JOB_VANISHED: (
            True,
            "The job behind this run was removed before it finished. Submit the question again.",
        ),
        FailureReason.ORCHESTRATOR_ERROR: (
            False,
            "The run stopped on an error of its own. Tell the operators of the service the run id; the job's log says what happened.",
        ),
        FailureReason.QUERY_NOT_UNDERSTOOD: (
            False,
            "Name one cell type and one perturbation that the catalog knows; the metadata lists of the service show them.",
        ),
    }
)

_BY_EXIT_CODE: Final = MappingProxyType(
    {
        50001: FailureReason.PREEMPTED,  # Spot VM preempted
        50002: FailureReason.PREEMPTED,  # Batch no longer hears from the VM
        50003: FailureReason.PREEMPTED,  # VM rebooted
        50004: FailureReason.TIMEOUT,  # task over its unresponsive limit, and not to be cancelled
        50005: FailureReason.TIMEOUT,  # task over max_run_duration
        50006: FailureReason.PREEMPTED,  # VM recreated
        137: FailureReason.OUT_OF_MEMORY,
        125: FailureReason.IMAGE_PULL,
    }
)

_IMAGE_TEXT: Final = re.compile(
    r"\b(fail\w*|error|unable|cannot|could not)\b.*\bpull|\bpull\w*\b.*\b(fail\w*|error|denied|back-?off)\b"
    r"|unable to find image|manifest unknown|manifest for .* not found",
    re.IGNORECASE,
)
_QUOTA_TEXT: Final = re.compile(
    r"quota\b.*\bexceeded|quota_exceeded|inadequate quotas|resource_pool_exhausted|stockout"
    r"|does not have enough resources",
    re.IGNORECASE,
)
_NEVER_STARTED_TEXT: Final = re.compile(r"creation failed|no VM has agent reporting", re.IGNORECASE)

_BY_TEXT: Final = (
    (_IMAGE_TEXT, FailureReason.IMAGE_PULL),
    (_QUOTA_TEXT, FailureReason.QUOTA),
    (_NEVER_STARTED_TEXT, FailureReason.SUBMIT_FAILED),
)

_UNKNOWN_TO_BATCH: Final = 50000
"""Batch's code for a failure that it cannot name; it says no more than FAILED does."""


def failure(reason: FailureReason) -> Failure:
    """The failure of this reason, with whether trying again makes sense and what to do about it."""
    retryable, advice = _STANDARD[reason]
    return Failure(reason=reason, retryable=retryable, advice=advice)


def failure_of(report: JobReport) -> Failure:
    """Why a run failed whose job is dead, or is over without the run having been told so.

    A reserved exit code decides; where a task was tried more than once, that of its last try. Without one, what the events tell: the
    image, then the quota, then a machine that never came up. Last, the job's own exit code says that it failed by itself. A
    delay for want of quota is not the reason of a job that ran afterwards, so a job with an exit code of its own is never QUOTA.

    Args:
        report: what Batch says of the job. Exit codes of a job that SUCCEEDED are those of tries that were repeated, and tell nothing.
    """
    return failure(_reason(report))


def _reason(report: JobReport) -> FailureReason:
    if report.state in {JobState.CANCELLED, JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}:
        return FailureReason.JOB_VANISHED
    if report.state is JobState.SUCCEEDED:
        return FailureReason.ORCHESTRATOR_ERROR
    told = [code for code in report.exit_codes if code not in {0, _UNKNOWN_TO_BATCH}]
    if told and told[-1] in _BY_EXIT_CODE:
        return _BY_EXIT_CODE[told[-1]]
    for pattern, reason in _BY_TEXT:
        if any(pattern.search(event) for event in report.events) and (not told or reason is FailureReason.IMAGE_PULL):
            return reason
    return FailureReason.ORCHESTRATOR_ERROR
