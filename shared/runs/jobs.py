"""Batch jobs in the domain's terms: requests, reports, and from the report of a dead job the reason why it failed. Pure.

The reserved exit codes and the texts of Batch's status events are those of
https://cloud.google.com/batch/docs/troubleshooting (section "Task failure exit codes", version of 2026-04-08).
Exit code 125 is Docker's: its daemon could not start the container. 137 and 143 mean that signal 9 or 15 ended the container; alone they
do not say why, and only an event tells that memory ran out. 75 is the job's own (`orchestrator.main`).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.runs.records import Failure
from shared.runs.states import FailureReason


class JobState(StrEnum):
    """State of a Batch job, by the names of the Batch API."""

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
        """Whether the job holds no resources."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}

    @property
    def ending(self) -> bool:
        """Whether the job is over or about to be, so that it does no more work."""
        return self.over or self in {JobState.CANCELLATION_IN_PROGRESS, JobState.DELETION_IN_PROGRESS}


class JobKind(StrEnum):
    """What a job is for, which decides its service account, its volumes, and who retries it if its machine is lost."""

    RUN = "run"  # mounts the atlases; notifies the reconciler, which submits the next attempt
    INGEST = "ingest"  # mounts nothing, because it writes atlases through the API; Batch itself retries it


class Machine(NamedTuple):
    """A type of machine, what a task needs of it, and the size of its boot disk; 0: as small as the image allows."""

    machine_type: str
    cpu_milli: int
    memory_mib: int
    boot_disk_gb: int = 0


RUN_COMMAND: Final = ("python", "-m", "orchestrator.main")
RUN_MACHINE: Final = Machine("e2-standard-4", 4000, 16384)


class JobRequest(NamedTuple):
    """A job to submit.

    Attributes:
        job_id: for a run, `states.job_id(run_id, attempt)`.
        environment: environment variables, besides those from the adapter's settings.
        labels: keys and values of `[a-z0-9_-]`, at most 63 characters; never an e-mail address.
        secrets: names of the secrets that the job gets as environment variables, if the adapter's settings have them.
    """

    job_id: str
    environment: Mapping[str, str]
    labels: Mapping[str, str] = MappingProxyType({})
    max_run_seconds: int = 3600
    secrets: frozenset[str] = frozenset()
    kind: JobKind = JobKind.RUN
    command: tuple[str, ...] = RUN_COMMAND
    machine: Machine = RUN_MACHINE


class JobReport(NamedTuple):
    """What Batch knows about a job.

    Attributes:
        events: descriptions of its status events, in Batch's order.
        exit_codes: exit codes of its task executions, if Batch reported them (50001 to 50006 are Batch's own).
    """

    job_id: str
    state: JobState
    events: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


_RETRYABLE: Final = frozenset(
    {
        FailureReason.PREEMPTED,
        FailureReason.INTERRUPTED,
        FailureReason.QUOTA,
        FailureReason.SUBMIT_FAILED,
        FailureReason.JOB_VANISHED,
    }
)
# Another job of the same run may succeed: nothing is wrong with the run itself.
LOST: Final = frozenset({FailureReason.PREEMPTED, FailureReason.INTERRUPTED})
_ADVICE: Final = MappingProxyType(
    {
        FailureReason.PREEMPTED: "The machine of this run was lost before the run finished. "
        "Nothing is wrong with the question: submit it again.",
        FailureReason.INTERRUPTED: "The job of this run was stopped, or could not reach the storage of the service. "
        "Nothing is wrong with the question: submit it again. If it is interrupted again, tell the operators of the service.",
        FailureReason.IMAGE_PULL: "The container image of the job could not be started. "
        "Submitting again will not help: tell the operators of the service.",
        FailureReason.TIMEOUT: "The run reached its time limit. Submit it again with fewer iterations or a narrower question.",
        FailureReason.OUT_OF_MEMORY: "The run needed more memory than its machine has. "
        "Ask about one cell type and one perturbation, or tell the operators of the service.",
        FailureReason.QUOTA: "Google Cloud had no machine for this run. "
        "Submit it again in an hour; if that fails too, tell the operators of the service.",
        FailureReason.SUBMIT_FAILED: "The run could not be submitted to Google Cloud Batch. "
        "Submit it again; if it fails the same way, tell the operators of the service.",
        FailureReason.JOB_VANISHED: "The job of this run was removed before it finished. Submit the question again.",
        FailureReason.ORCHESTRATOR_ERROR: "The run stopped because of an error in the service. "
        "Tell the operators the run id; the log of the job has the details.",
        FailureReason.CONFIGURATION: "The service is not set up correctly, which has nothing to do with the question. "
        "Submitting again will not help: tell the operators of the service.",
        FailureReason.QUERY_NOT_UNDERSTOOD: "Ask another question: the same one will fail again. "
        "The metadata lists of the service show the cell types and perturbations that can be asked about.",
    }
)

# The exit code of a job that could not reach the run store or the results bucket (EX_TEMPFAIL of sysexits.h).
UNREACHABLE: Final = 75
_BY_EXIT_CODE: Final = MappingProxyType(
    {
        50001: FailureReason.PREEMPTED,  # Spot VM preempted
        50002: FailureReason.PREEMPTED,  # VM stopped reporting to Batch
        50003: FailureReason.PREEMPTED,  # VM rebooted
        50004: FailureReason.TIMEOUT,  # task unresponsive, and it could not be cancelled
        50005: FailureReason.TIMEOUT,  # task exceeded max_run_duration
        50006: FailureReason.PREEMPTED,  # VM recreated
        137: FailureReason.INTERRUPTED,
        143: FailureReason.INTERRUPTED,
        UNREACHABLE: FailureReason.INTERRUPTED,
        125: FailureReason.IMAGE_PULL,
    }
)

IMAGE_TEXT: Final = re.compile(
    r"\b(fail\w*|error|unable|cannot|could not)\b.*\bpull|\bpull\w*\b.*\b(fail\w*|error|denied|back-?off)\b"
    r"|unable to find image|manifest unknown|manifest for .* not found",
    re.IGNORECASE,
)
_MEMORY_TEXT: Final = re.compile(r"\bout[ -]of[ -]memory\b|\boom\b|\boom[-_ ]?kill", re.IGNORECASE)
# Not the name of a quota, such as PREEMPTIBLE_CPUS.
_LOST_TEXT: Final = re.compile(
    r"\bpreempt(ed|ion)\b|\bVM reporting timeout\b|\bVM\b.*\b(rebooted|recreated|stopped reporting)\b|\bhost error\b",
    re.IGNORECASE,
)
QUOTA_TEXT: Final = re.compile(r"quota\b.*\bexceeded|quota_exceeded|inadequate quotas", re.IGNORECASE)
# A region or zone that has no machine of this type; the quota would allow it.
NO_MACHINES_TEXT: Final = re.compile(r"resource_pool_exhausted|stockout|does not have enough resources", re.IGNORECASE)
_NEVER_STARTED_TEXT: Final = re.compile(r"creation failed|no VM has agent reporting", re.IGNORECASE)

_BY_TEXT: Final = (
    (IMAGE_TEXT, FailureReason.IMAGE_PULL),
    (_MEMORY_TEXT, FailureReason.OUT_OF_MEMORY),
    (_LOST_TEXT, FailureReason.PREEMPTED),
    (QUOTA_TEXT, FailureReason.QUOTA),
    (NO_MACHINES_TEXT, FailureReason.QUOTA),
    (_NEVER_STARTED_TEXT, FailureReason.SUBMIT_FAILED),
)

# After these, the same work on another machine can succeed.
MACHINE_LOST: Final = tuple(code for code, reason in _BY_EXIT_CODE.items() if reason is FailureReason.PREEMPTED)
# These events say why a job ended that has started; the others say why a job did not start.
_OF_STARTED: Final = frozenset({FailureReason.IMAGE_PULL, FailureReason.OUT_OF_MEMORY, FailureReason.PREEMPTED})
# Batch's code for a failure that it cannot name; it says no more than FAILED does.
_UNKNOWN_TO_BATCH: Final = 50000


def failure_for(reason: FailureReason) -> Failure:
    """Return the failure with this reason: whether another attempt may help, and what to do."""
    return Failure(reason=reason, retryable=reason in _RETRYABLE, advice=_ADVICE[reason])


def failure_of(report: JobReport) -> Failure:
    """Return why a run failed whose job is dead, or ended without finishing the run.

    The reserved exit code of the last execution decides, unless it only says that the job was interrupted. Then the events decide, in this
    order: image, memory, a lost machine, no quota, no machine, one that never started. Otherwise the job was interrupted, or failed itself.
    A job with an exit code of its own did start, so an earlier wait for quota is not its reason. The exit codes of a job that SUCCEEDED
    belong to executions that were repeated, and say nothing.
    """
    if report.state is JobState.SUCCEEDED:
        return failure_for(FailureReason.ORCHESTRATOR_ERROR)
    if report.state.ending and report.state is not JobState.FAILED:
        return failure_for(FailureReason.JOB_VANISHED)
    codes = [code for code in report.exit_codes if code not in {0, _UNKNOWN_TO_BATCH}]
    by_code = _BY_EXIT_CODE.get(codes[-1]) if codes else None
    if by_code not in {None, FailureReason.INTERRUPTED}:
        return failure_for(by_code)
    for pattern, reason in _BY_TEXT:
        if any(pattern.search(event) for event in report.events) and (not codes or reason in _OF_STARTED):
            return failure_for(reason)
    return failure_for(by_code or FailureReason.ORCHESTRATOR_ERROR)
