"""The wire models of runs: what goes over HTTP, field by field as the contract has it.

Fields may be added, never renamed. What is stored lives in `shared/records.py`.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.catalog.schemas import ControlStrategyValidation
from shared.fields import ControlStrategy, Model, Query, RunId, Score, Timestamp
from shared.runs.states import Phase, RunState


def _whole(value: object) -> object:
    """5.0 is an integer to JSON Schema, and to the encoders of some languages."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class LlmProvider(StrEnum):
    """Who may propose a structure for the question."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE_GENAI = "google_genai"


class FailureReason(StrEnum):
    """Why a run failed; stable names."""

    PREEMPTED = "PREEMPTED"
    IMAGE_PULL = "IMAGE_PULL"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    QUOTA = "QUOTA"
    SUBMIT_FAILED = "SUBMIT_FAILED"
    JOB_VANISHED = "JOB_VANISHED"
    ORCHESTRATOR_ERROR = "ORCHESTRATOR_ERROR"
    QUERY_NOT_UNDERSTOOD = "QUERY_NOT_UNDERSTOOD"


class Failure(Model):
    """Why a run failed, whether trying again makes sense, and what to do."""

    reason: FailureReason
    retryable: bool
    advice: str


class CreateRunRequest(Model):
    """A question, and how to work on it."""

    query: Query
    control_strategy: ControlStrategy = ControlStrategy.SYNTHETIC_CONTROL
    max_iterations: Annotated[int, Field(ge=1, le=10, strict=True), BeforeValidator(_whole)] = 5
    score_threshold: Annotated[int, Field(ge=1, le=10, strict=True), BeforeValidator(_whole)] = 7
    llm_provider: LlmProvider | None = None
    llm_model: (
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] | None
    ) = None
    random_seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True), BeforeValidator(_whole)] | None = None
    validate_only: Annotated[bool, Field(strict=True)] = False


class RunStatus(Model):
    """Where a run stands."""

    run_id: RunId
    status: RunState
    done: bool
    query: str
    current_iteration: int
    max_iterations: int
    current_phase: Phase | None
    grounding_scores: list[Score]
    control_strategy: ControlStrategy
    control_strategy_effective: ControlStrategy | None
    error_message: str | None
    failure: Failure | None
    attempt: int
    user_email: str
    created_at: Timestamp
    updated_at: Timestamp


class RunList(Model):
    """One page of the caller's runs, newest first."""

    runs: list[RunStatus]
    total: int
    page: int
    page_size: int
    next_page_token: str | None


class CancelAnswer(Model):
    """A cancel that holds."""

    status: RunState
    run_id: RunId


class ScorePart(Model):
    """One part of a grounding score; `score` is None where it could not be judged, and `reason` says why."""

    name: str
    score: Score | None
    reason: str


class IterationSummary(Model):
    """What one iteration tried and how it scored; the parts are what the score is made of."""

    number: int
    strategy: str
    score: Score
    components: list[ScorePart]
    duration_seconds: float


class GeneChange(Model):
    """A gene that moves: log2 fold change of predicted perturbed over control, Benjamini-Hochberg adjusted p."""

    gene: str
    log2_fold_change: float
    adjusted_p_value: float


class PathwayChange(Model):
    """A gene set that moves: `score` is the enrichment statistic (positive is up)."""

    name: str
    score: float
    adjusted_p_value: float


class ResultFile(Model):
    """A file of a finished run, with a signed URL that holds until `expires_at`."""

    name: str
    media_type: str
    size: int
    crc32c: str
    expires_at: Timestamp
    url: str


class RunResult(Model):
    """What a completed run found."""

    run_id: RunId
    success: bool
    grounding_score: Score
    termination_reason: str
    control_strategy_effective: ControlStrategy
    iterations: list[IterationSummary]
    num_de_genes: int
    top_upregulated: list[GeneChange]
    top_downregulated: list[GeneChange]
    enriched_pathways: list[PathwayChange]
    notes: list[str]
    anndata_url: str
    report_url: str
    log_url: str
    files: list[ResultFile]


# FOLDED from queries.py: """The query parameters of the endpoints that take some, as models: what is read is what the documentation lists."""  # noqa: E501
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written_in_full(value: object) -> object:
    """Pydantic alone would take `0.5` for half a second after 1970 began."""
    if isinstance(value, str) and not RFC3339.fullmatch(value):
        raise PydanticCustomError("rfc3339", "Input should be a time as in RFC 3339, such as 2026-03-01T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; the first hours of the year 1 and the last of 9999 may have none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("rfc3339", "Input should be a time between the years 1 and 9999 in UTC") from None


Moment = Annotated[Timestamp, AfterValidator(_in_utc), BeforeValidator(_written_in_full)]


class ListQuery(Model):
    """Which of the caller's runs to list. With `page_token`, `page` is not looked at."""

    page: Annotated[int, Field(ge=1, le=10_000, description="The page by number, from 1. It bills what it skips.")] = 1
    page_size: Annotated[int, Field(ge=1, le=100, description="Runs a page.")] = 20
    status: Annotated[list[RunState], Field(description="Only runs in these states; may be repeated.")] = []
    created_after: Annotated[Moment | None, Field(description="Only runs created at this time or later.")] = None
    created_before: Annotated[Moment | None, Field(description="Only runs created before this time.")] = None
    page_token: Annotated[
        str | None,
        Field(max_length=500, description="`next_page_token` of the page before; every page costs the same."),
    ] = None


class StatusQuery(Model):
    """How to wait for a run's status."""

    wait: Annotated[
        int, Field(ge=0, le=30, description="Seconds to wait for a change before answering what is there.")
    ] = 0


class RunPreview(Model):
    """What `validate_only` answers: what would run, and whether it would get anywhere. Nothing was kept or submitted."""

    would_run: bool
    reason: str | None
    request: CreateRunRequest
    validation: ControlStrategyValidation
