"""What a run's owner sees of it: its summary, its changes as they come, its result. Nothing here changes a run.

Ports are passed in; nothing here knows who stands behind them.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from shared.auth.identity import Caller
from shared.errors import InvalidPageToken, RunNotCompleted, RunNotFound
from shared.fields import Clock, rfc3339
from shared.runs import states
from shared.runs.ports import Cursor, ResultFiles, RunFilter, RunStore, RunWatch
from shared.runs.records import Run, RunOutcome, RunSummary
from shared.runs.schemas import ListQuery, ResultFile, RunList, RunResult, RunStatus

AnyRun = TypeVar("AnyRun", bound=RunSummary)
URL_LIFETIME: Final = timedelta(hours=1)


async def summary(run_id: str, caller: Caller, *, store: RunStore) -> RunSummary:
    """What the caller is shown of a run.

    Raises:
        RunNotFound: no such run, or another user's: the two look the same.
    """
    return _owned(await store.summary(run_id) if states.RUN_ID.fullmatch(run_id) else None, run_id, caller)


async def await_change(
    run_id: str,
    caller: Caller,
    *,
    seconds: float,
    known: Callable[[Run], bool] | None = None,
    store: RunStore,
    watch: RunWatch,
) -> RunSummary:
    """The caller's run as soon as it differs from what the caller knows, or as it is when the time is over.

    A run that is done is given at once, since nothing will change.

    Args:
        run_id: which run.
        caller: who asks.
        seconds: how long to wait.
        known: whether a run looks as the caller knows it; None: the caller knows it as it is now.
        store: where runs are kept; asked only where the watch tells nothing in that time.
        watch: what tells of changes.

    Raises:
        RunNotFound: no such run, or another user's.
    """
    if not states.RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    latest: Run | None = None
    answered = False
    known_since: datetime | None = None
    try:
        async with asyncio.timeout(seconds), aclosing(watch.watch(run_id)) as told:
            async for latest in told:
                answered = True
                if latest is None or latest.user_email != caller.email:
                    break
                known_since = known_since or latest.updated_at
                news = latest.updated_at != known_since if known is None else not known(latest)
                if news or latest.status.done:
                    break
    except TimeoutError:
        pass  # nothing changed in time; what was told last is the answer
    if not answered:  # a short wait, a slow store: whether there is such a run is not known yet
        return await summary(run_id, caller, store=store)
    return _owned(latest, run_id, caller)


async def result(run_id: str, caller: Caller, *, store: RunStore, files: ResultFiles, clock: Clock) -> RunResult:
    """A completed run's result, its files signed for an hour.

    Raises:
        RunNotFound: no such run of this caller.
        RunNotCompleted: it has no result, yet or ever.
    """
    run = _owned(await store.get(run_id) if states.RUN_ID.fullmatch(run_id) else None, run_id, caller)
    if run.outcome is None:
        advice = "Submit the question again." if run.status.done else f"Poll /api/v1/runs/{run_id} until it is done."
        raise RunNotCompleted(run_id, run.status.value, advice)
    expires_at = clock() + URL_LIFETIME
    return run_result(run, run.outcome, await files.sign(run.outcome.files, expires_at), expires_at)


def _owned(run: AnyRun | None, run_id: str, caller: Caller) -> AnyRun:
    """The run, if there is one and it is the caller's: no run and another user's look the same."""
    if run is None or run.user_email != caller.email:
        raise RunNotFound(run_id)
    return run


# FOLDED from presentation.py: """How a stored run looks to its owner."""
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


# FOLDED from listing.py: """A caller's runs, page by page: by token, which costs the same wherever the page lies, or by number, which bills what it skips."""  # noqa: E501
_MAC_BYTES: Final = 16


class Place(NamedTuple):
    """Where a page begins: behind a run, which is the last of page `page - 1`, with `seen` runs before it."""

    cursor: Cursor
    page: int
    seen: int


async def list_runs(query: ListQuery, caller: Caller, *, token_key: str = "", store: RunStore) -> RunList:
    """One page of the caller's runs, newest first, and how many there are in all.

    Args:
        query: which page, of which runs.
        caller: whose runs.
        token_key: a secret that page tokens are signed with.
        store: where runs are kept; it is asked for the page and for the count side by side.

    Raises:
        InvalidPageToken: the token is not one of this caller and this filter.
    """
    wanted = RunFilter(caller.email, tuple(sorted(set(query.status))), query.created_after, query.created_before)
    place = None if query.page_token is None else _open(query.page_token, wanted, token_key)
    number = place.page if place else query.page
    seen = place.seen if place else (number - 1) * query.page_size
    after, offset = (place.cursor, 0) if place else (None, seen)
    found, total = await asyncio.gather(
        store.page(wanted, limit=query.page_size, after=after, offset=offset), store.count(wanted)
    )
    seen += len(found)
    token = None
    if len(found) == query.page_size and seen < total:
        behind = Place(Cursor(found[-1].created_at, found[-1].run_id), number + 1, seen)
        token = _seal(behind, wanted, token_key)
    return RunList(
        runs=[run_status(run) for run in found],
        total=total,
        page=number,
        page_size=query.page_size,
        next_page_token=token,
    )


def _seal(place: Place, wanted: RunFilter, key: str) -> str:
    cursor = place.cursor
    content = json.dumps([rfc3339(cursor.created_at), cursor.run_id, place.page, place.seen]).encode()
    return base64.urlsafe_b64encode(_mac(content, wanted, key) + content).decode().rstrip("=")


def _open(token: str, wanted: RunFilter, key: str) -> Place:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
    mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(content, wanted, key)):
        raise InvalidPageToken
    created_at, run_id, page, seen = json.loads(content)
    return Place(Cursor(datetime.fromisoformat(created_at), run_id), page, seen)


def _mac(content: bytes, wanted: RunFilter, key: str) -> bytes:
    """Binds a place to the owner and the filter: a token of another list is none of this one."""
    times = [rfc3339(moment) if moment else None for moment in (wanted.created_after, wanted.created_before)]
    bound = json.dumps([wanted.owner, wanted.statuses, *times]).encode() + b"\n" + content
    return hmac.new(key.encode(), bound, hashlib.sha256).digest()[:_MAC_BYTES]
