"""Stored records: one document per run, bounded in size; large data is in Cloud Storage.

Records change only through the pure functions here and in `shared/runs/lifecycle.py`. `shared/runs/views.py` maps them to the wire.
"""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

from shared.catalog.interpretation import Direction, Interpretation
from shared.fields import Answer, ControlStrategy, LlmProvider, Model, Score, Timestamp
from shared.runs import deliveries
from shared.runs.deliveries import Delivery
from shared.runs.evidence import Confidence, RunEvidence
from shared.runs.states import (
    CLOCK_SKEW,
    Actor,
    ComputeState,
    FailureReason,
    Phase,
    RunState,
    WaitingReason,
    next_check,
    next_expiry,
)

if TYPE_CHECKING:  # the job has no callers, and need not import what verifies them
    from shared.auth.identity import Caller

# More entries than any legal life has; a flood of late reports cannot make the document grow.
MAX_HISTORY: Final = 50
# Room for a sentence on each of the genes that a question may ask about, and one on all genes.
MAX_ANSWER: Final = 4000
# The progress of a run that starts, or starts over in another attempt or process.
NO_PROGRESS: Final = MappingProxyType[str, object](
    {
        "current_phase": None,
        "current_iteration": 0,
        "phase_progress": None,
        "iterations": [],
        "control_strategy_effective": None,
    }
)


class Transition(Model):
    """Entry of a run's history; `from_status == to_status` if it recorded something without changing the status."""

    at: Timestamp
    from_status: RunState | None
    to_status: RunState
    actor: Actor
    reason: str


class Compute(Model):
    """Batch job of a run. The id is known before the job exists, so that a crash between the two loses nothing.

    `lease_owner` is the process of the job that works on the run: a second copy of the job sees it and exits. `requested_at` is when the
    job was requested; None: when the run was created.
    """

    job_id: str
    attempt: Annotated[int, Field(ge=1)] = 1
    state: ComputeState = ComputeState.REQUESTED
    lease_owner: str | None = None
    requested_at: Timestamp | None = None


class Failure(Model):
    """Why a run failed, whether another attempt may help, and what to do."""

    reason: FailureReason
    retryable: bool
    advice: str


class StoredFile(Model):
    """Result file in the results bucket; `crc32c` is base64 of the big-endian checksum, as in Cloud Storage."""

    name: str
    object_name: str
    media_type: str
    size: int
    crc32c: str


class ScorePart(Model):
    """Component of a grounding score; `score` is None if it could not be computed, and `reason` says why."""

    name: str
    score: Score | None
    reason: str


class Iteration(Model):
    """A finished iteration: its prompt strategy and its grounding score, None if nothing can be judged."""

    number: int
    strategy: str
    score: Score | None
    components: list[ScorePart]
    duration_seconds: float


class GeneChange(Model):
    """Predicted change of a gene: log2 fold change of perturbed over control, Benjamini-Hochberg adjusted p value."""

    gene: str
    log2_fold_change: float
    adjusted_p_value: float


class GeneAnswer(Model):
    """Answer for a gene that the question asks about, and the change that it rests on; `text` says it in a sentence."""

    gene: str
    direction: Direction
    answer: Answer
    log2_fold_change: float | None
    adjusted_p_value: float | None
    text: str


class PathwayChange(Model):
    """Predicted change of a gene set; `score` is the enrichment statistic, positive if upregulated."""

    name: str
    score: float
    adjusted_p_value: float


def _shortened(answer: str) -> str:
    return answer if len(answer) <= MAX_ANSWER else f"{answer[: MAX_ANSWER - 1]}…"


class RunOutcome(Model):
    """Result of a completed run, without URLs, which are signed at each request.

    `answer` is the headline of the report, empty in runs from before it was stored. `files` holds exactly one `.h5ad`, one `.html` and
    one `.json`. `notes` are limitations in plain language.
    `grounding_score` is None if nothing can be judged; results from before that was possible have a 1 instead.
    `success` is None in results from before it was stored, which the score alone decided; `evidence` is None in older results.
    """

    answer: Annotated[str, AfterValidator(_shortened)] = ""
    grounding_score: Score | None
    grounding_p_value: float | None = None
    success: bool | None = None
    evidence: RunEvidence | None = None
    termination_reason: str
    control_strategy_effective: ControlStrategy
    num_de_genes: int
    top_upregulated: list[GeneChange]
    top_downregulated: list[GeneChange]
    enriched_pathways: list[PathwayChange]
    gene_answers: list[GeneAnswer] = []
    notes: list[str]
    files: list[StoredFile]


class RunSummary(Model, validate_by_name=True, serialize_by_alias=True):
    """What the owner sees of a run before its result; polls and lists read only this.

    `owner` is the subject of the identity provider, and `owner_email` its e-mail address when the run was created. In runs from before
    there were subjects, `owner` is the e-mail address, and `owner_email` is None.
    `interpretation` is None for a run with a language model until the job has read the question, and for runs from before it was stored.
    `phase_progress` is the share of the current phase that is done, None while it is not known.
    `confidence` is None until the run is completed, and for runs from before it was stored here. `waiting_for` is None once a process of
    the job has begun, after the end, and for runs from before it was stored.
    """

    run_id: str
    # The stored name is that of earlier runs: one field, with one index, finds them all, and earlier code can read new ones.
    owner: str = Field(validation_alias="user_email", serialization_alias="user_email")
    owner_email: str | None = None
    query: str
    interpretation: Interpretation | None = None
    control_strategy: ControlStrategy
    control_strategy_effective: ControlStrategy | None = None
    max_iterations: int
    score_threshold: int
    llm_provider: LlmProvider | None = None
    llm_model: str | None = None
    random_seed: int | None = None
    label: str | None = None
    status: RunState = RunState.PENDING
    current_iteration: int = 0
    current_phase: Phase | None = None
    phase_progress: Annotated[float, Field(ge=0, le=1)] | None = None
    iterations: list[Iteration] = []
    error_message: str | None = None
    failure: Failure | None = None
    confidence: Confidence | None = None
    waiting_for: WaitingReason | None = None
    deliveries: list[Delivery] = []
    compute: Compute
    created_at: Timestamp
    updated_at: Timestamp

    @property
    def user_email(self) -> str:
        """Return the e-mail address of the owner, as it is shown."""
        return self.owner_email or self.owner

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the owners that are the user of this run: the owner, and the e-mail address that earlier runs have as owner."""
        return tuple(dict.fromkeys((self.owner, self.user_email)))

    def belongs_to(self, caller: "Caller") -> bool:
        """Return whether the caller owns the run."""
        return self.owner in caller.owners


class Run(RunSummary):
    """Whole record of a run.

    `check_at` is when the reconciler must check it next, None if nothing can be stuck. `expire_at` is when Firestore may delete it,
    None: never. `idempotency_key` and `request_fingerprint` are SHA-256 digests, so that a repeated create is recognized without
    storing the key.
    """

    outcome: RunOutcome | None = None
    transitions: list[Transition]
    idempotency_key: str | None = None
    request_fingerprint: str
    heartbeat_at: Timestamp | None = None
    check_at: Timestamp | None
    expire_at: Timestamp | None = None

    @property
    def requested_at(self) -> datetime:
        """When the job of the current attempt was requested."""
        return self.compute.requested_at or self.created_at

    def changed(self, now: datetime, **fields: object) -> "Run":
        """Return the run with changed fields and `updated_at` set. Fields are not validated: pass the declared types."""
        return self.checked(now, **fields, updated_at=self._in_order(now))

    def checked(self, now: datetime, **fields: object) -> "Run":
        """Return the run with changed fields that its owner does not see, and the next check and expiry set."""
        draft = self.model_copy(update=fields)
        times = (next_check(draft.status, draft.compute.state, now), deliveries.next_attempt(draft.deliveries))
        check_at = min((each for each in times if each is not None), default=None)
        return draft.model_copy(
            update={"check_at": check_at, "expire_at": next_expiry(draft.status, draft.expire_at, now)}
        )

    def moved(self, to: RunState, *, now: datetime, actor: Actor, reason: str, **fields: object) -> "Run":
        """Return the run in another state, with the transition in its history; the store's write checks the transition.

        A run that runs or has ended waits for nothing. A run that ends has its notifications due.
        """
        history = self._history(now, to, actor, reason)
        if to.done and self.deliveries:
            fields["deliveries"] = deliveries.started(self.deliveries, now)
        return self.changed(now, status=to, waiting_for=None, transitions=history, **fields)

    def noted(self, *, now: datetime, actor: Actor, reason: str, **fields: object) -> "Run":
        """Return the run in the same state with changed fields and the reason in its history."""
        return self.changed(now, transitions=self._history(now, self.status, actor, reason), **fields)

    def remarked(self, about: RunState, *, now: datetime, actor: Actor, reason: str) -> "Run":
        """Return the run with a history entry for a report that came too late to change it to the state `about`."""
        entry = f"{reason} (too late for {about.value})"
        return self.model_copy(update={"transitions": self._history(now, self.status, actor, entry)})

    def _in_order(self, now: datetime) -> datetime:
        # The last writer's clock may be slightly ahead of this one's. Its owner must not see the run end before it began, and a change
        # must be seen as one.
        ahead = self.updated_at - now
        return self.updated_at + timedelta(microseconds=1) if timedelta(0) < ahead < CLOCK_SKEW else now

    def _history(self, now: datetime, to: RunState, actor: Actor, reason: str) -> list[Transition]:
        entry = Transition(at=self._in_order(now), from_status=self.status, to_status=to, actor=actor, reason=reason)
        return [*self.transitions, entry][:MAX_HISTORY]
