"""States of a run and the one transition table. Standard library only.

    pending ──> running ──> completed
       │           ├──────> failed
       └───────────┴──────> cancelled          (pending may also fail)

The first terminal state wins. Every change of status calls `check_transition` inside the store's write, so the functions, the job
and the reconciler cannot disagree.
"""

import re
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.errors import TransitionRefused
from shared.settings import DEFAULT_QUEUE_MINUTES, SHORTEST_RETENTION


class RunState(StrEnum):
    """State of a run; `status` on the wire."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return not TRANSITIONS[self]


class Phase(StrEnum):
    """Phase of a running run; `current_phase` on the wire."""

    QUERY_ANALYSIS = "query_analysis"
    PROMPT_GENERATION = "prompt_generation"
    INFERENCE = "inference"
    EVALUATION = "evaluation"
    OUTPUT_GENERATION = "output_generation"


class ComputeState(StrEnum):
    """What is known about the Batch job of a run."""

    REQUESTED = "requested"  # the record names the job; Batch may not have it yet
    SUBMITTED = "submitted"  # Batch has accepted the job
    RELEASING = "releasing"  # the run ended; Batch has not confirmed that the job is gone
    RELEASED = "released"  # Batch holds no resources for this run


class Actor(StrEnum):
    """Who changed a run."""

    USER = "user"
    SERVICE = "service"
    JOB = "job"
    RECONCILER = "reconciler"


class FailureReason(StrEnum):
    """Stable names of the reasons why a run failed."""

    PREEMPTED = "PREEMPTED"
    INTERRUPTED = "INTERRUPTED"
    IMAGE_PULL = "IMAGE_PULL"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    QUOTA = "QUOTA"
    SUBMIT_FAILED = "SUBMIT_FAILED"
    JOB_VANISHED = "JOB_VANISHED"
    ORCHESTRATOR_ERROR = "ORCHESTRATOR_ERROR"
    QUERY_NOT_UNDERSTOOD = "QUERY_NOT_UNDERSTOOD"
    CONFIGURATION = "CONFIGURATION"


class WaitingReason(StrEnum):
    """Stable names of what a run waits for until a process of its job begins."""

    QUEUE = "queue"  # its turn
    QUOTA = "quota"  # free quota of the project
    MACHINES = "machines"  # a zone that has machines of this type
    MACHINE = "machine"  # the start of its machine
    IMAGE = "image"  # the container image


TRANSITIONS: Final = MappingProxyType(
    {
        RunState.PENDING: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
        RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}),
        RunState.COMPLETED: frozenset[RunState](),
        RunState.FAILED: frozenset[RunState](),
        RunState.CANCELLED: frozenset[RunState](),
    }
)

# States of an unfinished run.
ACTIVE: Final = tuple(state for state, targets in TRANSITIONS.items() if targets)

RUN_ID: Final = re.compile(r"run_[0-9a-f]{12}")
_JOB_ID: Final = re.compile(r"haystack-([0-9a-f]{12})-[1-9][0-9]?")

# The clocks of functions and jobs may differ by less than this without any effect; `shared/runs/clocks.py` logs more.
CLOCK_SKEW: Final = timedelta(minutes=1)
# How long an idempotency key stands for the same run.
KEY_LIFETIME: Final = timedelta(hours=24)
# The reconciler checks a pending run that was silent for this long.
PENDING_LIMIT: Final = timedelta(minutes=2)
# The reconciler checks a running run whose job was silent for this long.
HEARTBEAT_LIMIT: Final = timedelta(minutes=5)
# A process that was silent for longer than this loses the run's lease to another copy of the job.
LEASE: Final = timedelta(minutes=3)
# Jobs that a run may use if they lose their machines or never start.
MAX_ATTEMPTS: Final = 2
# A job that Batch reports as running but that was silent for longer than this hangs.
SILENCE_LIMIT: Final = timedelta(minutes=15)
# A job may wait for its machine this long: as long as an idempotency key lives, so that the next use of the key asks again, and
# half as long as Batch itself would let it wait (https://docs.cloud.google.com/batch/quotas).
QUEUE_LIMIT: Final = timedelta(minutes=DEFAULT_QUEUE_MINUTES)
# The reconciler checks a finished run whose compute is not released after this.
RELEASE_INTERVAL: Final = timedelta(seconds=30)
# The reconciler checks a run again after this if Batch denies it the permission to ask.
DENIED_INTERVAL: Final = timedelta(minutes=5)
# The job of a finished run is gone after this even if nobody could cancel it: Batch queues it for two days, and it ends when it begins.
RELEASE_LIMIT: Final = timedelta(days=3)


def new_run_id() -> str:
    """Return a new run id: `run_` and 12 hexadecimal digits."""
    return f"run_{secrets.token_hex(6)}"


def run_id_of_job(job_id: str) -> str | None:
    """Return the run that a Batch job id belongs to, or None if the id is not one of ours."""
    found = _JOB_ID.fullmatch(job_id)
    return f"run_{found[1]}" if found else None


def job_id(run_id: str, attempt: int) -> str:
    """Return the Batch job id of an attempt, starting at 1; a repeated submit meets its own job.

    Batch ids match `^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`: no underscore.
    """
    return f"haystack-{run_id.removeprefix('run_')}-{attempt}"


def results_folder(run_id: str, attempt: int, owner: str) -> str:
    """Return the folder of the results of one process of an attempt, below `runs/`; no two processes share it.

    Args:
        owner: the process's `lease_owner`.
    """
    return f"{run_id}/attempt-{attempt}-{owner[:12]}"


def check_transition(run_id: str, old: RunState, new: RunState) -> None:
    """Refuse a change of status that is not in the table; an unchanged status is always allowed.

    Raises:
        TransitionRefused: the change is not in `TRANSITIONS`.
    """
    if new is not old and new not in TRANSITIONS[old]:
        raise TransitionRefused(run_id, old, new)


def waited_too_long(status: RunState, requested_at: datetime, now: datetime, limit: timedelta | None) -> bool:
    """Return whether a run must fail at `now`, because its job still waits for its machine.

    Args:
        requested_at: when the job was requested.
        limit: how long it may wait; None: as long as Batch lets it.
    """
    return limit is not None and RunState.FAILED in TRANSITIONS[status] and now - requested_at > limit


def next_check(status: RunState, compute: ComputeState, now: datetime) -> datetime | None:
    """Return when the reconciler must check a run after a write at `now`, or None if nothing can be stuck."""
    if status is RunState.PENDING:
        return now + PENDING_LIMIT
    if status is RunState.RUNNING:
        return now + HEARTBEAT_LIMIT
    if compute is ComputeState.RELEASED:
        return None
    return now + RELEASE_INTERVAL


def next_expiry(status: RunState, planned: datetime | None, now: datetime) -> datetime | None:
    """Return when a run may be deleted after a write at `now`; every write to an unfinished run postpones it.

    Args:
        planned: expiry before the write; None: never.
    """
    if planned is None or status.done:
        return planned
    return max(planned, now + SHORTEST_RETENTION)
