"""Contract suite of the port `RunDatabase`."""

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta

import pytest
from pydantic import Field

from shared.catalog.interpretation import CaveatCode, Interpretation
from shared.errors import RunExists, RunNotFound, TooManyRuns, TransitionRefused
from shared.runs.ports import Cursor, RunDatabase, RunFilter
from shared.runs.records import GeneAnswer, Iteration, Run, RunOutcome, RunSummary, ScorePart
from shared.runs.states import Actor, Phase, RunState, WaitingReason
from shared.runs.views import run_status
from shared.settings import SHORTEST_RETENTION
from tests.support.builders import ADA, EVE, START, by_email, caveat, completed_run, interpretation, make_run

KEY = "5e" * 32


def summary_of(run: Run) -> RunSummary:
    """Return the summary of a run."""
    return RunSummary.from_stored(run.model_dump())


def to(state: RunState, **fields: object) -> Callable[[Run], Run]:
    """Return a change that moves a run to a state."""
    return lambda run: run.moved(state, now=START, actor=Actor.JOB, reason="test", **fields)


async def test_a_run_comes_back_as_it_was_kept(run_store: RunDatabase) -> None:
    part = ScorePart(name="pathway coherence", score=None, reason="nothing to judge")
    summary = Iteration(number=1, strategy="direct", score=7, components=[part], duration_seconds=1.5)
    read = interpretation(caveat(CaveatCode.DOSE, "100 ng/ml"), caveat(CaveatCode.FEW_CELLS))
    run = make_run(iterations=[summary], interpretation=read, random_seed=2**32 - 1, heartbeat_at=START)
    await run_store.create(run)
    assert await run_store.get(run.run_id) == run


async def test_what_a_run_waits_for_is_stored_and_a_run_of_before_waits_for_nothing_known(
    run_store: RunDatabase,
) -> None:
    class OlderRun(Run):
        waiting_for: WaitingReason | None = Field(None, exclude=True)

    for reason in WaitingReason:
        run = make_run(waiting_for=reason)
        await run_store.create(run)
        summary = await run_store.summary(run.run_id)
        assert summary is not None
        assert (summary.waiting_for, (await run_store.get(run.run_id))) == (reason, run)
        assert (await run_store.update(run.run_id, to(RunState.RUNNING))).waiting_for is None
    older = OlderRun(**make_run().model_dump())
    await run_store.create(older)
    stored = await run_store.summary(older.run_id)
    assert stored is not None
    assert run_status(stored).waiting_for is None


async def test_when_a_run_expires_is_kept_and_put_off_while_it_is_unfinished(run_store: RunDatabase) -> None:
    soon = START + timedelta(days=1)
    run = make_run(expire_at=soon)
    await run_store.create(run)
    assert await run_store.get(run.run_id) == run
    begun = await run_store.update(run.run_id, to(RunState.RUNNING))
    assert begun.expire_at == START + SHORTEST_RETENTION
    later = begun.expire_at + timedelta(days=365)
    ended = await run_store.update(run.run_id, to(RunState.COMPLETED, expire_at=later))
    assert (ended.expire_at, await run_store.get(run.run_id)) == (later, ended)


async def test_a_run_that_newer_code_kept_can_be_read(run_store: RunDatabase) -> None:
    class NewerRun(Run):
        color: str = "green"

    run = make_run()
    await run_store.create(NewerRun(**run.model_dump()))
    assert await run_store.get(run.run_id) == run


async def test_a_run_of_before_interpretations_can_be_read(run_store: RunDatabase) -> None:
    class OlderOutcome(RunOutcome):
        answer: str = Field("", exclude=True)
        gene_answers: list[GeneAnswer] = Field([], exclude=True)

    class OlderRun(Run):
        interpretation: Interpretation | None = Field(None, exclude=True)
        outcome: OlderOutcome | None = None

    fields = completed_run().model_dump(exclude={"interpretation": True, "outcome": {"answer", "gene_answers"}})
    older = OlderRun(**fields)
    assert not {"answer", "gene_answers"} & json.loads(older.model_dump_json())["outcome"].keys()
    await run_store.create(older)
    run = await run_store.get(older.run_id)
    assert run == Run(**fields)
    assert run_status(run).interpretation is None
    assert (await run_store.summary(older.run_id)) == summary_of(run)


async def test_a_summary_is_what_the_owner_is_shown_and_nothing_else(run_store: RunDatabase) -> None:
    for run in (completed_run(), make_run()):
        await run_store.create(run)
        summary = await run_store.summary(run.run_id)
        assert summary == summary_of(run)
        assert type(summary) is RunSummary
        assert run_status(summary) == run_status(run)
        assert await run_store.get(run.run_id) == run
    assert await run_store.summary("run_000000000000") is None


async def test_a_run_that_is_not_there_is_none(run_store: RunDatabase) -> None:
    assert await run_store.get("run_000000000000") is None


async def test_create_leaves_a_run_of_the_same_id_alone(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    with pytest.raises(RunExists, match=run.run_id):
        await run_store.create(run.model_copy(update={"query": "something else entirely"}))
    assert await run_store.get(run.run_id) == run


async def test_of_many_simultaneous_creates_one_wins(run_store: RunDatabase) -> None:
    run = make_run()
    rivals = [run.model_copy(update={"query": f"the question of rival {number}"}) for number in range(8)]
    outcomes = await asyncio.gather(*(run_store.create(rival) for rival in rivals), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", *["RunExists"] * 7]


async def test_a_create_beyond_the_owners_limit_keeps_nothing(run_store: RunDatabase) -> None:
    first, second = make_run(), make_run()
    await run_store.create(first, max_active=1)
    with pytest.raises(TooManyRuns, match="1 active"):
        await run_store.create(second, max_active=1)
    assert await run_store.get(second.run_id) is None
    await run_store.create(make_run(owner=EVE), max_active=1)
    await run_store.update(first.run_id, to(RunState.CANCELLED))
    await run_store.create(second, max_active=1)


async def test_a_run_that_exists_is_told_so_even_at_the_limit(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run, max_active=1)
    with pytest.raises(RunExists, match=run.run_id):
        await run_store.create(run.model_copy(update={"query": "something else entirely"}), max_active=1)


async def test_the_limit_is_used_up_and_holds_under_simultaneous_creates(run_store: RunDatabase) -> None:
    rivals = [make_run() for _ in range(10)]
    outcomes = await asyncio.gather(
        *(run_store.create(rival, max_active=4) for rival in rivals), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["NoneType"] * 4, *["TooManyRuns"] * 6]
    assert await run_store.count(RunFilter(ADA.owners)) == 4


async def test_a_key_stands_for_its_last_run(run_store: RunDatabase) -> None:
    assert await run_store.run_of_key(KEY) is None
    first, second = make_run(idempotency_key=KEY), make_run(idempotency_key=KEY)
    await run_store.create(first)
    assert await run_store.run_of_key(KEY) == first.run_id
    await run_store.create(second, replaces=first.run_id)
    assert await run_store.run_of_key(KEY) == second.run_id


async def test_a_create_stores_nothing_if_its_key_came_to_stand_for_another_run(run_store: RunDatabase) -> None:
    first, second, late = (make_run(idempotency_key=KEY) for _ in range(3))
    await run_store.create(first)
    for replaces in (None, "run_000000000000"):
        with pytest.raises(RunExists, match=late.run_id):
            await run_store.create(late, replaces=replaces)
    await run_store.create(second, replaces=first.run_id)
    with pytest.raises(RunExists, match=late.run_id):
        await run_store.create(late, replaces=first.run_id)
    assert (await run_store.get(late.run_id), await run_store.run_of_key(KEY)) == (None, second.run_id)


@pytest.mark.parametrize("limit", [0, 1])
async def test_of_simultaneous_creates_with_one_key_one_wins_and_the_limit_refuses_none(
    run_store: RunDatabase, limit: int
) -> None:
    runs = [make_run(idempotency_key=KEY) for _ in range(8)]
    outcomes = await asyncio.gather(*(run_store.create(run, max_active=limit) for run in runs), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", *["RunExists"] * 7]
    assert await run_store.run_of_key(KEY) == runs[outcomes.index(None)].run_id


async def test_an_allowed_transition_is_kept_with_its_history(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    after = await run_store.update(run.run_id, to(RunState.RUNNING))
    assert after.status is RunState.RUNNING
    assert [entry.to_status for entry in after.transitions] == [RunState.PENDING, RunState.RUNNING]
    assert await run_store.get(run.run_id) == after


@pytest.mark.parametrize("late", [RunState.COMPLETED, RunState.FAILED, RunState.RUNNING, RunState.PENDING])
async def test_the_first_terminal_state_wins(run_store: RunDatabase, late: RunState) -> None:
    run = make_run()
    await run_store.create(run)
    cancelled = await run_store.update(run.run_id, to(RunState.CANCELLED))
    with pytest.raises(TransitionRefused, match=run.run_id):
        await run_store.update(run.run_id, to(late))
    assert await run_store.get(run.run_id) == cancelled


async def test_a_progress_update_changes_what_it_names(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    await run_store.update(run.run_id, to(RunState.RUNNING))
    after = await run_store.update(
        run.run_id,
        lambda old: old.changed(START, current_phase=Phase.INFERENCE, current_iteration=2, phase_progress=0.25),
    )
    assert (after.current_phase, after.current_iteration, after.query) == (Phase.INFERENCE, 2, run.query)
    seen = await run_store.summary(run.run_id)
    assert seen is not None
    assert (seen.current_phase, seen.phase_progress) == (Phase.INFERENCE, 0.25)


@pytest.mark.parametrize("share", [None, 0.0, 0.07, 1.0])
async def test_the_share_of_a_phase_is_kept_as_it_is(run_store: RunDatabase, share: float | None) -> None:
    run = make_run()
    await run_store.create(run)
    await run_store.update(run.run_id, lambda old: old.changed(START, phase_progress=share))
    stored = await run_store.get(run.run_id)
    assert stored is not None
    assert stored.phase_progress == share


async def test_a_change_that_wants_nothing_writes_nothing(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    assert await run_store.update(run.run_id, lambda _: None) == run


async def test_an_update_of_a_run_that_is_not_there_says_so(run_store: RunDatabase) -> None:
    with pytest.raises(RunNotFound, match="run_000000000000"):
        await run_store.update("run_000000000000", to(RunState.RUNNING))


async def test_an_error_in_a_change_goes_through_and_writes_nothing(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)

    def refuse(_: Run) -> Run:
        raise RunNotFound(run.run_id)

    with pytest.raises(RunNotFound):
        await run_store.update(run.run_id, refuse)
    assert await run_store.get(run.run_id) == run


async def test_simultaneous_updates_lose_nothing(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)

    def count_up(old: Run) -> Run:
        return old.changed(START, current_iteration=old.current_iteration + 1)

    await asyncio.gather(*(run_store.update(run.run_id, count_up) for _ in range(6)))
    after = await run_store.get(run.run_id)
    assert after is not None
    assert after.current_iteration == 6


async def test_two_processes_that_change_a_run_at_the_same_time_lose_nothing(
    run_store: RunDatabase, rival_store: RunDatabase
) -> None:
    """Regression: no test noticed a change that reads without the write lock, and fails if another process writes in between."""
    run = make_run()
    await run_store.create(run)

    def count_up(old: Run) -> Run:
        return old.changed(START, current_iteration=old.current_iteration + 1)

    for _ in range(3):
        await asyncio.gather(*(store.update(run.run_id, count_up) for store in (run_store, rival_store)))
    after = await run_store.get(run.run_id)
    assert after is not None
    assert after.current_iteration == 6


async def test_of_simultaneous_ends_one_wins(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    await run_store.update(run.run_id, to(RunState.RUNNING))
    ends = [RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED]
    outcomes = await asyncio.gather(*(run_store.update(run.run_id, to(end)) for end in ends), return_exceptions=True)
    assert sum(isinstance(outcome, TransitionRefused) for outcome in outcomes) == 2


async def test_a_page_holds_the_owners_runs_newest_first(run_store: RunDatabase) -> None:
    mine = [make_run(minutes=minute) for minute in range(5)]
    for run in [*mine, make_run(owner=EVE, minutes=2)]:
        await run_store.create(run)
    assert list(await run_store.page(RunFilter(ADA.owners), limit=3)) == [*map(summary_of, mine[:1:-1])]


async def test_a_cursor_goes_on_where_the_last_page_ended_even_among_equal_times(run_store: RunDatabase) -> None:
    mine = [make_run(minutes=minute // 3) for minute in range(9)]
    for run in mine:
        await run_store.create(run)
    seen: list[RunSummary] = []
    cursor = None
    while page := await run_store.page(RunFilter(ADA.owners), limit=2, after=cursor):
        seen += page
        cursor = Cursor(page[-1].created_at, page[-1].run_id)
    newest_first = sorted(mine, key=lambda run: (run.created_at, run.run_id), reverse=True)
    assert seen == [*map(summary_of, newest_first)]


async def test_an_offset_skips(run_store: RunDatabase) -> None:
    mine = [make_run(minutes=minute) for minute in range(4)]
    for run in mine:
        await run_store.create(run)
    assert list(await run_store.page(RunFilter(ADA.owners), limit=2, offset=1)) == [
        summary_of(mine[2]),
        summary_of(mine[1]),
    ]


async def test_a_page_and_a_count_keep_to_the_states_asked_for(run_store: RunDatabase) -> None:
    mine = [make_run(minutes=minute) for minute in range(4)]
    for run in mine:
        await run_store.create(run)
    await run_store.update(mine[0].run_id, to(RunState.RUNNING))
    await run_store.update(mine[1].run_id, to(RunState.CANCELLED))
    wanted = [RunState.RUNNING, RunState.CANCELLED]
    found = await run_store.page(RunFilter(ADA.owners, tuple(wanted)), limit=10)
    assert [run.run_id for run in found] == [mine[1].run_id, mine[0].run_id]
    assert await run_store.count(RunFilter(ADA.owners, tuple(wanted))) == 2
    assert await run_store.count(RunFilter(ADA.owners)) == 4
    assert await run_store.count(RunFilter(("nobody@example.com",))) == 0


async def test_a_page_and_a_count_keep_to_the_times_asked_for(run_store: RunDatabase) -> None:
    mine = [make_run(minutes=minute) for minute in range(5)]
    for run in mine:
        await run_store.create(run)
    some = RunFilter(ADA.owners, created_after=mine[1].created_at, created_before=mine[3].created_at)
    assert list(await run_store.page(some, limit=10)) == [summary_of(mine[2]), summary_of(mine[1])]
    assert await run_store.count(some) == 2
    cursor = Cursor(mine[2].created_at, mine[2].run_id)
    assert list(await run_store.page(some, limit=10, after=cursor)) == [summary_of(mine[1])]
    pending = RunFilter(ADA.owners, (RunState.PENDING,), created_after=mine[3].created_at)
    assert await run_store.count(pending) == 2


async def test_a_run_of_before_owners_were_subjects_can_be_read_and_changed(run_store: RunDatabase) -> None:
    class OlderRun(Run):
        owner_email: str | None = Field(None, exclude=True)

    older = OlderRun(**by_email(make_run()).model_dump())
    stored = json.loads(older.model_dump_json())
    assert (stored["user_email"], "owner_email" in stored) == (ADA.email, False)
    await run_store.create(older)
    run = await run_store.get(older.run_id)
    assert run is not None
    assert (run.owner, run.user_email) == (ADA.email, ADA.email)
    changed = await run_store.update(run.run_id, to(RunState.RUNNING))
    assert (changed.owner, changed.user_email) == (ADA.email, ADA.email)
    assert await run_store.summary(run.run_id) == summary_of(changed)


async def test_an_owner_has_the_runs_of_the_subject_and_those_of_before_and_nobody_elses(
    run_store: RunDatabase,
) -> None:
    """Regression: runs belonged to an e-mail address, and went with it to the next account."""
    mine = [make_run(minutes=minute, label="a" if minute < 4 else None) for minute in range(7)]
    mine[::2] = map(by_email, mine[::2])
    successor = ADA._replace(subject="accounts.google.com:1003")
    theirs = [make_run(minutes=1.5, owner=successor), make_run(minutes=2.5, owner=EVE), by_email(make_run(owner=EVE))]
    for run in [*mine, *theirs]:
        await run_store.create(run)
    newest_first = [*map(summary_of, reversed(mine))]
    wanted, seen = RunFilter(ADA.owners), list[RunSummary]()
    cursor = None
    while page := await run_store.page(wanted, limit=2, after=cursor):
        seen += page
        cursor = Cursor(page[-1].created_at, page[-1].run_id)
    assert seen == newest_first
    assert list(await run_store.page(wanted, limit=3, offset=2)) == newest_first[2:5]
    assert await run_store.count(wanted) == 7
    labeled = wanted._replace(label="a", statuses=tuple(RunState), created_after=mine[1].created_at)
    assert list(await run_store.page(labeled, limit=9)) == newest_first[3:6]
    assert await run_store.count(labeled) == 3
    by_subject = wanted._replace(owners=ADA._replace(by_email=False).owners)
    assert list(await run_store.page(by_subject, limit=9)) == newest_first[1::2]
    assert await run_store.count(RunFilter(successor.owners)) == 1 + 4
    assert await run_store.count(RunFilter(successor._replace(by_email=False).owners)) == 1


async def test_the_limit_counts_the_owners_runs_of_before(run_store: RunDatabase) -> None:
    await run_store.create(by_email(make_run()))
    await run_store.create(make_run(), max_active=2)
    with pytest.raises(TooManyRuns):
        await run_store.create(make_run(), max_active=2)
    moved = ADA._replace(email="ada.lovelace@example.com")
    with pytest.raises(TooManyRuns):
        await run_store.create(make_run(owner=moved), max_active=1)


async def test_a_watch_tells_the_run_as_it_is_and_then_each_change(run_store: RunDatabase) -> None:
    run = make_run()
    await run_store.create(run)
    async with asyncio.timeout(10), aclosing(run_store.watch(run.run_id)) as told:
        assert await anext(told) == run
        running = await run_store.update(run.run_id, to(RunState.RUNNING))
        assert await anext(told) == running
        cancelled = await run_store.update(run.run_id, to(RunState.CANCELLED))
        assert await anext(told) == cancelled
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(told), 1)  # nothing has changed since


async def test_a_watch_of_no_run_says_so_and_tells_when_there_is_one(run_store: RunDatabase) -> None:
    run = make_run()
    async with asyncio.timeout(10), aclosing(run_store.watch(run.run_id)) as told:
        assert await anext(told) is None
        await run_store.create(run)
        assert await anext(told) == run


async def test_a_write_is_not_harmed_by_watchers_that_leave_at_the_same_moment(run_store: RunDatabase) -> None:
    """Regression: the emulator answers CANCELLED to a writer when a listener leaves, which was a 500 for the user."""

    async def look_once(run_id: str) -> None:
        async with aclosing(run_store.watch(run_id)) as told:
            await anext(told)

    for _ in range(10):
        run = make_run()
        watchers = [asyncio.create_task(look_once(run.run_id)) for _ in range(2)]
        await run_store.create(run)
        after = await run_store.update(run.run_id, to(RunState.RUNNING))
        await asyncio.wait_for(asyncio.gather(*watchers), 30)
        assert await run_store.get(run.run_id) == after


async def test_a_write_that_only_tests_the_store_may_be_repeated_and_shared(
    run_store: RunDatabase, rival_store: RunDatabase
) -> None:
    pings = [
        store.ping_write(START + timedelta(minutes=minute)) for minute in (0, 1) for store in (run_store, rival_store)
    ]
    await asyncio.gather(*pings)
    assert await run_store.due(START + timedelta(days=9), limit=9) == []


async def test_due_runs_come_longest_overdue_first_and_settled_ones_never(run_store: RunDatabase) -> None:
    early, late, later = (make_run(minutes=minute) for minute in (0, 1, 9))
    settled = make_run(minutes=0, check_at=None)
    for run in (later, settled, late, early):
        await run_store.create(run)
    now = START + timedelta(minutes=5)
    # The fixture of SQLite reverses what has no order of its own.
    assert list(await run_store.due(now, limit=10)) == [early, late]
    assert list(await run_store.due(now, limit=1)) == [early]


async def test_a_database_that_is_there_answers_a_ping(run_store: RunDatabase) -> None:
    await run_store.ping()


async def test_a_deleted_run_is_gone_and_deleting_it_again_is_no_error(run_store: RunDatabase) -> None:
    kept, deleted = make_run(), make_run()
    for run in (kept, deleted):
        await run_store.create(run)
    for _ in range(2):
        await run_store.delete(deleted.run_id)
    assert (await run_store.get(deleted.run_id), await run_store.get(kept.run_id)) == (None, kept)
    with pytest.raises(RunNotFound):
        await run_store.update(deleted.run_id, lambda run: run)


async def test_runs_are_selected_by_their_label(run_store: RunDatabase) -> None:
    screen = "Screen 1: \u201cIL-2\u201d, 'a' % _"
    made = [make_run(minutes=i, label=label) for i, label in enumerate([screen, None, "other", screen])]
    for run in made:
        await run_store.create(run)
    await run_store.update(made[0].run_id, to(RunState.CANCELLED))
    wanted = RunFilter(ADA.owners, label=screen)
    assert [run.run_id for run in await run_store.page(wanted, limit=9)] == [made[3].run_id, made[0].run_id]
    assert await run_store.count(wanted) == 2
    pending = wanted._replace(statuses=(RunState.PENDING, RunState.RUNNING))
    assert [run.label for run in await run_store.page(pending, limit=9)] == [screen]
    assert await run_store.count(wanted._replace(label="Screen")) == 0


class NewerRun(Run):
    """A run with a phase that this code does not know, as after a rollback."""

    current_phase: str | None = None  # type: ignore[assignment]


async def newer_runs(run_store: RunDatabase, count: int) -> list[Run]:
    """Store some more runs that this code cannot read, the first after a minute; return them."""
    phase = {"current_phase": f"asking {ADA.email}"}
    newer: list[Run] = [NewerRun(**make_run(minutes=minute).model_dump() | phase) for minute in range(1, count + 1)]
    for run in newer:
        await run_store.create(run)
    return newer


async def test_regression_due_runs_that_newer_code_wrote_hide_no_other_and_are_logged_without_their_content(
    run_store: RunDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: after a rollback, one run with a phase that this code does not know ended each sweep with an error."""
    newer = await newer_runs(run_store, 2)
    other = make_run(minutes=4)
    await run_store.create(other)
    assert list(await run_store.due(START + timedelta(minutes=20), limit=1)) == [other]
    lines = list(map(json.loads, capsys.readouterr().err.splitlines()))
    assert [(line["severity"], line["run_id"]) for line in lines] == [("ERROR", run.run_id) for run in newer]
    assert all("current_phase" in line["stack_trace"] for line in lines)
    assert ADA.email not in "".join(line["stack_trace"] for line in lines)


async def test_regression_a_page_is_full_although_newer_code_wrote_some_of_its_runs(
    run_store: RunDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: after a rollback, one such run made the list of its owner an internal error."""
    made = [make_run(minutes=minute) for minute in (0, 5, 6)]
    for run in made:
        await run_store.create(run)
    await newer_runs(run_store, 3)
    wanted = RunFilter(ADA.owners)
    pages = [[run.run_id for run in await run_store.page(wanted, limit=2, offset=offset)] for offset in (0, 2)]
    assert pages == [[made[2].run_id, made[1].run_id], [made[0].run_id]]
    assert capsys.readouterr().err.count('"ERROR"') == 3
    assert await run_store.count(wanted) == 6
