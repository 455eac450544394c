"""Wire models of runs: the JSON of requests and responses, and the query parameters.

Fields may be added, never renamed. `shared/runs/views.py` maps stored records to these models.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.catalog.interpretation import Direction, Interpretation
from shared.catalog.schemas import ControlStrategyValidation
from shared.fields import Answer, ControlStrategy, Label, LlmProvider, Model, Query, RunId, Score, Timestamp
from shared.runs.deliveries import Channel, DeliveryState
from shared.runs.evidence import Confidence, RunEvidence
from shared.runs.states import FailureReason, Phase, RunState, WaitingReason
from shared.runs.webhooks import WebhookAddress

RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc3339_text(value: object) -> object:
    # Pydantic alone reads `0.5` as half a second after the start of 1970.
    if isinstance(value, str) and not RFC3339.fullmatch(value):
        raise PydanticCustomError("rfc3339", "Input should be a time as in RFC 3339, such as 2026-03-01T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    # The first hours of the year 1 and the last hours of the year 9999 may have no UTC equivalent.
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("rfc3339", "Input should be a time between the years 1 and 9999 in UTC") from None


Moment = Annotated[Timestamp, AfterValidator(_in_utc), BeforeValidator(_rfc3339_text)]


def _whole(value: object) -> object:
    # JSON Schema and the encoders of some languages treat 5.0 as an integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Failure(Model):
    """Reason of a failed run, and what to do next."""

    reason: FailureReason = Field(description="Stable name of the reason.")
    retryable: bool = Field(description="Whether the same question may succeed on another attempt.")
    advice: str = Field(description="What to do next.")


class WaitingFor(Model):
    """What a run waits for until its job begins."""

    reason: WaitingReason = Field(
        description="`queue`: its turn; `quota`: free quota of the service; `machines`: a free machine in the region; "
        "`machine`: the start of its machine; `image`: the container image."
    )
    text: str = Field(description="The reason as a sentence.")


class Notify(Model):
    """Notifications of the end of the run, where the operator has set them up."""

    webhook: WebhookAddress | None = Field(
        None,
        description="Address that receives a POST request, signed as https://www.standardwebhooks.com describes; the operator must allow "
        "its host.",
    )
    email: Annotated[bool, Field(strict=True)] = Field(False, description="Send an e-mail to your own address.")


class CreateRunRequest(Model):
    """A question and the options of its run."""

    query: Query = Field(
        description="Question in plain language: 5 to 2000 characters after trimming; "
        "the only control characters allowed are tabs and line breaks; invisible format characters are removed."
    )
    control_strategy: ControlStrategy = Field(
        ControlStrategy.SYNTHETIC_CONTROL, description="What the prediction is compared with."
    )
    max_iterations: Annotated[int, Field(ge=1, le=10, strict=True), BeforeValidator(_whole)] = Field(
        5, description="Maximum number of iterations."
    )
    score_threshold: Annotated[int, Field(ge=1, le=10, strict=True), BeforeValidator(_whole)] = Field(
        7, description="Stop when the grounding score reaches this value."
    )
    llm_provider: LlmProvider | None = Field(
        None, description="Language model provider that may interpret the question; null uses the catalog alone."
    )
    llm_model: (
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] | None
    ) = Field(None, description="Model of the provider; null uses the default model of the provider.")
    random_seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True), BeforeValidator(_whole)] | None = Field(
        None, description="Random seed, for reproducible results."
    )
    label: Label | None = Field(
        None, description="Name of your own for a group of runs, up to 100 characters; lists can be filtered by it."
    )
    notify: Notify | None = Field(None, description="Notifications of the end of the run; null for none.")
    validate_only: Annotated[bool, Field(strict=True)] = Field(
        False, description="Validate the request and return a RunPreview, without storing or submitting anything."
    )


class Notification(Model):
    """A notification that the run ended."""

    channel: Channel = Field(description="`webhook` or `email`.")
    webhook: str | None = Field(description="Address of the webhook; null for e-mail, which goes to the owner.")
    state: DeliveryState = Field(
        description="`waiting` for the end of the run or the next attempt, `delivered`, or `given_up` after a day, or sooner if "
        "another attempt cannot succeed."
    )
    attempts: int = Field(description="Number of attempts so far.")
    error: str | None = Field(description="Why the last attempt failed; null otherwise.")


class RunStatus(Model):
    """State and progress of a run."""

    kind: Literal["run"] = Field(description="Always `run`; a preview has `preview`.")
    run_id: RunId = Field(description="Id of the run.")
    status: RunState = Field(description="State of the run.")
    done: bool = Field(description="Whether the state is final; poll until it is true.")
    query: str = Field(description="Question, trimmed.")
    interpretation: Interpretation | None = Field(
        description="How the question was read, and what is not taken into account; null while a run with `llm_provider` has not "
        "read it yet."
    )
    current_iteration: int = Field(
        description="Number of the current iteration, starting at 1; 0 before the first iteration."
    )
    max_iterations: int = Field(description="Maximum number of iterations.")
    score_threshold: int = Field(description="Grounding score at which the run stops.")
    llm_provider: LlmProvider | None = Field(
        description="Language model provider that interprets the question, if any."
    )
    llm_model: str | None = Field(description="Model of the provider; null for its default.")
    random_seed: int | None = Field(description="Requested random seed; null if none was requested.")
    label: str | None = Field(description="Label of the run, if any.")
    current_phase: Phase | None = Field(description="Phase of the current iteration; null unless the run is running.")
    phase_progress: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="Share of the current phase that is done, from 0 to 1; null unless the run is running and the phase reports it. "
        "Short phases end before they report it."
    )
    grounding_scores: list[Score | None] = Field(
        description="Grounding score of each finished iteration, in order; null if nothing could be judged."
    )
    control_strategy: ControlStrategy = Field(description="Requested control strategy.")
    control_strategy_effective: ControlStrategy | None = Field(
        description="Control strategy that the run uses; null until it is decided."
    )
    error_message: str | None = Field(description="Error message of a failed run; null for other runs.")
    failure: Failure | None = Field(description="Machine-readable reason of a failed run; null for other runs.")
    confidence: Confidence | None = Field(
        description="Confidence in the answer of a completed run; null for other runs, and for runs older than this field."
    )
    waiting_for: WaitingFor | None = Field(
        description="What the run waits for until its job begins; null once it has begun or the run ended, and for runs older than this "
        "field."
    )
    notifications: list[Notification] = Field(description="Requested notifications of the end of the run.")
    attempt: int = Field(
        description="Number of the current attempt, starting at 1; a lost job may get a second attempt."
    )
    user_email: str = Field(description="E-mail address of the owner when the run was created.")
    created_at: Timestamp = Field(description="Time of creation.")
    updated_at: Timestamp = Field(description="Time of the last change.")


class RunList(Model):
    """One page of the caller's runs, newest first."""

    runs: list[RunStatus] = Field(description="Runs on this page.")
    total: int = Field(description="Number of runs on all pages.")
    page: int = Field(description="Page number, starting at 1.")
    page_size: int = Field(description="Maximum number of runs per page.")
    next_page_token: str | None = Field(
        description="Value of `page_token` for the next page, with the same filters; null on the last page."
    )


class CancelAnswer(Model):
    """Confirmation that a run is cancelled."""

    status: RunState = Field(description="Always `cancelled`.")
    run_id: RunId = Field(description="Id of the run.")


class DeleteAnswer(Model):
    """Confirmation that a run and its files are deleted."""

    deleted: bool = Field(description="Always true.")
    run_id: RunId = Field(description="Id of the deleted run.")


class ScorePart(Model):
    """One component of a grounding score."""

    name: str = Field(description="Name of the component.")
    score: Score | None = Field(description="Score of the component; null if it could not be computed.")
    reason: str = Field(description="Reason for the score, or for its absence.")


class IterationSummary(Model):
    """Prompt strategy and grounding score of one iteration."""

    number: int = Field(description="Number of the iteration, starting at 1.")
    strategy: str = Field(description="Strategy that selected the prompt cells.")
    score: Score | None = Field(description="Grounding score; null if nothing could be judged.")
    components: list[ScorePart] = Field(description="Components of the grounding score.")
    duration_seconds: float = Field(description="Duration in seconds.")


class GeneChange(Model):
    """Predicted change of one gene."""

    gene: str = Field(description="Gene symbol.")
    log2_fold_change: float = Field(description="Log2 fold change of predicted perturbed cells over control cells.")
    adjusted_p_value: float = Field(description="P value, adjusted by the Benjamini-Hochberg procedure.")


class GeneAnswer(Model):
    """Answer for one gene that the question asks about."""

    gene: str = Field(description="Gene symbol.")
    direction: Direction = Field(description="Change that the question asks about: `up`, `down` or `any`.")
    answer: Answer = Field(description="`yes`, `no` or `not_enough_evidence`.")
    log2_fold_change: float | None = Field(
        description="Log2 fold change of predicted perturbed cells over control cells; null if the gene was not measured."
    )
    adjusted_p_value: float | None = Field(
        description="P value, adjusted by the Benjamini-Hochberg procedure; null if the gene was not tested."
    )
    text: str = Field(description="Answer in a sentence.")


class PathwayChange(Model):
    """Predicted change of one gene set."""

    name: str = Field(description="Name of the gene set.")
    score: float = Field(description="Enrichment statistic; positive if the gene set is upregulated.")
    adjusted_p_value: float = Field(description="P value, adjusted by the Benjamini-Hochberg procedure.")


class ResultFile(Model):
    """A result file and its signed download URL."""

    name: str = Field(description="File name.")
    media_type: str = Field(description="Media type.")
    size: int = Field(description="Size in bytes.")
    crc32c: str = Field(description="CRC32C checksum in the encoding of Cloud Storage: base64 of the big-endian bytes.")
    expires_at: Timestamp = Field(description="Expiration time of `url`; request the result again for a new URL.")
    url: str = Field(description="Signed URL; anyone who has it can read the file.")


class RunResult(Model):
    """Result of a completed run."""

    run_id: RunId = Field(description="Id of the run.")
    interpretation: Interpretation | None = Field(
        description="How the question was read, and what is not taken into account; null for runs older than this field."
    )
    answer: str = Field(
        description="Answer in sentences, as in the headline of the report; empty for runs older than this field."
    )
    success: bool = Field(description="Whether the delivered iteration reached the score threshold with p below 0.05.")
    grounding_score: Score | None = Field(
        description="Grounding score of the delivered iteration; null if nothing could be judged, as with too few prompt cells."
    )
    grounding_p_value: float | None = Field(
        description="Share of permutations of the treatment labels in which the expected program rises at least as much; null if it "
        "cannot be judged."
    )
    evidence: RunEvidence | None = Field(
        description="How far the result can be trusted; null for runs older than this field."
    )
    termination_reason: str = Field(description="Reason why the search stopped.")
    control_strategy_effective: ControlStrategy = Field(description="Control strategy that the run used.")
    iterations: list[IterationSummary] = Field(description="Summary of each iteration.")
    num_de_genes: int = Field(description="Number of differentially expressed genes.")
    top_upregulated: list[GeneChange] = Field(
        description="Genes with the largest increase, ordered by the change of log1p(CP10k)."
    )
    top_downregulated: list[GeneChange] = Field(
        description="Genes with the largest decrease, ordered by the change of log1p(CP10k)."
    )
    enriched_pathways: list[PathwayChange] = Field(description="Gene sets with the largest change.")
    gene_answers: list[GeneAnswer] = Field(
        description="Answer for each gene that the question asks about; empty if it names none."
    )
    notes: list[str] = Field(description="Limitations to consider when interpreting the result.")
    anndata_url: str = Field(description="Signed URL of the predicted cells (AnnData, .h5ad).")
    report_url: str = Field(description="Signed URL of the report (HTML, works offline).")
    log_url: str = Field(description="Signed URL of the log (JSON).")
    files: list[ResultFile] = Field(
        description="All files, tables included, with size and checksum to verify a download."
    )


class ListQuery(Model):
    """Page and filters of a list of runs; `page_token` overrides `page`."""

    page: Annotated[
        int, Field(ge=1, le=10_000, description="Page number, starting at 1; skipped runs are billed reads.")
    ] = 1
    page_size: Annotated[int, Field(ge=1, le=100, description="Maximum number of runs per page.")] = 20
    status: Annotated[list[RunState], Field(description="Only runs in this state; repeat for several.")] = []
    label: Annotated[Label | None, Field(description="Only runs with this label.")] = None
    created_after: Annotated[Moment | None, Field(description="Only runs created at or after this time.")] = None
    created_before: Annotated[Moment | None, Field(description="Only runs created before this time.")] = None
    page_token: Annotated[
        str | None,
        Field(max_length=500, description="`next_page_token` of the previous page; every page costs the same."),
    ] = None


class StatusQuery(Model):
    """Options for reading the status of a run."""

    wait: Annotated[int, Field(ge=0, le=30, description="Maximum number of seconds to wait for a change.")] = 0


class RunPreview(Model):
    """Response to `validate_only`: the request as it would run, and whether it could be answered."""

    kind: Literal["preview"] = Field(description="Always `preview`; a run has `run`.")
    would_run: bool = Field(description="Whether the question can be answered.")
    reason: str | None = Field(description="Reason why the question cannot be answered; null if it can.")
    request: CreateRunRequest = Field(description="Request with all defaults filled in.")
    validation: ControlStrategyValidation = Field(description="Validation of the question.")
