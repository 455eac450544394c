"""The life of a run between its submission and its end."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from shared.catalog.interpretation import Interpretation
from shared.errors import RunAlreadyFinished, RunChanged, RunNotFinished, RunNotFound, Unavailable
from shared.fields import ControlStrategy
from shared.runs import lifecycle, states
from shared.runs.evidence import Confidence
from shared.runs.jobs import failure_for
from shared.runs.lifecycle import PhaseShare
from shared.runs.records import Iteration, Run, StoredFile
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import Actor, ComputeState, FailureReason, Phase, RunState
from shared.runs.submission import RunSubmission
from shared.runs.views import run_status
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, EVE, NO_RUN, evidence, lease, outcome
from tests.support.fakes import FakeBatch, TestClock

READ = Interpretation(answerable=False, dataset=None, cell_type=None, perturbation=None, caveats=[])
SUMMARY = Iteration(number=1, strategy="direct", score=6, components=[], duration_seconds=1.0)


@pytest.fixture
def store(sqlite: SqliteDatabase) -> SqliteRunStore:
    return SqliteRunStore(sqlite)


@pytest.fixture
async def run(store: SqliteRunStore, batch: FakeBatch, clock: TestClock) -> Run:
    """Create a pending run of Ada's."""
    request = CreateRunRequest(query="How would NK cells respond to IL-15?")
    return await RunSubmission(store, batch, clock).create(request, ANSWERABLE, ADA)


def history(run: Run) -> list[str]:
    return [entry.to_status.value for entry in run.transitions]


async def test_a_whole_life(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    for phase in Phase:
        finished = SUMMARY if phase is Phase.OUTPUT_GENERATION else None
        await lease(run.run_id, store=store, clock=clock).progress(phase=phase, iteration=1, finished=finished)
        clock.move(seconds=5)
    done = await lease(run.run_id, store=store, clock=clock).complete(outcome(run.run_id))
    assert history(done) == ["pending", "running", "completed"]
    assert [entry.actor for entry in done.transitions] == [Actor.USER, Actor.JOB, Actor.JOB]
    assert [iteration.score for iteration in done.iterations] == [6]
    assert (done.current_phase, done.compute.state, done.check_at) == (None, ComputeState.RELEASED, None)


async def test_the_confidence_of_a_completed_run_is_seen_without_its_result(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    assert run_status(run).confidence is None
    await lease(run.run_id, store=store, clock=clock).begin()
    found = outcome(run.run_id).model_copy(update={"evidence": evidence()})
    await lease(run.run_id, store=store, clock=clock).complete(found)
    summary = await store.summary(run.run_id)
    assert summary is not None
    assert run_status(summary).confidence is Confidence.LOW


async def test_progress_is_a_sign_of_life(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    process = lease(run.run_id, store=store, clock=clock)
    await process.begin()
    clock.move(minutes=1)
    moved = await process.progress(phase=Phase.INFERENCE, iteration=1)
    assert (moved.heartbeat_at, moved.updated_at) == (clock.now, clock.now)


async def test_the_history_says_who_ended_a_run_and_what_came_too_late(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    process = lease(run.run_id, store=store, clock=clock)
    await process.begin()
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    after = await process.complete(outcome(run.run_id))
    ends = [(entry.to_status, entry.actor, entry.reason) for entry in after.transitions[-2:]]
    assert ends == [
        (RunState.CANCELLED, Actor.USER, "cancelled by its owner"),
        (RunState.CANCELLED, Actor.JOB, "the job finished (too late for completed)"),
    ]


async def test_a_completed_run_shows_the_control_strategy_that_was_used(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    process = lease(run.run_id, store=store, clock=clock)
    await process.begin()
    used = {"control_strategy_effective": ControlStrategy.QUERY_AS_CONTROL}
    done = await process.complete(outcome(run.run_id).model_copy(update=used))
    assert done.control_strategy_effective is ControlStrategy.QUERY_AS_CONTROL


async def test_beginning_twice_changes_nothing(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    first = await lease(run.run_id, store=store, clock=clock).begin()
    clock.move(seconds=1)
    assert await lease(run.run_id, store=store, clock=clock).begin() == first


async def test_a_second_copy_of_a_living_job_gets_no_lease(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    first = await lease(run.run_id, owner="one", store=store, clock=clock).begin()
    clock.move(minutes=2)
    second = await lease(run.run_id, owner="two", store=store, clock=clock).begin()
    assert second == first
    assert second.compute.lease_owner == "one"
    assert second.compute.lease_owner != "two"


async def test_heartbeats_keep_the_lease_of_a_long_phase(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    """Regression: no test noticed a lease that counts from the last phase: a copy takes over in the middle of a long one."""
    first = lease(run.run_id, owner="one", store=store, clock=clock)
    await first.begin()
    for _ in range(2):
        clock.move(minutes=2)
        beaten = await first.heartbeat()
    assert clock.now - beaten.updated_at > states.LEASE
    clock.now += states.LEASE
    assert await lease(run.run_id, owner="two", store=store, clock=clock).begin() == beaten
    clock.move(seconds=1)
    second = await lease(run.run_id, owner="two", store=store, clock=clock).begin()
    assert second.compute.lease_owner == "two"


async def test_a_copy_of_a_job_that_fell_silent_takes_over_and_the_first_is_heard_no_more(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    await lease(run.run_id, owner="one", store=store, clock=clock).begin()
    clock.move(minutes=4)
    second = await lease(run.run_id, owner="two", store=store, clock=clock).begin()
    assert second.compute.lease_owner == "two"
    lost = lease(run.run_id, owner="one", store=store, clock=clock)
    clock.move(seconds=1)  # otherwise a heartbeat of the lost process would be that of the second
    after = [
        await lost.progress(phase=Phase.INFERENCE, iteration=1),
        await lost.heartbeat(),
        await lost.complete(outcome(run.run_id)),
        await lost.fail(failure_for(FailureReason.ORCHESTRATOR_ERROR), "It broke."),
    ]
    assert after == [second] * 4


async def test_a_heartbeat_reports_the_share_of_its_own_phase_only(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    process = lease(run.run_id, store=store, clock=clock)
    await process.begin()
    began = await process.progress(phase=Phase.EVALUATION, iteration=1)
    assert (run_status(began).current_phase, run_status(began).phase_progress) == (Phase.EVALUATION, None)
    clock.move(seconds=10)
    silent = await process.heartbeat()
    assert (silent.updated_at, run_status(silent)) == (began.updated_at, run_status(began))
    for late in (PhaseShare(Phase.INFERENCE, 1, 0.9), PhaseShare(Phase.EVALUATION, 2, 0.9)):
        assert (await process.heartbeat(late)).phase_progress is None
    clock.move(seconds=10)
    moved = await process.heartbeat(PhaseShare(Phase.EVALUATION, 1, 0.4))
    assert (run_status(moved).phase_progress, moved.updated_at, moved.heartbeat_at) == (0.4, clock(), clock())
    clock.move(seconds=10)
    assert (await process.heartbeat(PhaseShare(Phase.EVALUATION, 1, 0.4))).updated_at == moved.updated_at
    assert (await process.progress(phase=Phase.EVALUATION, iteration=2)).phase_progress is None
    await process.heartbeat(PhaseShare(Phase.EVALUATION, 2, 0.6))
    assert run_status(await process.complete(outcome(run.run_id))).phase_progress is None


async def test_a_process_that_takes_over_reports_no_share_of_the_first(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    first = lease(run.run_id, owner="one", store=store, clock=clock)
    await first.begin()
    await first.progress(phase=Phase.EVALUATION, iteration=1)
    await first.heartbeat(PhaseShare(Phase.EVALUATION, 1, 0.6))
    clock.move(minutes=4)
    assert (await lease(run.run_id, owner="two", store=store, clock=clock).begin()).phase_progress is None


async def test_the_job_of_an_earlier_attempt_gets_no_lease(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    assert (await lease(run.run_id, attempt=2, owner="x", store=store, clock=clock).begin()) == run


async def test_an_iteration_reported_twice_is_kept_once(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    for _ in range(2):
        after = await lease(run.run_id, store=store, clock=clock).progress(
            phase=Phase.OUTPUT_GENERATION, iteration=1, finished=SUMMARY
        )
    assert after.iterations == [SUMMARY]


async def test_a_process_that_takes_over_starts_the_run_from_the_beginning(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    first = lease(run.run_id, owner="one", store=store, clock=clock)
    await first.begin()
    effective = ControlStrategy.QUERY_AS_CONTROL
    phase = Phase.PROMPT_GENERATION
    await first.progress(phase=phase, iteration=2, finished=SUMMARY, control_strategy_effective=effective)
    clock.move(minutes=4)
    restarted = await lease(run.run_id, owner="two", store=store, clock=clock).begin()
    assert restarted.iterations == []
    assert (restarted.current_iteration, restarted.current_phase) == (0, None)
    assert restarted.control_strategy_effective is None


async def test_the_job_replaces_the_interpretation_of_the_request_and_later_progress_keeps_it(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    process = lease(run.run_id, store=store, clock=clock)
    began = await process.begin()
    assert began.interpretation == run.interpretation
    await process.progress(phase=Phase.PROMPT_GENERATION, iteration=1, interpretation=READ)
    after = await process.progress(phase=Phase.INFERENCE, iteration=1)
    assert after.interpretation == READ


async def test_the_owner_sees_the_control_strategy_once_it_is_decided_and_later_progress_keeps_it(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    """Regression: no test noticed progress that forgets the control strategy to which the job fell back."""
    process = lease(run.run_id, store=store, clock=clock)
    assert (await process.begin()).control_strategy_effective is None
    effective = ControlStrategy.QUERY_AS_CONTROL
    decided = await process.progress(phase=Phase.INFERENCE, iteration=1, control_strategy_effective=effective)
    later = await process.progress(phase=Phase.EVALUATION, iteration=1)
    assert [run_status(each).control_strategy_effective for each in (decided, later)] == [effective, effective]


async def test_a_heartbeat_is_not_seen_by_the_owner(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    begun = await lease(run.run_id, store=store, clock=clock).begin()
    clock.move(minutes=1)
    beaten = await lease(run.run_id, store=store, clock=clock).heartbeat()
    assert beaten.heartbeat_at == clock.now
    assert beaten.updated_at == begun.updated_at
    assert beaten.check_at is not None
    assert begun.check_at is not None
    assert beaten.check_at > begun.check_at


async def test_a_cancel_ends_the_run_and_asks_batch(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    assert history(cancelled) == ["pending", "cancelled"]
    assert batch.cancelled == [run.compute.job_id]
    assert cancelled.compute.state is ComputeState.RELEASING
    again = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    assert again == cancelled


async def test_a_cancel_holds_while_batch_is_away(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    batch.fault = Unavailable("Batch")
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    assert cancelled.status is RunState.CANCELLED
    assert cancelled.check_at is not None


async def test_progress_after_a_cancel_changes_nothing_and_says_so(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    after = await lease(run.run_id, store=store, clock=clock).progress(phase=Phase.INFERENCE, iteration=1)
    assert after == cancelled


async def test_a_late_success_is_history_and_changes_nothing(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    late = await lease(run.run_id, store=store, clock=clock).complete(outcome(run.run_id))
    assert late.model_copy(update={"transitions": cancelled.transitions}) == cancelled
    assert "too late" in late.transitions[-1].reason


async def test_a_job_that_fails_says_why_and_has_released_its_machine(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    job = lease(run.run_id, store=store, clock=clock)
    await job.begin()
    await job.progress(phase=Phase.INFERENCE, iteration=1)
    failure = failure_for(FailureReason.ORCHESTRATOR_ERROR)
    failed = await job.fail(failure, "It broke.")
    assert (failed.status, failed.failure, failed.error_message) == (RunState.FAILED, failure, "It broke.")
    assert (failed.current_phase, failed.compute.state) == (None, ComputeState.RELEASED)
    assert await job.fail(failure, "It broke again.") == failed


async def test_a_late_failure_is_history_and_changes_nothing(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    failure = failure_for(FailureReason.ORCHESTRATOR_ERROR)
    late = await lease(run.run_id, store=store, clock=clock).fail(failure, "It broke.")
    assert late.model_copy(update={"transitions": cancelled.transitions}) == cancelled
    entry = late.transitions[-1]
    assert (entry.at, entry.actor, entry.to_status) == (clock.now, Actor.JOB, RunState.CANCELLED)
    assert entry.reason == f"{failure.reason.value} (too late for failed)"


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_a_finished_run_cannot_be_cancelled(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock, end: str
) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    if end == "completed":
        await lease(run.run_id, store=store, clock=clock).complete(outcome(run.run_id))
    else:
        fault = failure_for(FailureReason.ORCHESTRATOR_ERROR)
        await lease(run.run_id, store=store, clock=clock).fail(fault, "It broke.")
    with pytest.raises(RunAlreadyFinished, match=f"{run.run_id}.*{end}"):
        await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)


async def test_only_the_version_that_the_caller_knows_is_cancelled(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    seen: list[Run] = []

    def knows(version: Run) -> bool:
        seen.append(version)
        return len(seen) > 1

    cancel = partial(lifecycle.cancel, run.run_id, ADA, is_known=knows, store=store, jobs=batch, clock=clock)
    with pytest.raises(RunChanged, match=run.run_id):
        await cancel()
    assert (await cancel()).status is RunState.CANCELLED
    assert seen == [run, run]


async def test_the_history_says_whether_a_job_began_or_took_over(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    began = await lease(run.run_id, owner="one", store=store, clock=clock).begin()
    assert (began.transitions[-1].reason, began.heartbeat_at) == ("the job began", clock.now)
    clock.move(minutes=4)
    taken = await lease(run.run_id, owner="two", store=store, clock=clock).begin()
    assert (taken.transitions[-1].reason, taken.heartbeat_at) == ("another process took over the job", clock.now)


class DeletedFiles:
    """Result files that know what was deleted, and whether the run was still stored then."""

    def __init__(self, store: SqliteRunStore) -> None:
        self._store = store
        self.deleted: list[tuple[str, bool]] = []

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        raise NotImplementedError

    async def delete(self, run_id: str) -> None:
        """Note what is deleted."""
        self.deleted.append((run_id, await self._store.get(run_id) is not None))

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        raise NotImplementedError


async def test_a_finished_run_is_deleted_with_its_files_first(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    files = DeletedFiles(store)
    await lease(run.run_id, store=store, clock=clock).fail(failure_for(FailureReason.ORCHESTRATOR_ERROR), "It broke.")
    await lifecycle.delete(run.run_id, ADA, store=store, files=files)
    assert files.deleted == [(run.run_id, True)]
    assert await store.get(run.run_id) is None


async def test_only_its_owner_deletes_a_run(store: SqliteRunStore, run: Run) -> None:
    files = DeletedFiles(store)
    for run_id, caller in ((run.run_id, EVE), (NO_RUN, ADA), ("../secrets", ADA)):
        with pytest.raises(RunNotFound) as refused:
            await lifecycle.delete(run_id, caller, store=store, files=files)
        assert refused.value.detail == RunNotFound(run_id).detail
    assert files.deleted == []


async def test_a_run_that_is_active_or_has_a_machine_is_not_deleted(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    files = DeletedFiles(store)
    with pytest.raises(RunNotFinished) as active:
        await lifecycle.delete(run.run_id, ADA, store=store, files=files)
    assert active.value.detail == RunNotFinished(run.run_id, "is pending. Cancel it first.").detail
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    with pytest.raises(RunNotFinished) as releasing:
        await lifecycle.delete(run.run_id, ADA, store=store, files=files)
    advice = "still has a machine, which is being released. Try again in a minute."
    assert releasing.value.detail == RunNotFinished(run.run_id, advice).detail
    assert files.deleted == []
