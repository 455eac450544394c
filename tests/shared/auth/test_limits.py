"""Limits of one caller: requests per minute by a token bucket, and requests that wait at the same time."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.auth.identity import Caller
from shared.auth.limits import MAX_CALLERS, PAUSE_SECONDS, WINDOW_SECONDS, Allowance, CallerLimits
from shared.errors import TooManyWaitingRequests


def named(name: str) -> Caller:
    return Caller(f"subject of {name}", name)


ADA, BOB = named("ada@example.com"), named("bob@example.com")


class Stopwatch:
    """Monotonic time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def make(watch: Stopwatch) -> Callable[[int], CallerLimits]:
    return lambda quota: CallerLimits(requests_per_minute=quota, waiting=2, clock=watch)


def admitted(limits: CallerLimits, caller: Caller) -> Allowance:
    allowance = limits.admit(caller)
    assert allowance is not None
    return allowance


def test_a_rested_caller_may_send_the_quota_at_once_and_then_one_request_at_a_time(
    make: Callable[[int], CallerLimits], watch: Stopwatch
) -> None:
    limits = make(30)
    remaining = [admitted(limits, ADA).remaining for _ in range(30)]
    assert remaining == list(range(29, -1, -1))
    assert admitted(limits, ADA) == Allowance(False, 30, 0, PAUSE_SECONDS)
    assert admitted(limits, BOB).admitted  # another caller has its own quota
    watch.now += 2
    assert admitted(limits, ADA) == Allowance(True, 30, 0, PAUSE_SECONDS)
    assert not admitted(limits, ADA).admitted
    watch.now += WINDOW_SECONDS
    assert admitted(limits, ADA) == Allowance(True, 30, 29, 2)


def test_the_reset_is_when_the_quota_is_whole_or_when_the_next_request_is_admitted(
    make: Callable[[int], CallerLimits], watch: Stopwatch
) -> None:
    limits, resets = make(2), list[int]()  # a token in 30 seconds
    for pause in (0, 0, 15):
        watch.now += pause
        resets.append(admitted(limits, ADA).reset_seconds)
    assert resets == [30, 30, 15]


def test_without_a_limit_nothing_is_counted(make: Callable[[int], CallerLimits]) -> None:
    limits = CallerLimits(requests_per_minute=0, waiting=0)
    assert limits.admit(ADA) is None
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(limits.waiting(ADA))


@given(
    quota=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 2 * WINDOW_SECONDS, allow_nan=False) | st.just(0.0), max_size=200),
)
def test_in_no_period_more_requests_are_admitted_than_the_quota_and_what_is_added(
    quota: int, pauses: list[float]
) -> None:
    watch = Stopwatch()
    limits = CallerLimits(requests_per_minute=quota, waiting=0, clock=watch)
    times = []
    for pause in pauses:
        watch.now += pause
        if admitted(limits, ADA).admitted:
            times.append(watch.now)
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= quota + (end - start) * quota / WINDOW_SECONDS + 1e-6


@given(quota=st.integers(1, 2000), pauses=st.lists(st.floats(0, 10, allow_nan=False), max_size=100))
def test_a_caller_who_waits_as_told_is_admitted_again(quota: int, pauses: list[float]) -> None:
    watch = Stopwatch()
    limits = CallerLimits(requests_per_minute=quota, waiting=0, clock=watch)
    for pause in pauses:
        watch.now += pause
        while (allowance := admitted(limits, ADA)).remaining:
            pass
        watch.now += allowance.reset_seconds + 1e-6
        assert admitted(limits, ADA).admitted


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30, allow_nan=False)), max_size=200))
def test_forgetting_full_buckets_changes_no_answer(requests: list[tuple[int, float]]) -> None:
    """Each caller is answered as if no other had sent anything."""
    watch = Stopwatch()
    shared = CallerLimits(requests_per_minute=5, waiting=0, clock=watch)
    alone = [CallerLimits(requests_per_minute=5, waiting=0, clock=watch) for _ in range(6)]
    for number, pause in requests:
        watch.now += pause
        assert shared.admit(named(str(number))) == alone[number].admit(named(str(number)))


def test_the_memory_does_not_grow_with_the_number_of_callers(
    make: Callable[[int], CallerLimits], watch: Stopwatch
) -> None:
    limits = make(2)
    for number in range(MAX_CALLERS + 100):
        limits.admit(named(str(number)))
    assert len(limits._buckets) == MAX_CALLERS
    assert "0" not in limits._buckets  # the oldest
    watch.now += WINDOW_SECONDS
    limits.admit(ADA)
    assert list(limits._buckets) == [ADA.subject]


def test_a_caller_may_wait_with_some_requests_and_another_caller_too(make: Callable[[int], CallerLimits]) -> None:
    limits = make(1)
    with limits.waiting(ADA), limits.waiting(BOB), limits.waiting(ADA):
        with pytest.raises(TooManyWaitingRequests, match=r"2 of your requests") as refused, limits.waiting(ADA):
            pass
        assert (refused.value.limit, refused.value.retry_after) == (2, 5)
    with pytest.raises(ZeroDivisionError), limits.waiting(ADA):
        raise ZeroDivisionError
    with limits.waiting(ADA), limits.waiting(ADA):
        assert list(limits._waiting) == [ADA.subject]
    assert not limits._waiting
