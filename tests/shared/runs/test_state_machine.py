"""Users, jobs, Batch and the reconciler in any order on both stores; the invariants hold after each step."""

import asyncio
import tempfile
from collections.abc import Awaitable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from shared.auth.identity import Caller
from shared.errors import HaystackError, QuestionNotAnswerable, RunAlreadyFinished, RunNotFound, Unavailable
from shared.runs import lifecycle, states, views
from shared.runs.jobs import JobState, failure_for
from shared.runs.ports import RunFilter, RunStore
from shared.runs.records import Run, RunSummary
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import TRANSITIONS, FailureReason, Phase, RunState
from shared.runs.submission import RunLimits, RunSubmission
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, EVE, UNANSWERABLE, lease, make_sweeper, outcome, runs_of
from tests.support.fakes import FakeBatch, TestClock

USERS = (ADA, EVE)
QUESTIONS = tuple(CreateRunRequest(query=f"How would NK cells respond to IL-{number}?") for number in (2, 15))
ENDINGS = {
    "preempted": (JobState.FAILED, (50001,)),
    "over its time": (JobState.FAILED, (50005,)),
    "out of memory": (JobState.FAILED, (137,)),
    "ended without a word": (JobState.SUCCEEDED, ()),
    "cancelled by an operator": (JobState.CANCELLED, ()),
}
someone = st.sampled_from(USERS)


class Service(RuleBasedStateMachine):
    """Model: the runs, their owners, and the first final state seen of each."""

    created = Bundle("created")
    store: RunStore
    loop: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.store = self.open_store()
        self.batch, self.clock = FakeBatch(), TestClock()
        self.owners: dict[str, Caller] = {}
        self.ends: dict[str, RunState] = {}
        self.histories: dict[str, int] = {}
        self.completions: dict[str, int] = {}

    def open_store(self) -> RunStore:
        """Return an empty store."""
        raise NotImplementedError

    def do(self, work: Awaitable[Any]) -> Any:  # noqa: ANN401  # whatever the work gives
        """Run a coroutine to its end."""

        async def to_its_end() -> Any:  # noqa: ANN401
            return await work

        return self.loop.run(to_its_end())

    def run_of(self, run_id: str) -> Run:
        """Return a stored run."""
        run: Run | None = self.do(self.store.get(run_id))
        assert run is not None
        return run

    @initialize()
    def begin(self) -> None:
        """Start with an empty store."""
        assert self.do(self.store.count(RunFilter(USERS[0].owners))) == 0

    @rule(
        target=created,
        user=someone,
        question=st.sampled_from(QUESTIONS),
        key=st.none() | st.sampled_from("ab"),
        answerable=st.booleans(),
        away=st.booleans(),
    )
    def create(self, user: Caller, question: CreateRunRequest, key: str | None, answerable: bool, away: bool) -> Any:  # noqa: ANN401  # a run id, or nothing
        """A user submits a question that the catalog may answer; Batch may be unavailable."""
        self.batch.fault = Unavailable("Batch") if away else None
        submission = RunSubmission(self.store, self.batch, self.clock, RunLimits(max_active=4))
        try:
            read = ANSWERABLE if answerable else UNANSWERABLE
            run: Run = self.do(submission.create(question, read, user, key))
        except QuestionNotAnswerable:
            assert not answerable
            return multiple()
        except HaystackError:
            return multiple()
        finally:
            self.batch.fault = None
        assert answerable or key is not None  # only a repeated key is not refused
        assert self.owners.setdefault(run.run_id, user) == user
        return run.run_id

    @rule(run_id=created, user=someone)
    def cancel(self, run_id: str, user: Caller) -> None:
        """Any user cancels a run."""
        before = self.run_of(run_id)
        try:
            run: Run = self.do(lifecycle.cancel(run_id, user, store=self.store, jobs=self.batch, clock=self.clock))
        except RunNotFound:
            assert user != self.owners[run_id]
        except RunAlreadyFinished:
            assert before.status in {RunState.COMPLETED, RunState.FAILED}
        else:
            assert user == self.owners[run_id]
            assert run.status is RunState.CANCELLED

    @rule(run_id=created, user=someone)
    def poll(self, run_id: str, user: Caller) -> None:
        """Any user polls a run."""
        try:
            run: RunSummary = self.do(views.summary(run_id, user, store=self.store))
        except RunNotFound:
            assert user != self.owners[run_id]
        else:
            assert (user, run.run_id) == (self.owners[run_id], run_id)

    @rule(
        run_id=created, attempt=st.integers(1, 2), copy=st.integers(1, 2), steps=st.integers(0, 3), fails=st.booleans()
    )
    def job_works(self, run_id: str, attempt: int, copy: int, steps: int, fails: bool) -> None:
        """A process of any attempt starts, early, late or twice, and does some or all of its work."""
        process = lease(run_id, attempt=attempt, owner=f"{attempt}-{copy}", store=self.store, clock=self.clock)
        job_id = states.job_id(run_id, attempt)
        if job_id not in self.batch.jobs:
            return
        if not process.owns(self.do(process.begin())):
            return
        if not self.batch.jobs[job_id].state.over:
            self.batch.put(job_id, JobState.RUNNING)
        for _ in range(steps):
            self.do(process.progress(phase=Phase.INFERENCE, iteration=1))
        if steps == 3 and fails:
            self.do(process.fail(failure_for(FailureReason.ORCHESTRATOR_ERROR), "It broke."))
        elif steps == 3:
            self.do(process.complete(outcome(run_id)))

    @rule(run_id=created, attempt=st.integers(1, 2), how=st.sampled_from(sorted(ENDINGS)))
    def job_ends(self, run_id: str, attempt: int, how: str) -> None:
        """Batch ends a job."""
        job_id = states.job_id(run_id, attempt)
        if job_id in self.batch.jobs and not self.batch.jobs[job_id].state.over:
            state, exit_codes = ENDINGS[how]
            self.batch.put(job_id, state, exit_codes=exit_codes)

    @rule(run_id=created, attempt=st.integers(1, 2))
    def job_is_lost(self, run_id: str, attempt: int) -> None:
        """Batch forgets a job."""
        self.batch.jobs.pop(states.job_id(run_id, attempt), None)

    @rule(run_id=created, attempt=st.integers(0, 3), times=st.integers(1, 2))
    def notification(self, run_id: str, attempt: int, times: int) -> None:
        """A notification arrives, perhaps late, twice or forged."""
        name = f"projects/p/locations/r/jobs/{states.job_id(run_id, attempt)}"
        for _ in range(times):
            self.do(make_sweeper(self.store, self.batch, self.clock).notified(name))

    @rule(minutes=st.sampled_from([0, 1, 3, 6, 20]), away=st.booleans())
    def sweep(self, minutes: int, away: bool) -> None:
        """Time passes, and the scheduler starts a sweep."""
        self.clock.move(minutes=minutes)
        self.batch.fault = Unavailable("Batch") if away else None
        self.do(make_sweeper(self.store, self.batch, self.clock).sweep())
        self.batch.fault = None

    @rule(run_id=consumes(created))
    def forgotten(self, run_id: str) -> None:
        """No rule uses this run again; the invariants still hold for it."""
        assert run_id in self.owners

    @invariant()
    def the_law_holds(self) -> None:
        """The first final state wins, transitions follow the table, histories only grow, and a run has at most one live job."""
        for user in USERS:
            for run in self.do(runs_of(self.store, user)):
                assert run.belongs_to(user)
                if run.status.done:
                    assert self.ends.setdefault(run.run_id, run.status) is run.status
                else:
                    assert run.run_id not in self.ends
                moves = [(entry.from_status, entry.to_status) for entry in run.transitions]
                assert moves[0] == (None, RunState.PENDING)
                for (_, before), (old, new) in pairwise(moves):
                    assert old is before
                    assert new is old or new in TRANSITIONS[old]
                assert len(moves) >= self.histories.get(run.run_id, 0)
                self.histories[run.run_id] = len(moves)
                jobs = [states.job_id(run.run_id, attempt) for attempt in (1, 2, 3)]
                live = [
                    job_id for job_id in jobs if job_id in self.batch.jobs and not self.batch.jobs[job_id].state.over
                ]
                assert len(live) <= 1
                assert jobs[2] not in self.batch.jobs

    def teardown(self) -> None:
        """Without further faults, every run ends and holds no compute."""
        for _ in range(12):
            self.clock.move(minutes=16)
            self.do(make_sweeper(self.store, self.batch, self.clock).sweep())
            for job_id, report in list(self.batch.jobs.items()):
                if not report.state.over:
                    self.batch.put(job_id, JobState.FAILED, exit_codes=(50005,))
        for user in USERS:
            for run in self.do(runs_of(self.store, user)):
                assert run.status.done
                assert run.check_at is None


def test_the_law_holds_on_sqlite_whatever_comes_in_whatever_order() -> None:
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        databases: list[SqliteDatabase] = []

        class OnSqlite(Service):
            loop = runner

            def open_store(self) -> RunStore:
                databases.append(SqliteDatabase(Path(folder) / f"{uuid4().hex}.db"))
                return SqliteRunStore(databases[-1])

            def teardown(self) -> None:
                super().teardown()
                self.do(databases[-1].close())

        run_state_machine_as_test(OnSqlite, settings=play(examples=40, steps=40))


def test_the_law_holds_on_firestore_whatever_comes_in_whatever_order(firestore_host: str) -> None:
    with asyncio.Runner() as runner:

        class OnFirestore(Service):
            loop = runner

            def open_store(self) -> RunStore:
                self.database = FirestoreDatabase(f"test-{uuid4().hex[:12]}", "(default)", firestore_host)
                return FirestoreRunStore(self.database)

            def teardown(self) -> None:
                super().teardown()
                self.do(self.database.close())

        run_state_machine_as_test(OnFirestore, settings=play(examples=5, steps=20))


def play(*, examples: int, steps: int) -> settings:
    """Return fixed settings, so that a failure is reproducible."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
