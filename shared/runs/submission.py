"""How a run is created: store it first, then submit its job.

The record names its Batch job before the job exists, and the job id follows from the run id, so every crash between the two steps
leaves something that a retry or the reconciler can finish, and nothing that runs twice.

A run and what its idempotency key stands for are stored in one transaction, which fails if the key has come to stand for another run in
the meantime. A key expires after 24 hours: its next use creates another run. Run ids are random and never used again, so that no run meets
the job of a deleted one.
"""

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from shared import logs
from shared.catalog.interpretation import ReadQuestion
from shared.errors import (
    IdempotencyMismatch,
    PermissionMissing,
    QuestionNotAnswerable,
    RunExists,
    SubmitRejected,
    Unavailable,
)
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import lifecycle, states
from shared.runs.jobs import JobRequest, failure_for
from shared.runs.notifications import NotificationRules
from shared.runs.ports import BatchJobs, RunStore
from shared.runs.records import Compute, Run, Transition
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import Actor, FailureReason, RunState, WaitingReason
from shared.settings import LLM_KEYS

if TYPE_CHECKING:
    from shared.auth.identity import Caller

NOT_SUBMITTED: Final = "The job could not be submitted to Google Cloud Batch."
NOT_PERMITTED: Final = "The service has no permission to use Google Cloud Batch."


class RunLimits(NamedTuple):
    """Limits of runs, and what they may announce.

    Attributes:
        max_active: maximum number of unfinished runs of one owner; 0: no limit.
        retention: how long a run is stored; None: forever.
        notifications: notifications that the operator allows.
    """

    max_active: int = 0
    max_run_seconds: int = 3600
    retention: timedelta | None = None
    notifications: NotificationRules = NotificationRules()


class RunSubmission:
    """Creates runs and submits their jobs."""

    def __init__(self, store: RunStore, jobs: BatchJobs, clock: Clock, limits: RunLimits = RunLimits()) -> None:  # noqa: B008  # immutable
        self._store = store
        self._jobs = jobs
        self._clock = clock
        self._limits = limits

    async def create(
        self, request: CreateRunRequest, question: ReadQuestion, caller: "Caller", idempotency_key: str | None = None
    ) -> Run:
        """Accept a question that can be answered: store its run, then submit its job.

        The same caller, key and request return the same run, however the catalog has changed since. If its job may not have reached
        Batch, it is submitted again; the job id makes that harmless.

        Args:
            question: how the question is read now. With a language model the job reads it again and decides.

        Raises:
            QuestionNotAnswerable: no atlas answers the question, and the request has no language model.
            TooManyRuns: the caller has reached the limit of unfinished runs.
            IdempotencyMismatch: the key was used with another request.
            NotificationRefused: the service does not send a notification that the request asks for.
            Unavailable: the store or Batch does not answer. With a key the run stays pending for the retry; without one it is failed,
                so that a retry cannot run it twice, unless its job has reached Batch and begun: then the run is returned.
        """
        run, adopted = await self._store_or_find(request, question, caller, idempotency_key)
        if adopted and run.status is not RunState.PENDING:
            return run
        try:
            await self.submit(run)
        except (SubmitRejected, PermissionMissing) as error:
            return await self.reject(run, error)
        except Unavailable:
            if idempotency_key is not None:
                raise
            now = await self._fail(run, FailureReason.SUBMIT_FAILED, NOT_SUBMITTED)
            if now.status.done:
                raise
            return now
        return run

    async def submit(self, run: Run) -> None:
        """Submit the job of a run, or adopt the job if it exists.

        Raises:
            SubmitRejected: Batch will never accept it.
            PermissionMissing: this process may not submit jobs.
            Unavailable: Batch does not answer; the job may or may not exist.
        """
        await self._jobs.submit(
            JobRequest(
                job_id=run.compute.job_id,
                environment={
                    "RUN_ID": run.run_id,
                    "ATTEMPT": str(run.compute.attempt),
                    "CONTROL_STRATEGY": run.control_strategy.value,
                    "MAX_ITERATIONS": str(run.max_iterations),
                },
                labels={"app": "haystack", "run": run.run_id, "user": logs.user_hash(run.owner)},
                max_run_seconds=self._limits.max_run_seconds,
                # A job gets only the key of the provider that its run asks for.
                secrets=frozenset({LLM_KEYS[run.llm_provider]} if run.llm_provider else ()),
            )
        )

    async def reject(self, run: Run, error: SubmitRejected | PermissionMissing) -> Run:
        """Fail a run whose job Batch rejected, and alert the operators."""
        if isinstance(error, PermissionMissing):
            logs.log(Severity.ERROR, "Batch denied permission", error=error, run_id=run.run_id)
            return await self._fail(run, FailureReason.CONFIGURATION, NOT_PERMITTED)
        logs.log(Severity.ERROR, "Batch rejected a job", error=error, run_id=run.run_id)
        return await self._fail(run, FailureReason.SUBMIT_FAILED, NOT_SUBMITTED)

    async def _fail(self, run: Run, reason: FailureReason, message: str) -> Run:
        # If the job exists after all, the reconciler releases it; if it has begun, the run goes on.
        return await lifecycle.fail(
            run.run_id,
            failure_for(reason),
            message,
            actor=Actor.SERVICE,
            release=True,
            seen=run,
            store=self._store,
            clock=self._clock,
        )

    async def _store_or_find(
        self, request: CreateRunRequest, question: ReadQuestion, caller: "Caller", key: str | None
    ) -> tuple[Run, bool]:
        """Store a run for the request, or find the run of its key; return the run and whether it existed."""
        # Keys from before owners were subjects have the digest of the e-mail address.
        digests = [] if key is None else [key_digest(owner, key) for owner in caller.owners]
        while True:
            replaces, stored = await self._run_of(digests[0]) if digests else (None, None)
            for former in digests[1:]:
                stored = stored or (await self._run_of(former))[1]
            if stored is not None:
                if stored.request_fingerprint != fingerprint(request):
                    raise IdempotencyMismatch
                return stored, True
            run = self._new_run(request, question, caller, digests[0] if digests else None)
            try:
                await self._store.create(run, max_active=self._limits.max_active, replaces=replaces)
            except RunExists:
                continue  # another request with this key came first, or 48 random bits collided: look again
            return run, False

    async def _run_of(self, digest: str) -> tuple[str | None, Run | None]:
        """Return the id of the last run of a key, and the run itself while the key stands for it."""
        run_id = await self._store.run_of_key(digest)
        run = None if run_id is None else await self._store.get(run_id)
        if run is None or run.idempotency_key != digest or not self._is_recent(run):
            return run_id, None
        return run_id, run

    def _is_recent(self, run: Run) -> bool:
        # The clock of another instance may have been behind when the run was created; the key must not end too early.
        return self._clock() - run.created_at < states.KEY_LIFETIME + states.CLOCK_SKEW

    def _new_run(self, request: CreateRunRequest, question: ReadQuestion, caller: "Caller", digest: str | None) -> Run:
        interpretation = question.interpretation
        if request.llm_provider is None and not interpretation.answerable:
            raise QuestionNotAnswerable(
                interpretation.reasons, interpretation.model_dump(mode="json"), question.suggestions
            )
        now, retention, run_id = self._clock(), self._limits.retention, states.new_run_id()
        compute = Compute(job_id=states.job_id(run_id, 1))
        accepted = Transition(
            at=now, from_status=None, to_status=RunState.PENDING, actor=Actor.USER, reason="the question was accepted"
        )
        return Run(
            run_id=run_id,
            owner=caller.subject,
            owner_email=caller.email,
            query=request.query,
            interpretation=None if request.llm_provider else interpretation,
            control_strategy=request.control_strategy,
            max_iterations=request.max_iterations,
            score_threshold=request.score_threshold,
            llm_provider=request.llm_provider,
            llm_model=request.llm_model,
            random_seed=request.random_seed,
            label=request.label,
            deliveries=self._limits.notifications.deliveries(request.notify, caller.email),
            compute=compute,
            transitions=[accepted],
            idempotency_key=digest,
            request_fingerprint=fingerprint(request),
            created_at=now,
            updated_at=now,
            waiting_for=WaitingReason.QUEUE,
            check_at=states.next_check(RunState.PENDING, compute.state, now),
            expire_at=None if retention is None else now + retention,
        )


def fingerprint(request: CreateRunRequest) -> str:
    """Return the SHA-256 of a request with its defaults: equal for requests that mean the same."""
    # Without a label or a notification, the digest is that from before there were any, so that a deployment forgets no key.
    newer = {name for name in ("label", "notify") if getattr(request, name) is None}
    fields = request.model_dump(mode="json", exclude=newer)
    content = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def key_digest(owner: str, key: str) -> str:
    """Return the SHA-256 of an owner's idempotency key."""
    return hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()
