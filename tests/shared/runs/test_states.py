"""Transition table of runs, and ids derived from run ids."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import TransitionRefused
from shared.runs import states
from shared.runs.states import TRANSITIONS, ComputeState, RunState
from shared.settings import SHORTEST_RETENTION

NOW = datetime(2026, 3, 1, tzinfo=UTC)
any_state = st.sampled_from(RunState)
run_ids = st.from_regex(states.RUN_ID, fullmatch=True)


@given(st.lists(any_state, max_size=12))
def test_whatever_is_asked_for_the_first_terminal_state_wins(wanted: list[RunState]) -> None:
    state, ended = RunState.PENDING, None
    for target in wanted:
        try:
            states.check_transition("run_000000000000", state, target)
        except TransitionRefused:
            continue
        state = target
        ended = ended or (state if state.done else None)
    assert ended in {None, state}


def test_the_table_is_the_designs() -> None:
    edges = {(old.value, new.value) for old, targets in TRANSITIONS.items() for new in targets}
    assert edges == {
        ("pending", "running"),
        ("pending", "failed"),
        ("pending", "cancelled"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "cancelled"),
    }


def test_done_is_having_nowhere_to_go() -> None:
    assert {state.value for state in RunState if state.done} == {"completed", "failed", "cancelled"}


def test_a_refusal_says_what_was_and_what_was_wanted() -> None:
    with pytest.raises(TransitionRefused, match="is completed and cannot become running"):
        states.check_transition("run_000000000000", RunState.COMPLETED, RunState.RUNNING)


def test_new_run_ids_have_the_contracts_form_and_differ() -> None:
    fresh = {states.new_run_id() for _ in range(100)}
    assert len(fresh) == 100
    assert all(re.fullmatch(r"run_[0-9a-f]{12}", run_id) for run_id in fresh)


@given(run_ids, st.integers(1, 99))
def test_a_job_id_keeps_batchs_rules_and_leads_back_to_its_run(run_id: str, attempt: int) -> None:
    job_id = states.job_id(run_id, attempt)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", job_id)
    assert states.run_id_of_job(job_id) == run_id


@pytest.mark.parametrize(
    "stranger", ["", "haystack-", "other-0123456789ab-1", "haystack-0123456789ab-0", "haystack-0123456789ab"]
)
def test_a_strangers_job_leads_to_no_run(stranger: str) -> None:
    assert states.run_id_of_job(stranger) is None


@given(any_state, st.sampled_from(ComputeState))
def test_only_a_finished_run_without_compute_is_never_looked_at(status: RunState, compute: ComputeState) -> None:
    check_at = states.next_check(status, compute, NOW)
    assert (check_at is None) == (status.done and compute is ComputeState.RELEASED)
    assert check_at is None or check_at > NOW


@given(any_state, st.none() | st.datetimes(timezones=st.just(UTC)))
def test_only_a_finished_run_can_be_near_its_expiry(status: RunState, planned: datetime | None) -> None:
    expire_at = states.next_expiry(status, planned, NOW)
    assert (expire_at is None) == (planned is None)
    if planned is not None and expire_at is not None:
        assert expire_at == planned or (not status.done and planned < expire_at == NOW + SHORTEST_RETENTION)
        assert status.done or expire_at >= NOW + SHORTEST_RETENTION


@given(any_state, st.timedeltas(timedelta(0), timedelta(days=9)), st.none() | st.timedeltas(timedelta(0), timedelta(2)))
def test_only_a_run_that_may_fail_can_wait_too_long_and_only_beyond_a_limit(
    status: RunState, waited: timedelta, limit: timedelta | None
) -> None:
    too_long = states.waited_too_long(status, NOW - waited, NOW, limit)
    assert too_long == (limit is not None and not status.done and waited > limit)


def test_a_key_lives_as_long_as_its_job_may_wait() -> None:
    assert states.QUEUE_LIMIT == states.KEY_LIFETIME


def test_each_process_of_a_job_has_a_folder_of_its_own_for_its_results() -> None:
    folder = states.results_folder("run_0123456789ab", 2, "0123456789abcdef0123456789abcdef")
    assert folder == "run_0123456789ab/attempt-2-0123456789ab"
