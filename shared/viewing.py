"""What a run's owner sees of it: its summary, its changes as they come, its result. Nothing here changes a run.

Ports are passed in; nothing here knows who stands behind them.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, TypeVar

from shared import runs
from shared.errors import RunNotCompleted, RunNotFound
from shared.models import RunResult
from shared.ports import Caller, Clock, ResultFiles, RunStore, RunWatch
from shared.presentation import run_result
from shared.records import Run, RunSummary

AnyRun = TypeVar("AnyRun", bound=RunSummary)
URL_LIFETIME: Final = timedelta(hours=1)


async def summary(run_id: str, caller: Caller, *, store: RunStore) -> RunSummary:
    """What the caller is shown of a run.

    Raises:
        RunNotFound: no such run, or another user's: the two look the same.
    """
    return _owned(await store.summary(run_id) if runs.RUN_ID.fullmatch(run_id) else None, run_id, caller)


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
    if not runs.RUN_ID.fullmatch(run_id):
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
    run = _owned(await store.get(run_id) if runs.RUN_ID.fullmatch(run_id) else None, run_id, caller)
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
