"""Deliveries of notifications that a run ended: what the run's record holds of each, and when the next attempt is due.

An attempt is claimed in the record before anything is sent. So two sweeps never send at once, a claimed delivery is not
due while it is sent, and after a crash in between, the next attempt sends again: at least once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.fields import Model, Timestamp

# Pauses after failed attempts: the last attempt is a day after the first. Each is longer than a send may take.
PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=8),
    timedelta(hours=8, minutes=24),
)
MAX_ATTEMPTS: Final = len(PAUSES) + 1
# A delivery that found no room in a sweep is due again after this.
POSTPONEMENT: Final = timedelta(minutes=1)


class Channel(StrEnum):
    """How the owner of a run learns that it ended."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"  # for the end of the run, or for the next attempt
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Delivery(Model):
    """Delivery through one channel; a run has at most one for each.

    `url` is None for e-mail, which goes to the owner of the run. `next_at` is when the next attempt is due, None until the run ends and
    after the last attempt. `error` says why the last attempt failed.
    """

    channel: Channel
    url: str | None = None
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    next_at: Timestamp | None = None
    error: str | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether an attempt is due."""
        return self.next_at is not None and self.next_at <= now

    def claimed(self, now: datetime) -> "Delivery":
        """Return the delivery with one more attempt; it is given up if it had its last one and the outcome was lost."""
        if self.attempts >= MAX_ATTEMPTS:
            return self.given_up(self.error or "the outcome of the last attempt is unknown")
        pause = PAUSES[min(self.attempts, len(PAUSES) - 1)]
        return self.model_copy(update={"attempts": self.attempts + 1, "next_at": now + pause})

    def postponed(self, now: datetime) -> "Delivery":
        """Return the delivery with its attempt a little later."""
        return self.model_copy(update={"next_at": now + POSTPONEMENT})

    def delivered(self) -> "Delivery":
        """Return the delivery as done."""
        return self.model_copy(update={"state": DeliveryState.DELIVERED, "next_at": None, "error": None})

    def failed(self, error: str, *, permanent: bool) -> "Delivery":
        """Return the delivery after a failed attempt; it is given up if that was the last one or no other can succeed."""
        if permanent or self.attempts >= MAX_ATTEMPTS:
            return self.given_up(error)
        return self.model_copy(update={"error": error})

    def given_up(self, error: str) -> "Delivery":
        """Return the delivery without further attempts."""
        return self.model_copy(update={"state": DeliveryState.GIVEN_UP, "next_at": None, "error": error})


def started(deliveries: Iterable[Delivery], now: datetime) -> list[Delivery]:
    """Return the deliveries of a run that ended now, due at once."""
    return [each.model_copy(update={"next_at": now}) for each in deliveries]


def next_attempt(deliveries: Iterable[Delivery]) -> datetime | None:
    """Return when the next attempt is due, or None if none is."""
    return min((each.next_at for each in deliveries if each.next_at is not None), default=None)


def replaced(deliveries: Sequence[Delivery], new: Delivery) -> list[Delivery]:
    """Return the deliveries with the new state of one channel."""
    return [new if each.channel is new.channel else each for each in deliveries]
