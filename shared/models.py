"""The wire models: what goes over HTTP, field by field as the contract has it.

Fields may be added, never renamed. What is stored lives in `shared/records.py`.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from shared.runs import Phase, RunState


class Model(BaseModel):
    """The base of all models: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def kept(cls, fields: object) -> Self:
        """What was kept, perhaps by newer code, as while functions are deployed one by one: fields unknown here are passed over."""
        return cls.model_validate(fields, extra="ignore")

    @classmethod
    def kept_json(cls, text: str | bytes) -> Self:
        """The same from JSON."""
        return cls.model_validate_json(text, extra="ignore")


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with microseconds and `Z`, so that equal moments are equal strings."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _whole(value: object) -> object:
    """5.0 is an integer to JSON Schema, and to the encoders of some languages."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_controls(value: object) -> object:
    """Control characters mean nothing in a question, and much to a terminal; HDF5 cannot keep a null byte."""
    if isinstance(value, str) and _CONTROLS.search(value):
        raise PydanticCustomError("control_character", "Input should have no control characters but tabs and line ends")
    return value


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
Timestamp = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]
Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=2000),
    BeforeValidator(_without_controls),
]
Score = Annotated[int, Field(ge=1, le=10)]
RunId = Annotated[str, StringConstraints(pattern=r"^run_[0-9a-f]{12}$")]


class ControlStrategy(StrEnum):
    """What a prediction is compared with."""

    SYNTHETIC_CONTROL = "synthetic_control"  # predict twice, perturbed and control, and compare the two
    QUERY_AS_CONTROL = "query_as_control"  # compare the prediction with the query cells as they are


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


class ControlStrategyValidationRequest(Model):
    """A question whose control strategy is to be checked before it is run."""

    query: Query
    control_strategy: ControlStrategy = ControlStrategy.SYNTHETIC_CONTROL


class MatchedTerm(Model):
    """What a piece of the question was taken for.

    `matched_text` is the piece as it was written; `match` tells how it matched (exact, synonym, ontology, fuzzy).
    """

    name: str
    matched_text: str
    match: str
    cell_ontology_id: str | None = None
    kind: str | None = None
    candidates: list[str] = []


class ControlStrategyValidation(Model):
    """Whether a synthetic control can be had for a question, and what the question was taken for."""

    synthetic_control_available: bool
    control_cells_found: int
    control_donors: list[str]
    control_conditions: list[str]
    recommendation: ControlStrategy
    warning: str | None
    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    datasets: list[str]


class RunPreview(Model):
    """What `validate_only` answers: what would run, and whether it would get anywhere. Nothing was kept or submitted."""

    would_run: bool
    reason: str | None
    request: CreateRunRequest
    validation: ControlStrategyValidation


class PerturbationInfo(Model):
    """A perturbation that the catalog knows; counts are None while no dataset with it is ingested."""

    name: str
    type: str
    synonyms: list[str]
    targets: list[str]
    receptors: list[str]
    family: str | None
    datasets: list[str]
    cell_count: int | None
    control_count: int | None


class CellTypeInfo(Model):
    """A cell type that the catalog knows; the count is None while no dataset with it is ingested."""

    name: str
    cell_ontology_id: str | None
    lineage: str | None
    synonyms: list[str]
    datasets: list[str]
    cell_count: int | None


class DatasetInfo(Model):
    """A dataset that the catalog knows, in numbers; what is not known is None or empty."""

    name: str
    title: str
    description: str
    licence: str
    source: str
    ingested: bool
    semi_synthetic: bool
    cells: int | None
    genes: int | None
    donors: list[str]
    control_conditions: list[str]
    perturbations: int
    cell_types: int
