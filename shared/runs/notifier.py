"""Send the notifications that are due. Nothing else of a run changes, and no failure here reaches the reconciler."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shared import logs
from shared.errors import DeliveryFailed, RunNotFound, Unavailable
from shared.fields import Clock
from shared.logs import Severity
from shared.runs.deliveries import Channel, Delivery, DeliveryState, replaced
from shared.runs.notifications import RunEnded
from shared.runs.ports import RunStore, Sender
from shared.runs.records import Run

CONCURRENT_SENDS: Final = 10
# Shorter than the first pause between attempts, so that two attempts never overlap.
SEND_SECONDS: Final = 10.0


class Notifier:
    """Delivers the notifications of runs.

    Args:
        sender_of: returns what sends through a channel, or None if the operator has turned it off.
        service_url: what the links in notifications begin with.
        send_seconds: how long an attempt may take.
    """

    def __init__(
        self,
        store: RunStore,
        sender_of: Callable[[Channel], Sender | None],
        clock: Clock,
        service_url: str,
        *,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        self._store = store
        self._sender_of = sender_of
        self._clock = clock
        self._service_url = service_url
        self._send_seconds = send_seconds
        self._room = asyncio.Semaphore(CONCURRENT_SENDS)

    def is_due(self, run: Run) -> bool:
        """Return whether a delivery of the run is due; for a run without notifications, this costs nothing."""
        now = self._clock()
        return any(each.is_due(now) for each in run.deliveries)

    async def claim(self, seen: Run) -> tuple[Run, list[Delivery]]:
        """Take the due deliveries of a run, so that nobody else sends them; return the run as stored, and what to send."""
        claimed: list[Delivery] = []

        def change(run: Run) -> Run | None:
            now = self._clock()
            claimed.clear()  # the store may call this again
            new = [each.claimed(now) if each.is_due(now) else each for each in run.deliveries]
            claimed.extend(each for each, old in zip(new, run.deliveries, strict=True) if each.attempts > old.attempts)
            return None if new == run.deliveries else run.checked(now, deliveries=new)

        try:
            return await self._store.update(seen.run_id, change), claimed
        except RunNotFound:
            return seen, []  # deleted in the meantime, so no notification is due

    async def postpone(self, seen: Run) -> None:
        """Leave the due deliveries of a run to a later sweep."""

        def change(run: Run) -> Run:
            now = self._clock()
            later = [each.postponed(now) if each.is_due(now) else each for each in run.deliveries]
            return run.checked(now, deliveries=later)

        try:
            await self._store.update(seen.run_id, change)
        except RunNotFound:
            return

    async def send(self, run: Run, claimed: list[Delivery]) -> None:
        """Send claimed deliveries, and record how each of them went."""
        for delivery in claimed:
            async with self._room:
                if self._lapses(delivery):
                    continue
                result = await self._attempt(run, delivery)
            if result != delivery:
                await self._record(run, result)

    def _lapses(self, claimed: Delivery) -> bool:
        """Return whether a claim may end before a send does, because it waited for room: the next sweep then sends instead."""
        return claimed.is_due(self._clock() + timedelta(seconds=self._send_seconds))

    async def _attempt(self, run: Run, delivery: Delivery) -> Delivery:
        try:
            sender = self._sender_of(delivery.channel)
            if sender is None:
                raise DeliveryFailed("the service no longer sends this kind of notification", permanent=True)
            async with asyncio.timeout(self._send_seconds):
                await sender.send(RunEnded.of(run, self._service_url), delivery.url or run.user_email)
        except DeliveryFailed as error:
            return self._failed(run, delivery, error.detail, permanent=error.permanent)
        except TimeoutError:
            return self._failed(run, delivery, f"no answer within {self._send_seconds:g} seconds")
        except Exception as error:  # noqa: BLE001  # whatever a sender does must not stop the sweep
            logs.log(Severity.ERROR, "unexpected error", error=error, run_id=run.run_id, channel=delivery.channel.value)
            return self._failed(run, delivery, "the notification could not be sent")
        return delivery.delivered()

    def _failed(self, run: Run, delivery: Delivery, reason: str, *, permanent: bool = False) -> Delivery:
        result = delivery.failed(reason, permanent=permanent)
        logs.log(
            Severity.WARNING,
            "a notification was not delivered",
            run_id=run.run_id,
            channel=delivery.channel.value,
            attempt=delivery.attempts,
            given_up=result.state is DeliveryState.GIVEN_UP,
            reason=reason,
        )
        return result

    async def _record(self, sent: Run, result: Delivery) -> None:
        def change(run: Run) -> Run | None:
            # The outcome of an earlier attempt may be late: a newer claim then decides.
            if all(each.attempts != result.attempts for each in run.deliveries if each.channel is result.channel):
                return None
            return run.checked(self._clock(), deliveries=replaced(run.deliveries, result))

        try:
            await self._store.update(sent.run_id, change)
        except RunNotFound:
            return
        except Unavailable as error:
            # The claim stays, so the next attempt repeats it, with the same event id.
            logs.log(Severity.WARNING, "the outcome of a notification was not stored", error=error, run_id=sent.run_id)
