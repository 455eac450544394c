"""What a run can be, and how it may change: the one transition table, pure.

    pending ──> running ──> completed
       │           ├──────> failed
       └───────────┴──────> cancelled          (pending may also fail)

The first terminal state wins. Everything that changes a run's status asks `check_transition` inside the store's write, so the
functions, the job and the reconciler cannot disagree.
"""

import re
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.errors import TransitionRefused


class RunState(StrEnum):
    """Where a run is in its life; the wire's `status`."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether nothing can change the status any more."""
        return not TRANSITIONS[self]


class Phase(StrEnum):
    """What a running run is busy with; the wire's `current_phase`."""

    QUERY_ANALYSIS = "query_analysis"
    PROMPT_GENERATION = "prompt_generation"
    INFERENCE = "inference"
    EVALUATION = "evaluation"
    OUTPUT_GENERATION = "output_generation"


class ComputeState(StrEnum):
    """What is known of the Batch job behind a run."""

    REQUESTED = "requested"  # the record names the job; Batch may not have it yet
    SUBMITTED = "submitted"  # Batch answered with the job
    RELEASING = "releasing"  # a cancel was decided; Batch has not confirmed yet
    RELEASED = "released"  # Batch holds nothing for this run any more


class Actor(StrEnum):
    """Who moved a run."""

    USER = "user"
    SERVICE = "service"
    JOB = "job"
    RECONCILER = "reconciler"


TRANSITIONS: Final = MappingProxyType(
    {
        RunState.PENDING: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
        RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}),
        RunState.COMPLETED: frozenset[RunState](),
        RunState.FAILED: frozenset[RunState](),
        RunState.CANCELLED: frozenset[RunState](),
    }
)

ACTIVE: Final = tuple(state for state, targets in TRANSITIONS.items() if targets)
"""The states of an unfinished run."""

RUN_ID: Final = re.compile(r"run_[0-9a-f]{12}")

_JOB_ID: Final = re.compile(r"haystack-([0-9a-f]{12})-[1-9][0-9]?")

PENDING_LIMIT: Final = timedelta(minutes=2)
"""A pending run is looked at when nothing was heard of it for this long."""
HEARTBEAT_LIMIT: Final = timedelta(minutes=5)
"""A running run is looked at when its job has been silent for longer than this."""
LEASE: Final = timedelta(minutes=3)
"""A job's process that was silent for longer than this has lost the run to a copy of itself that asks."""
MAX_ATTEMPTS: Final = 2
"""Jobs that a run may use up by losing their machines or never starting."""
SILENCE_LIMIT: Final = timedelta(minutes=15)
"""A job that Batch calls running, but that was silent for longer than this, hangs."""
RELEASE_INTERVAL: Final = timedelta(seconds=30)
"""A cancelled run whose compute is not released is looked at again after this."""
SHORTEST_RETENTION: Final = timedelta(days=7)
"""No run is deleted sooner than this after it was asked for, nor, while it is unfinished, after its last write."""


def new_run_id() -> str:
    """A fresh run id: `run_` and 12 hexadecimal digits."""
    return f"run_{secrets.token_hex(6)}"


def run_id_of_job(job_id: str) -> str | None:
    """The run that a Batch job id stands for, or None where the id is not one of ours."""
    found = _JOB_ID.fullmatch(job_id)
    return f"run_{found[1]}" if found else None


def job_id(run_id: str, attempt: int) -> str:
    """The Batch job id of a run's attempt: the same each time, so a repeated submit meets its own job.

    Batch ids match `^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`, hence no underscore.

    Args:
        run_id: `run_` and 12 hexadecimal digits.
        attempt: 1 for the first try.
    """
    return f"haystack-{run_id.removeprefix('run_')}-{attempt}"


def check_transition(run_id: str, old: RunState, new: RunState) -> None:
    """Refuse a change of status that the table does not hold; staying is always allowed.

    Raises:
        TransitionRefused: the change is not in `TRANSITIONS`.
    """
    if new is not old and new not in TRANSITIONS[old]:
        raise TransitionRefused(run_id, old, new)


def next_check(status: RunState, compute: ComputeState, now: datetime) -> datetime | None:
    """When the reconciler must look at a run next, or None when nothing about it can be stuck.

    Args:
        status: the run's status.
        compute: what is known of its job.
        now: the time of the write that asks; each write is a sign of life.
    """
    if status is RunState.PENDING:
        return now + PENDING_LIMIT
    if status is RunState.RUNNING:
        return now + HEARTBEAT_LIMIT
    if compute is ComputeState.RELEASED:
        return None
    return now + RELEASE_INTERVAL


def next_expiry(status: RunState, planned: datetime | None, now: datetime) -> datetime | None:
    """When a run may be deleted: as planned, but of an unfinished run each write, and the sweep sees to some, puts it off.

    Args:
        status: the run's status.
        planned: when it was to be deleted by now; None: never.
        now: the time of the write that asks.
    """
    if planned is None or status.done:
        return planned
    return max(planned, now + SHORTEST_RETENTION)
