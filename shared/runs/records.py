"""The stored models: one document a run, bounded in size; large things are in Cloud Storage.

A record changes only through the pure functions here and in `shared/lifecycle.py`; a store never decides what to change.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.fields import ControlStrategy, Model, Score, Timestamp
from shared.runs.schemas import Failure, GeneChange, IterationSummary, LlmProvider, PathwayChange
from shared.runs.states import Actor, ComputeState, Phase, RunState, next_check, next_expiry

MAX_HISTORY = 50
"""Transitions and remarks kept in a run: more than any legal life has; a flood of late reports keeps the document bounded."""


class Transition(Model):
    """One entry of a run's history; `from_status == to_status` where something came too late to change anything."""

    at: Timestamp
    from_status: RunState | None
    to_status: RunState
    actor: Actor
    reason: str


class Compute(Model):
    """The Batch job behind a run. The id is known before the job exists, so that a crash between the two loses nothing.

    `holder` is the process of the job that does the run: a second copy of the same job finds it there, and leaves.
    """

    job_id: str
    attempt: Annotated[int, Field(ge=1)] = 1
    state: ComputeState = ComputeState.REQUESTED
    holder: str | None = None


class StoredFile(Model):
    """A result file as it lies in the results bucket; `crc32c` is base64 of the big-endian checksum, as Cloud Storage gives it."""

    name: str
    object_name: str
    media_type: str
    size: int
    crc32c: str


class RunOutcome(Model):
    """What a completed run found, without the URLs, which are signed anew at each request.

    `files` holds exactly one `.h5ad`, one `.html` and one `.json`. `notes` are caveats in plain words
    (nearest cell type used, fall-back of the control strategy, semi-synthetic atlas).
    """

    grounding_score: Score
    termination_reason: str
    control_strategy_effective: ControlStrategy
    num_de_genes: int
    top_upregulated: list[GeneChange]
    top_downregulated: list[GeneChange]
    enriched_pathways: list[PathwayChange]
    notes: list[str]
    files: list[StoredFile]


class Iteration(IterationSummary):
    """An iteration as it is kept: what its owner sees, and what an attempt that goes on behind it needs.

    `made_from` stands for all that its numbers follow from, so that the next attempt knows whether it would find the same.
    """

    num_de_genes: int = 0
    made_from: str = ""


class RunSummary(Model):
    """What its owner is shown of a run before its result: that alone is read for a poll and for a page of a list."""

    run_id: str
    user_email: str
    query: str
    control_strategy: ControlStrategy
    control_strategy_effective: ControlStrategy | None = None
    max_iterations: int
    status: RunState = RunState.PENDING
    current_iteration: int = 0
    current_phase: Phase | None = None
    iterations: list[Iteration] = []
    error_message: str | None = None
    failure: Failure | None = None
    compute: Compute
    created_at: Timestamp
    updated_at: Timestamp


class Run(RunSummary):
    """The whole of a run.

    `check_at` is when the reconciler must look at it next, None when nothing can be stuck. `expire_at` is when Firestore may delete it,
    None: never. `idempotency_key` is the SHA-256 of the caller's key and `request_fingerprint` that of the request, so that a repeated
    create is known without keeping the key.
    """

    score_threshold: int
    llm_provider: LlmProvider | None = None
    llm_model: str | None = None
    random_seed: int | None = None
    outcome: RunOutcome | None = None
    transitions: list[Transition]
    idempotency_key: str | None = None
    request_fingerprint: str
    heartbeat_at: Timestamp | None = None
    check_at: Timestamp | None
    expire_at: Timestamp | None = None

    def changed(self, now: datetime, **fields: object) -> "Run":
        """This run with other fields, the time of the change and the next check set.

        Args:
            now: the time of the change.
            fields: the fields that change; they are not validated again, so pass values of the declared types.
        """
        return self.checked(now, **fields, updated_at=now)

    def checked(self, now: datetime, **fields: object) -> "Run":
        """This run with other fields that its owner does not see, and the next check set; an unfinished run does not expire."""
        draft = self.model_copy(update=fields)
        check_at = next_check(draft.status, draft.compute.state, now)
        return draft.model_copy(
            update={"check_at": check_at, "expire_at": next_expiry(draft.status, draft.expire_at, now)}
        )

    def moved(self, to: RunState, *, now: datetime, actor: Actor, reason: str, **fields: object) -> "Run":
        """This run in another state, with the move in its history.

        Whether the move is allowed is for the store to say, by the transition table and inside its write.
        """
        return self.changed(now, status=to, transitions=self._history(now, to, actor, reason), **fields)

    def noted(self, *, now: datetime, actor: Actor, reason: str, **fields: object) -> "Run":
        """This run in the same state with other fields, and in its history why."""
        return self.changed(now, transitions=self._history(now, self.status, actor, reason), **fields)

    def remarked(self, about: RunState, *, now: datetime, actor: Actor, reason: str) -> "Run":
        """This run with a history entry for something that came too late to change it; nothing else differs.

        Args:
            about: the state that the late report asked for; told in the reason.
        """
        entry = f"{reason} (came too late for {about.value})"
        return self.model_copy(update={"transitions": self._history(now, self.status, actor, entry)})

    def _history(self, now: datetime, to: RunState, actor: Actor, reason: str) -> list[Transition]:
        entry = Transition(at=now, from_status=self.status, to_status=to, actor=actor, reason=reason)
        return [*self.transitions, entry][:MAX_HISTORY]
