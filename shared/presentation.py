"""How a stored run looks to its owner."""

from collections.abc import Sequence
from datetime import datetime

from shared.models import ResultFile, RunResult, RunStatus
from shared.records import Run, RunOutcome, RunSummary


def run_status(run: RunSummary) -> RunStatus:
    """A run as its owner sees it."""
    return RunStatus(
        run_id=run.run_id,
        status=run.status,
        done=run.status.done,
        query=run.query,
        current_iteration=run.current_iteration,
        max_iterations=run.max_iterations,
        current_phase=run.current_phase,
        grounding_scores=[iteration.score for iteration in run.iterations],
        control_strategy=run.control_strategy,
        control_strategy_effective=run.control_strategy_effective,
        error_message=run.error_message,
        failure=run.failure,
        attempt=run.compute.attempt,
        user_email=run.user_email,
        created_at=run.created_at,
        updated_at=run.updated_at,
    )


def run_result(run: Run, outcome: RunOutcome, urls: Sequence[str], expires_at: datetime) -> RunResult:
    """A completed run's result.

    Args:
        run: the run.
        outcome: what it found.
        urls: a signed URL for each of `outcome.files`, in order.
        expires_at: until when the URLs hold.
    """
    files = [
        ResultFile(
            name=file.name,
            media_type=file.media_type,
            size=file.size,
            crc32c=file.crc32c,
            expires_at=expires_at,
            url=url,
        )
        for file, url in zip(outcome.files, urls, strict=True)
    ]
    by_suffix = {file.name.rpartition(".")[2]: file.url for file in files}
    return RunResult(
        run_id=run.run_id,
        success=outcome.grounding_score >= run.score_threshold,
        grounding_score=outcome.grounding_score,
        termination_reason=outcome.termination_reason,
        control_strategy_effective=outcome.control_strategy_effective,
        iterations=[*run.iterations],
        num_de_genes=outcome.num_de_genes,
        top_upregulated=outcome.top_upregulated,
        top_downregulated=outcome.top_downregulated,
        enriched_pathways=outcome.enriched_pathways,
        notes=outcome.notes,
        anndata_url=by_suffix["h5ad"],
        report_url=by_suffix["html"],
        log_url=by_suffix["json"],
        files=files,
    )
