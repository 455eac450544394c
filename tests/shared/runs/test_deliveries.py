"""The life of a delivery: attempts at most a day long, one at a time, and an end that stays."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.deliveries import MAX_ATTEMPTS, POSTPONEMENT, Channel, Delivery, DeliveryState, next_attempt, started

NOW = datetime(2026, 3, 1, tzinfo=UTC)
# What happens to an attempt; the process dies before it knows, if anything.
OUTCOMES = st.sampled_from(["delivered", "failed", "refused for good", "died"])


@given(st.lists(st.tuples(OUTCOMES, st.floats(0, 600)), min_size=1, max_size=20))
def test_every_delivery_ends_within_a_day_of_attempts(story: list[tuple[str, float]]) -> None:
    (delivery,) = started([Delivery(channel=Channel.EMAIL)], NOW)
    now, sent = NOW, 0
    for outcome, late in story:
        due = next_attempt([delivery])
        if due is None:
            break
        assert not delivery.is_due(due - timedelta(microseconds=1))
        now = max(now, due) + timedelta(seconds=late)
        delivery = delivery.claimed(now)
        if delivery.state is DeliveryState.GIVEN_UP:
            break
        sent += 1
        assert not delivery.is_due(now + timedelta(seconds=30))  # nobody else sends meanwhile
        if outcome == "delivered":
            delivery = delivery.delivered()
        elif outcome != "died":
            delivery = delivery.failed("why", permanent=outcome == "refused for good")
    assert sent <= MAX_ATTEMPTS
    assert (delivery.next_at is None) == (delivery.state is not DeliveryState.WAITING)
    assert (delivery.error is None) or delivery.state is not DeliveryState.DELIVERED
    if len(story) > MAX_ATTEMPTS:
        assert delivery.state is not DeliveryState.WAITING


def test_a_delivery_without_room_is_due_a_little_later_and_has_lost_no_attempt() -> None:
    (delivery,) = started([Delivery(channel=Channel.EMAIL, attempts=2)], NOW)
    assert delivery.postponed(NOW) == delivery.model_copy(update={"next_at": NOW + POSTPONEMENT})


def test_a_delivery_that_is_given_up_says_why() -> None:
    claimed = started([Delivery(channel=Channel.EMAIL)], NOW)[0].claimed(NOW)
    assert claimed.failed("no such address", permanent=True).error == "no such address"
    lost = Delivery(channel=Channel.EMAIL, attempts=MAX_ATTEMPTS, next_at=NOW)
    assert lost.claimed(NOW).error == "the outcome of the last attempt is unknown"


def test_nothing_is_due_before_the_run_ends() -> None:
    waiting = Delivery(channel=Channel.WEBHOOK, url="https://hooks.example.org/")
    assert (next_attempt([waiting]), next_attempt([])) == (None, None)
    assert not waiting.is_due(NOW + timedelta(days=99))
