"""What the owner of a run sees: its status, its changes, its result, and lists of runs. Nothing here changes a run.

Stored records are mapped to the wire models here, field by field; the interpretation is one value object, stored and sent alike. Lists
are paged by token, which costs the same for every page, or by number, which bills what it skips.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from shared.errors import InvalidPageToken, RunNotCompleted, RunNotFound
from shared.fields import Clock, rfc3339
from shared.runs import schemas, states, waiting
from shared.runs.ports import Cursor, ResultFiles, RunDatabase, RunFilter, RunStore
from shared.runs.records import Failure, GeneAnswer, GeneChange, Iteration, PathwayChange, Run, RunOutcome, RunSummary
from shared.runs.schemas import ListQuery, Notification, ResultFile, RunList, RunResult, RunStatus
from shared.runs.states import RunState, WaitingReason

if TYPE_CHECKING:
    from shared.auth.identity import Caller

AnyRun = TypeVar("AnyRun", bound=RunSummary)
URL_LIFETIME: Final = timedelta(hours=1)
_MAC_BYTES: Final = 16


class Place(NamedTuple):
    """Start of a page: after `cursor`, the last run of page `page - 1`."""

    cursor: Cursor
    page: int


async def summary(run_id: str, caller: "Caller", *, store: RunStore) -> RunSummary:
    """Return the summary of the caller's run.

    Raises:
        RunNotFound: no such run, or another user's: the two look the same.
    """
    return _owned(await store.summary(run_id) if states.RUN_ID.fullmatch(run_id) else None, run_id, caller)


async def await_change(
    run_id: str,
    caller: "Caller",
    *,
    seconds: float,
    is_known: Callable[[RunSummary], bool] | None = None,
    store: RunDatabase,
) -> RunSummary:
    """Return the caller's run as soon as it differs from what the caller knows, or when the time is over.

    A finished run is returned at once, since nothing will change.

    Args:
        seconds: maximum time to wait.
        is_known: whether the caller knows this version of the run; None: the caller knows the present version.
        store: watched, and read only if the watch yields nothing in time.

    Raises:
        RunNotFound: no such run, or another user's.
    """
    if not states.RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    latest: Run | None = None
    answered = False
    first_update: datetime | None = None
    try:
        async with asyncio.timeout(seconds), aclosing(store.watch(run_id)) as changes:
            async for latest in changes:
                answered = True
                if latest is None or not latest.belongs_to(caller):
                    break
                first_update = first_update or latest.updated_at
                changed = latest.updated_at != first_update if is_known is None else not is_known(latest)
                if changed or latest.status.done:
                    break
    except TimeoutError:
        pass  # nothing changed in time: the latest version is the answer
    if not answered:  # a short wait or a slow store: whether the run exists is not known yet
        return await summary(run_id, caller, store=store)
    return _owned(latest, run_id, caller)


async def result(run_id: str, caller: "Caller", *, store: RunStore, files: ResultFiles, clock: Clock) -> RunResult:
    """Return the result of a completed run, with URLs that are valid for an hour.

    Raises:
        RunNotFound: no such run, or another user's.
        RunNotCompleted: the run has no result.
    """
    run = _owned(await store.get(run_id) if states.RUN_ID.fullmatch(run_id) else None, run_id, caller)
    if run.outcome is None:
        if not run.status.done:
            advice = f"Poll /api/v1/runs/{run_id} until it is done."
        else:
            advice = run.failure.advice if run.failure else "Submit the question again."
        raise RunNotCompleted(run_id, run.status.value, advice)
    expires_at = clock() + URL_LIFETIME
    return run_result(run, run.outcome, await files.sign(run.outcome.files, expires_at), expires_at)


async def list_runs(query: ListQuery, caller: "Caller", *, token_key: str, store: RunStore) -> RunList:
    """Return one page of the caller's runs, newest first, and their total number.

    Args:
        token_key: secret that signs page tokens.
        store: reads the page and the count concurrently. It reads one run more than the page has: whether there is a next page does
            not follow from the count, which changes while somebody creates and deletes runs.

    Raises:
        InvalidPageToken: the token does not belong to this caller and these filters.
    """
    statuses = tuple(sorted(set(query.status)))
    wanted = RunFilter(caller.owners, statuses, query.created_after, query.created_before, query.label)
    place = None if query.page_token is None else _open(query.page_token, wanted, token_key)
    number = place.page if place else query.page
    after, offset = (place.cursor, 0) if place else (None, (number - 1) * query.page_size)
    found, total = await asyncio.gather(
        store.page(wanted, limit=query.page_size + 1, after=after, offset=offset), store.count(wanted)
    )
    token = None
    if len(found) > query.page_size:
        found = found[: query.page_size]
        token = _seal(Place(Cursor(found[-1].created_at, found[-1].run_id), number + 1), wanted, token_key)
    return RunList(
        runs=[run_status(run) for run in found],
        total=total,
        page=number,
        page_size=query.page_size,
        next_page_token=token,
    )


def run_status(run: RunSummary) -> RunStatus:
    """Map a stored run to its status on the wire."""
    return RunStatus(
        kind="run",
        run_id=run.run_id,
        status=run.status,
        done=run.status.done,
        query=run.query,
        interpretation=run.interpretation,
        current_iteration=run.current_iteration,
        max_iterations=run.max_iterations,
        score_threshold=run.score_threshold,
        llm_provider=run.llm_provider,
        llm_model=run.llm_model,
        random_seed=run.random_seed,
        label=run.label,
        current_phase=run.current_phase,
        phase_progress=run.phase_progress if run.status is RunState.RUNNING else None,
        grounding_scores=[iteration.score for iteration in run.iterations],
        control_strategy=run.control_strategy,
        control_strategy_effective=run.control_strategy_effective,
        error_message=run.error_message,
        failure=None if run.failure is None else _failure(run.failure),
        confidence=run.confidence,
        waiting_for=None if run.waiting_for is None else _waiting_for(run.waiting_for),
        notifications=[
            Notification(
                channel=each.channel, webhook=each.url, state=each.state, attempts=each.attempts, error=each.error
            )
            for each in run.deliveries
        ],
        attempt=run.compute.attempt,
        user_email=run.user_email,
        created_at=run.created_at,
        updated_at=run.updated_at,
    )


def run_result(run: Run, outcome: RunOutcome, urls: Sequence[str], expires_at: datetime) -> RunResult:
    """Map a completed run to its result on the wire.

    Args:
        urls: signed URL of each of `outcome.files`, in order.
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
    reached = outcome.grounding_score is not None and outcome.grounding_score >= run.score_threshold
    by_suffix = {file.name.rpartition(".")[2]: file.url for file in files}
    return RunResult(
        run_id=run.run_id,
        interpretation=run.interpretation,
        answer=outcome.answer,
        success=reached if outcome.success is None else outcome.success,
        grounding_score=outcome.grounding_score,
        grounding_p_value=outcome.grounding_p_value,
        evidence=outcome.evidence,
        termination_reason=outcome.termination_reason,
        control_strategy_effective=outcome.control_strategy_effective,
        iterations=[_iteration(each) for each in run.iterations],
        num_de_genes=outcome.num_de_genes,
        top_upregulated=[_gene(each) for each in outcome.top_upregulated],
        top_downregulated=[_gene(each) for each in outcome.top_downregulated],
        enriched_pathways=[_pathway(each) for each in outcome.enriched_pathways],
        gene_answers=[_gene_answer(each) for each in outcome.gene_answers],
        notes=outcome.notes,
        anndata_url=by_suffix["h5ad"],
        report_url=by_suffix["html"],
        log_url=by_suffix["json"],
        files=files,
    )


def _failure(stored: Failure) -> schemas.Failure:
    return schemas.Failure(reason=stored.reason, retryable=stored.retryable, advice=stored.advice)


def _waiting_for(reason: WaitingReason) -> schemas.WaitingFor:
    return schemas.WaitingFor(reason=reason, text=waiting.sentence(reason))


def _iteration(stored: Iteration) -> schemas.IterationSummary:
    components = [schemas.ScorePart(name=part.name, score=part.score, reason=part.reason) for part in stored.components]
    return schemas.IterationSummary(
        number=stored.number,
        strategy=stored.strategy,
        score=stored.score,
        components=components,
        duration_seconds=stored.duration_seconds,
    )


def _gene(stored: GeneChange) -> schemas.GeneChange:
    return schemas.GeneChange(
        gene=stored.gene, log2_fold_change=stored.log2_fold_change, adjusted_p_value=stored.adjusted_p_value
    )


def _gene_answer(stored: GeneAnswer) -> schemas.GeneAnswer:
    return schemas.GeneAnswer(
        gene=stored.gene,
        direction=stored.direction,
        answer=stored.answer,
        log2_fold_change=stored.log2_fold_change,
        adjusted_p_value=stored.adjusted_p_value,
        text=stored.text,
    )


def _pathway(stored: PathwayChange) -> schemas.PathwayChange:
    return schemas.PathwayChange(name=stored.name, score=stored.score, adjusted_p_value=stored.adjusted_p_value)


def _owned(run: AnyRun | None, run_id: str, caller: "Caller") -> AnyRun:
    """Return the run if it exists and belongs to the caller; a missing run and another user's look the same."""
    if run is None or not run.belongs_to(caller):
        raise RunNotFound(run_id)
    return run


def _seal(place: Place, wanted: RunFilter, key: str) -> str:
    cursor = place.cursor
    content = json.dumps([rfc3339(cursor.created_at), cursor.run_id, place.page]).encode()
    return base64.urlsafe_b64encode(_mac(content, wanted, key) + content).decode().rstrip("=")


def _open(token: str, wanted: RunFilter, key: str) -> Place:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidPageToken from None
    mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(content, wanted, key)):
        raise InvalidPageToken
    created_at, run_id, page, *_ = json.loads(content)  # an earlier release appended a number
    return Place(Cursor(datetime.fromisoformat(created_at), run_id), page)


def _mac(content: bytes, wanted: RunFilter, key: str) -> bytes:
    # Page tokens are valid only for the owner, whatever the e-mail address is now, and the filters of the list that issued them.
    times = [rfc3339(moment) if moment else None for moment in (wanted.created_after, wanted.created_before)]
    labels = [] if wanted.label is None else [wanted.label]
    bound = json.dumps([wanted.owners[0], wanted.statuses, *times, *labels]).encode() + b"\n" + content
    return hmac.new(key.encode(), bound, hashlib.sha256).digest()[:_MAC_BYTES]
