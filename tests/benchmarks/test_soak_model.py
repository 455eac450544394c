"""The soak's judge of answers: what it lets pass, and what it does not."""

from typing import Any

import pytest

from benchmarks.soak_model import Known, SeenRun, SeenRuns, WrongAnswer

ADA = "ada@example.com"
QUERY = "How would CD14 monocytes respond to IFN-gamma?"


def told(state: str = "pending", second: int = 0, **fields: str | int | bool | None) -> dict[str, Any]:
    """A status as the service tells it, changed at a second."""
    return {
        "run_id": "run_0123456789ab",
        "user_email": ADA,
        "query": QUERY,
        "control_strategy": "synthetic_control",
        "max_iterations": 5,
        "created_at": "2026-03-01T12:00:00.000000Z",
        "updated_at": f"2026-03-01T12:00:{second:02}.000000Z",
        "status": state,
        "done": state in {"completed", "failed", "cancelled"},
        "failure": {"reason": "TIMEOUT"} if state == "failed" else None,
        "current_iteration": 0,
        "attempt": 1,
        **fields,
    }


def page(*runs: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    """A page of a list."""
    return {"runs": list(runs), "total": len(runs) if total is None else total}


@pytest.fixture
def seen() -> SeenRuns:
    """A user who has asked one question, and was answered."""
    runs = SeenRuns(ADA)
    runs.created(QUERY, told(), '"a"')
    return runs


@pytest.fixture
def run(seen: SeenRuns) -> SeenRun:
    return seen.runs["run_0123456789ab"]


def test_a_life_from_the_beginning_to_the_end_is_right(run: SeenRun) -> None:
    for second, state in enumerate(["pending", "running", "running", "completed", "completed"]):
        changed = told(state, min(second, 3))
        run.told(changed, run.known, f'"{changed["updated_at"]}"' if second else '"a"')
    assert run.known.done


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (told("running", 1), told("pending", 2)),
        (told("running", 2), told("running", 1)),
        (told("cancelled", 1), told("completed", 2)),
        (told("completed", 1), told("completed", 2)),
        (told("running", 1, current_iteration=2), told("running", 2, current_iteration=1)),
        (told("running", 1, attempt=2), told("running", 2)),
        (told("running", 1), told("running", 2, query="Another question altogether?")),
        (told("running", 1), told("completed", 2, done=False)),
        (told("running", 1), told("failed", 2, failure=None)),
    ],
)
def test_what_goes_back_or_changes_after_the_end_is_wrong(
    run: SeenRun, before: dict[str, Any], after: dict[str, Any]
) -> None:
    run.told(before, run.known)
    with pytest.raises(WrongAnswer):
        run.told(after, run.known)


def test_an_answer_may_be_as_old_as_its_request_but_does_not_take_back_what_is_known(run: SeenRun) -> None:
    asked = run.known
    run.told(told("cancelled", 2), run.known)
    run.told(told("running", 1), asked)
    assert run.known.status["status"] == "cancelled"


def test_the_same_etag_for_another_status_is_wrong(run: SeenRun) -> None:
    with pytest.raises(WrongAnswer, match="ETag"):
        run.told(told("running", 1), run.known, '"a"')


def test_another_etag_for_the_same_status_is_wrong(run: SeenRun) -> None:
    with pytest.raises(WrongAnswer, match="ETag"):
        run.told(told(), run.known, '"b"')


def test_a_cancel_that_held_must_be_seen_and_cannot_be_refused(run: SeenRun) -> None:
    run.cancel_confirmed(run.known)
    with pytest.raises(WrongAnswer):
        run.check_cancel(run.cancel_holds, told("running", 1))
    with pytest.raises(WrongAnswer):
        run.cancel_refused()


def test_a_cancel_of_a_completed_run_is_wrong(run: SeenRun) -> None:
    with pytest.raises(WrongAnswer):
        run.cancel_confirmed(Known(told("completed", 1)))


def test_one_question_is_one_run(seen: SeenRuns) -> None:
    with pytest.raises(WrongAnswer, match="two runs"):
        seen.created(QUERY, told(run_id="run_ffffffffffff"), '"b"')


def test_a_run_of_another_user_is_wrong(seen: SeenRuns) -> None:
    foreign = told(run_id="run_ffffffffffff", user_email="eve@example.com", query="Something else entirely?")
    seen.unanswered.add("Something else entirely?")
    with pytest.raises(WrongAnswer, match=r"eve@example\.com"):
        seen.listed([page(foreign, told())], since={})


def test_a_list_with_all_runs_is_right(seen: SeenRuns, run: SeenRun) -> None:
    seen.listed([page(told("running", 1))], since={run.run_id: run.known})
    assert run.known.status["status"] == "running"


@pytest.mark.parametrize("listed", [page(), page(told(), told()), page(told(), total=2)])
def test_a_list_that_lacks_or_doubles_a_run_or_counts_wrongly_is_wrong(
    seen: SeenRuns, run: SeenRun, listed: dict[str, Any]
) -> None:
    with pytest.raises(WrongAnswer):
        seen.listed([listed], since={run.run_id: run.known})


def test_a_list_out_of_order_is_wrong(seen: SeenRuns) -> None:
    seen.unanswered.add("The second question of Ada?")
    later = told(run_id="run_ffffffffffff", query="The second question of Ada?", created_at="2026-03-01T12:00:05Z")
    with pytest.raises(WrongAnswer, match="order"):
        seen.listed([page(told(), later)], since={})


def test_a_create_that_was_never_answered_may_turn_up_once(seen: SeenRuns, run: SeenRun) -> None:
    seen.unanswered.add("The second question of Ada?")
    later = told(run_id="run_ffffffffffff", query="The second question of Ada?", created_at="2026-03-01T12:00:05Z")
    seen.listed([page(later, told())], since={run.run_id: run.known})
    assert not seen.unanswered
    with pytest.raises(WrongAnswer, match="never asked"):
        seen.found({**later, "run_id": "run_eeeeeeeeeeee"})


def test_a_finished_run_must_be_among_the_finished(seen: SeenRuns, run: SeenRun) -> None:
    finished = frozenset({"completed", "failed", "cancelled"})
    seen.listed([page()], since={run.run_id: run.known}, wanted=finished)
    with pytest.raises(WrongAnswer, match="lacks"):
        seen.listed([page()], since={run.run_id: Known(told("cancelled", 1))}, wanted=finished)
    with pytest.raises(WrongAnswer, match="not in the states"):
        seen.listed([page(told("running", 1))], since={run.run_id: run.known}, wanted=finished)
