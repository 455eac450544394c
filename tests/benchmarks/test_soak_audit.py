"""What the soak finds in the store and in Batch when all is over, and what it counts meanwhile."""

import json
import time
from typing import Any

import httpx
import pytest
from google.cloud import batch_v1

from benchmarks import soak_memory
from benchmarks.soak_audit import compare
from benchmarks.soak_ledger import Ledger
from benchmarks.soak_model import SeenRuns, WrongAnswer
from shared.auth.identity import Caller
from shared.runs import lifecycle, submission
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest
from shared.runs.views import run_status
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.fakes import FakeBatch, TestClock

ADA = Caller("ada@example.com")
QUERY = "How would NK cells respond to IL-15?"


@pytest.fixture
async def run(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Run:
    """Ada's cancelled run."""
    store = SqliteRunStore(sqlite)
    created = await submission.create(CreateRunRequest(query=QUERY), ADA, store=store, jobs=batch, clock=clock)
    return await lifecycle.cancel(created.run_id, ADA, store=store, jobs=batch, clock=clock)


@pytest.fixture
def seen(run: Run) -> SeenRuns:
    """What Ada was told."""
    runs = SeenRuns(ADA.email)
    runs.created(QUERY, json.loads(run_status(run).model_dump_json()), "")
    return runs


def job(run: Run, attempt: int, state: str) -> batch_v1.Job:
    """A job of a run, as Batch lists it."""
    name = f"projects/p/locations/r/jobs/haystack-{run.run_id.removeprefix('run_')}-{attempt}"
    return batch_v1.Job(name=name, status=batch_v1.JobStatus(state=state))


def test_a_cancelled_run_with_its_cancelled_job_is_right(run: Run, seen: SeenRuns) -> None:
    assert compare([seen], [run], [job(run, 1, "CANCELLED")]) == []


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING", "CANCELLATION_IN_PROGRESS"])
def test_a_live_job_of_a_finished_run_is_wrong(run: Run, seen: SeenRuns, state: str) -> None:
    assert f"is {state}" in compare([seen], [run], [job(run, 1, state)])[0]


def test_a_second_job_in_one_attempt_is_wrong(run: Run, seen: SeenRuns) -> None:
    assert "2 jobs" in compare([seen], [run], [job(run, 1, "CANCELLED"), job(run, 2, "CANCELLED")])[0]


def test_a_lost_run_is_wrong_and_so_is_its_job(run: Run, seen: SeenRuns) -> None:
    lost, orphan = compare([seen], [], [job(run, 1, "CANCELLED")])
    assert "is lost" in lost
    assert "job of no run" in orphan


def test_a_run_that_nobody_asked_for_is_wrong_unless_its_create_was_not_answered(run: Run) -> None:
    stranger = SeenRuns(ADA.email)
    assert "1 run(s)" in compare([stranger], [run], [])[0]
    stranger.unanswered.add(QUERY)
    assert compare([stranger], [run], []) == []


def test_a_run_that_is_not_as_it_was_told_is_wrong(run: Run, seen: SeenRuns) -> None:
    assert "was told to be" in compare([seen], [run.model_copy(update={"current_iteration": 3})], [])[0]


def test_a_history_with_a_gap_or_without_an_end_is_wrong(run: Run, seen: SeenRuns) -> None:
    beheaded = run.model_copy(update={"transitions": run.transitions[1:]})
    assert "begins with" in compare([seen], [beheaded], [])[0]
    cut_short = run.model_copy(update={"transitions": run.transitions[:1]})
    assert "ends with" in compare([seen], [cut_short], [])[0]


def answer(status: int, **headers: str) -> httpx.Response:
    """An error as the service tells it."""
    return httpx.Response(
        status, json={"status": status}, headers={"Content-Type": "application/problem+json", **headers}
    )


def test_a_503_is_excused_while_the_store_is_away_and_at_no_other_time() -> None:
    ledger, away = Ledger(), answer(503, **{"Retry-After": "5"})
    with ledger.outage("store", "503", 0.0):
        assert not ledger.answered("poll", away, time.monotonic())
    with pytest.raises(WrongAnswer, match="nothing was away"):
        ledger.answered("poll", away, time.monotonic())


@pytest.mark.parametrize(
    "wrong",
    [
        answer(500),
        answer(503),
        httpx.Response(503, text="Service Unavailable", headers={"Retry-After": "5"}),
        httpx.Response(404, text="Not Found"),
    ],
)
def test_no_outage_excuses_another_error_or_another_form_of_it(wrong: httpx.Response) -> None:
    ledger = Ledger()
    with ledger.outage("everything", "503 lost", 0.0), pytest.raises(WrongAnswer):
        ledger.answered("poll", wrong, time.monotonic())


def test_a_lost_answer_is_excused_by_a_restart_only() -> None:
    ledger, error = Ledger(), httpx.ReadError("cut")
    with ledger.outage("functions", "lost", 0.0):
        ledger.lost("poll", error, time.monotonic())
    with ledger.outage("store", "503", 0.0), pytest.raises(WrongAnswer):
        ledger.lost("poll", error, time.monotonic())


def test_memory_that_grows_by_a_mib_in_ten_seconds_grows_by_six_a_minute() -> None:
    samples: list[Any] = [(second, 70 + second / 10) for second in range(60)]
    assert soak_memory.slope(samples) == pytest.approx(6.0)
