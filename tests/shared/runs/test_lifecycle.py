"""What happens to a run between its submission and its end, told by its history."""

import pytest

from shared.errors import RunAlreadyFinished, Unavailable
from shared.runs import lifecycle, submission
from shared.runs.jobs import failure
from shared.runs.records import Iteration, Run
from shared.runs.schemas import CreateRunRequest, FailureReason
from shared.runs.states import Actor, ComputeState, Phase, RunState
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, outcome
from tests.support.fakes import FakeBatch, TestClock

SUMMARY = Iteration(number=1, strategy="direct", score=6, components=[], duration_seconds=1.0)


@pytest.fixture
def store(sqlite: SqliteDatabase) -> SqliteRunStore:
    return SqliteRunStore(sqlite)


@pytest.fixture
async def run(store: SqliteRunStore, batch: FakeBatch, clock: TestClock) -> Run:
    """Ada's pending run."""
    request = CreateRunRequest(query="How would NK cells respond to IL-15?")
    return await submission.create(request, ADA, store=store, jobs=batch, clock=clock)


def history(run: Run) -> list[str]:
    return [entry.to_status.value for entry in run.transitions]


async def test_a_whole_life(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    for phase in Phase:
        finished = SUMMARY if phase is Phase.OUTPUT_GENERATION else None
        await lifecycle.progress(run.run_id, phase=phase, iteration=1, finished=finished, store=store, clock=clock)
        clock.move(seconds=5)
    done = await lifecycle.complete(run.run_id, outcome(run.run_id), store=store, clock=clock)
    assert history(done) == ["pending", "running", "completed"]
    assert [entry.actor for entry in done.transitions] == [Actor.USER, Actor.JOB, Actor.JOB]
    assert [iteration.score for iteration in done.iterations] == [6]
    assert (done.current_phase, done.compute.state, done.check_at) == (None, ComputeState.RELEASED, None)


async def test_beginning_twice_changes_nothing(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    first = await lifecycle.begin(run.run_id, store=store, clock=clock)
    clock.move(seconds=1)
    assert await lifecycle.begin(run.run_id, store=store, clock=clock) == first


async def test_a_second_copy_of_a_living_job_gets_no_lease(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    first = await lifecycle.begin(run.run_id, holder="one", store=store, clock=clock)
    clock.move(minutes=2)
    second = await lifecycle.begin(run.run_id, holder="two", store=store, clock=clock)
    assert second == first
    assert lifecycle.holds(second, "one")
    assert not lifecycle.holds(second, "two")


async def test_a_copy_of_a_job_that_fell_silent_takes_over_and_the_first_is_heard_no_more(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    await lifecycle.begin(run.run_id, holder="one", store=store, clock=clock)
    clock.move(minutes=4)
    second = await lifecycle.begin(run.run_id, holder="two", store=store, clock=clock)
    assert lifecycle.holds(second, "two")
    ports = {"holder": "one", "store": store, "clock": clock}
    told = [
        await lifecycle.progress(run.run_id, phase=Phase.INFERENCE, iteration=1, **ports),  # type: ignore[arg-type]  # one dict for all
        await lifecycle.heartbeat(run.run_id, **ports),  # type: ignore[arg-type]
        await lifecycle.complete(run.run_id, outcome(run.run_id), **ports),  # type: ignore[arg-type]
        await lifecycle.fail(
            run.run_id,
            failure(FailureReason.ORCHESTRATOR_ERROR),
            "It broke.",
            actor=Actor.JOB,
            holder="one",
            store=store,
            clock=clock,
        ),
    ]
    assert told == [second] * 4


async def test_the_job_of_an_earlier_attempt_gets_no_lease(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    assert (await lifecycle.begin(run.run_id, attempt=2, holder="x", store=store, clock=clock)) == run


async def test_an_iteration_reported_twice_is_kept_once(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    for _ in range(2):
        after = await lifecycle.progress(
            run.run_id, phase=Phase.OUTPUT_GENERATION, iteration=1, finished=SUMMARY, store=store, clock=clock
        )
    assert after.iterations == [SUMMARY]


async def test_an_iteration_that_begins_again_drops_what_was_kept_of_it_and_of_those_behind_it(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    kept = [SUMMARY.model_copy(update={"number": number}) for number in (1, 2, 3)]
    for each in kept:
        await lifecycle.progress(
            run.run_id, phase=Phase.OUTPUT_GENERATION, iteration=3, finished=each, store=store, clock=clock
        )
    phase = Phase.PROMPT_GENERATION
    going_on = await lifecycle.progress(
        run.run_id, phase=phase, iteration=3, finished=kept[1], store=store, clock=clock
    )
    assert going_on.iterations == kept[:2]
    anew = await lifecycle.progress(run.run_id, phase=phase, iteration=1, store=store, clock=clock)
    assert anew.iterations == []


async def test_a_heartbeat_is_not_seen_by_the_owner(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    begun = await lifecycle.begin(run.run_id, store=store, clock=clock)
    clock.move(minutes=1)
    beaten = await lifecycle.heartbeat(run.run_id, store=store, clock=clock)
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
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    after = await lifecycle.progress(run.run_id, phase=Phase.INFERENCE, iteration=1, store=store, clock=clock)
    assert after == cancelled


async def test_a_late_success_is_history_and_changes_nothing(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    cancelled = await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    late = await lifecycle.complete(run.run_id, outcome(run.run_id), store=store, clock=clock)
    assert late.model_copy(update={"transitions": cancelled.transitions}) == cancelled
    assert "too late" in late.transitions[-1].reason


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_a_finished_run_cannot_be_cancelled(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock, end: str
) -> None:
    await lifecycle.begin(run.run_id, store=store, clock=clock)
    if end == "completed":
        await lifecycle.complete(run.run_id, outcome(run.run_id), store=store, clock=clock)
    else:
        fault = failure(FailureReason.ORCHESTRATOR_ERROR)
        await lifecycle.fail(run.run_id, fault, "It broke.", actor=Actor.JOB, store=store, clock=clock)
    with pytest.raises(RunAlreadyFinished, match=end):
        await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
