"""How a run comes to be: persist first, then submit.

The record names its Batch job before the job exists, and the job's id follows from the run's, so every crash between the two steps
leaves something that a retry or the reconciler can finish, and nothing that runs twice.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from shared import logs
from shared.auth.identity import Caller
from shared.errors import IdempotencyMismatch, RunExists, SubmitRejected, Unavailable
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import lifecycle, states
from shared.runs.jobs import JobRequest, failure
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import Compute, Run, Transition
from shared.runs.schemas import CreateRunRequest, FailureReason
from shared.runs.states import Actor, RunState
from shared.settings import LLM_KEYS


async def create(
    request: CreateRunRequest,
    caller: Caller,
    *,
    idempotency_key: str | None = None,
    max_active_runs: int = 0,
    max_run_seconds: int = 3600,
    retention: timedelta | None = None,
    store: RunStore,
    jobs: BatchJobs,
    clock: Clock,
) -> Run:
    """Accept a question: keep the run, then submit its job.

    The same caller, key and request give the same run; where its job may not have reached Batch, it is submitted again, which
    Batch's own job id makes harmless. A run is kept for `retention` from now on, for ever where that is None.

    Raises:
        TooManyRuns: the caller has `max_active_runs` unfinished runs (0: no limit).
        IdempotencyMismatch: the key came before with another request.
        Unavailable: the store or Batch is away. With a key the run stays pending for the retry; without one it is failed, so that
            a retry cannot run it twice.
    """
    run, adopted = await _keep(
        request,
        caller,
        key=idempotency_key,
        max_active_runs=max_active_runs,
        retention=retention,
        store=store,
        now=clock(),
    )
    if adopted and run.status is not RunState.PENDING:
        return run
    try:
        await submit(run, max_run_seconds=max_run_seconds, jobs=jobs)
    except SubmitRejected as error:
        logs.log(Severity.ERROR, "Batch refused a job", error=error, run_id=run.run_id)
        return await refuse(run, store=store, clock=clock)
    except Unavailable:
        if idempotency_key is None:
            await refuse(run, store=store, clock=clock)
        raise
    return run


async def submit(run: Run, *, max_run_seconds: int, jobs: BatchJobs) -> None:
    """Hand a run's job to Batch; one that is there already is adopted.

    Raises:
        SubmitRejected: Batch will never take it.
        Unavailable: Batch is away; the job may or may not be there.
    """
    await jobs.submit(
        JobRequest(
            job_id=run.compute.job_id,
            environment={
                "RUN_ID": run.run_id,
                "ATTEMPT": str(run.compute.attempt),
                "USER_EMAIL": run.user_email,
                "CONTROL_STRATEGY": run.control_strategy.value,
                "MAX_ITERATIONS": str(run.max_iterations),
            },
            labels={"app": "haystack", "run": run.run_id, "user": logs.user_hash(run.user_email)},
            max_run_seconds=max_run_seconds,
            # A job has no key but that of the provider that its run asks for.
            secrets=frozenset({LLM_KEYS[run.llm_provider]} if run.llm_provider else ()),
        )
    )


async def refuse(run: Run, *, store: RunStore, clock: Clock) -> Run:
    """Fail a run whose job could not be handed over; should the job be there after all, the reconciler releases it."""
    return await lifecycle.fail(
        run.run_id,
        failure(FailureReason.SUBMIT_FAILED),
        "The job could not be handed to Google Cloud Batch.",
        actor=Actor.SERVICE,
        release=True,
        store=store,
        clock=clock,
    )


async def _keep(
    request: CreateRunRequest,
    caller: Caller,
    *,
    key: str | None,
    max_active_runs: int,
    retention: timedelta | None,
    store: RunStore,
    now: datetime,
) -> tuple[Run, bool]:
    """Keep a run for the request, or find the one that its key stands for: the run, and whether it was there."""
    digest = None if key is None else key_digest(caller.email, key)
    wanted = fingerprint(request)
    while True:
        kept, free_id = await _look(digest, store, now)
        if kept is not None:
            if kept.request_fingerprint != wanted:
                raise IdempotencyMismatch
            return kept, True
        run = _new_run(free_id, request, caller, digest=digest, fingerprint=wanted, retention=retention, now=now)
        try:
            await store.create(run, max_active=max_active_runs)
        except RunExists:
            continue  # another request with this key came first, or 48 random bits met a run: look again
        return run, False


async def _look(digest: str | None, store: RunStore, now: datetime) -> tuple[Run | None, str]:
    """The run that a key stands for now, if any, and the id to keep a new one under."""
    if digest is None:
        return None, states.new_run_id()
    for run_id in run_ids(digest):
        kept = await store.get(run_id)
        if kept is None:
            return None, run_id
        if kept.idempotency_key == digest and now - kept.created_at <= LIFETIME:
            return kept, run_id
    raise AssertionError("the ids of a key never end")


def _new_run(
    run_id: str,
    request: CreateRunRequest,
    caller: Caller,
    *,
    digest: str | None,
    fingerprint: str,
    retention: timedelta | None,
    now: datetime,
) -> Run:
    compute = Compute(job_id=states.job_id(run_id, 1))
    accepted = Transition(
        at=now, from_status=None, to_status=RunState.PENDING, actor=Actor.USER, reason="the question was accepted"
    )
    return Run(
        run_id=run_id,
        user_email=caller.email,
        query=request.query,
        control_strategy=request.control_strategy,
        max_iterations=request.max_iterations,
        score_threshold=request.score_threshold,
        llm_provider=request.llm_provider,
        llm_model=request.llm_model,
        random_seed=request.random_seed,
        compute=compute,
        transitions=[accepted],
        idempotency_key=digest,
        request_fingerprint=fingerprint,
        created_at=now,
        updated_at=now,
        check_at=states.next_check(RunState.PENDING, compute.state, now),
        expire_at=None if retention is None else now + retention,
    )


# FOLDED from idempotency.py: """What makes a repeated create the same create. The run id is derived from the user and the key, so create-if-absent in the store is all that idempotency needs: no second record, no lock. A key is forgotten after 24 hours: the next use of it derives the next id. """  # noqa: E501
LIFETIME: Final = timedelta(hours=24)
"""How long a key means the same run."""


def fingerprint(request: CreateRunRequest) -> str:
    """The SHA-256 of a request, defaults filled in: equal for requests that mean the same."""
    content = json.dumps(request.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def key_digest(owner: str, key: str) -> str:
    """The SHA-256 of a user's key, scoped to the user."""
    return hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()


def run_ids(digest: str) -> Iterator[str]:
    """The run ids that a key stands for, one a generation: the first whose run is not older than `LIFETIME` counts."""
    for generation in count():
        yield "run_" + hashlib.sha256(f"{digest}\n{generation}".encode()).hexdigest()[:12]
