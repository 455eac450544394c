"""Notifications of runs that ended: at least once, never in the way of a run, and free for runs without them. On both stores."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from shared.errors import DeliveryFailed, NotificationRefused, RunNotFound, Unavailable
from shared.runs import deliveries, lifecycle
from shared.runs.deliveries import MAX_ATTEMPTS, PAUSES, Channel, Delivery, DeliveryState
from shared.runs.jobs import JobState
from shared.runs.notifications import NotificationRules, RunEnded
from shared.runs.ports import RunStore, Sender
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest, Notify
from shared.runs.states import ComputeState, RunState
from shared.runs.submission import RunLimits, RunSubmission
from shared.runs.sweeper import CONCURRENT_CHECKS, Sweeper
from shared.runs.views import run_status
from shared.senders.webhook import WebhookSender
from shared.stores.firestore import FirestoreRunStore
from shared.stores.sqlite import SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, SERVICE, lease, make_run, make_sweeper, outcome
from tests.support.fakes import FakeBatch, TestClock
from tests.support.faults import Died
from tests.support.receivers import SECRET, receiving

URL = "https://hooks.example.org/secret-path?secret-query"
RULES = NotificationRules(frozenset({"https://hooks.example.org:443"}), email=True)
BOTH = Notify(webhook=URL, email=True)


class FakeSender:
    """A channel that does what the test says, and then accepts."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.script: list[BaseException | Callable[[], Awaitable[None]]] = []

    async def send(self, event: RunEnded, to: str) -> None:
        """See `Sender.send`."""
        self.sent.append((event.event_id, to))
        what = self.script.pop(0) if self.script else None
        if isinstance(what, BaseException):
            raise what
        if what is not None:
            await what()


class World:
    """A store, a Batch, a clock, and a sender for each channel."""

    def __init__(self, store: RunStore, batch: FakeBatch, clock: TestClock) -> None:
        self.store, self.batch, self.clock = store, batch, clock
        self.webhooks, self.mail = FakeSender(), FakeSender()
        self.max_announcements, self.send_seconds = 50, 30.0
        self.senders: dict[Channel, Sender] = {Channel.WEBHOOK: self.webhooks, Channel.EMAIL: self.mail}

    async def create(self, notify: Notify | None = BOTH, rules: NotificationRules = RULES) -> Run:
        """Create a run whose job runs."""
        request = CreateRunRequest(query="How would NK cells respond to IL-15?", notify=notify)
        limits = RunLimits(notifications=rules)
        run = await RunSubmission(self.store, self.batch, self.clock, limits).create(request, ANSWERABLE, ADA)
        self.batch.put(run.compute.job_id, JobState.RUNNING)
        return await lease(run.run_id, store=self.store, clock=self.clock).begin()

    async def completed(self, notify: Notify | None = BOTH) -> Run:
        """Create a run that its job completes."""
        run = await self.create(notify)
        self.batch.put(run.compute.job_id, JobState.SUCCEEDED)
        return await lease(run.run_id, store=self.store, clock=self.clock).complete(outcome(run.run_id))

    async def sweep(self, store: RunStore | None = None, **later: float) -> None:
        """Move the clock, then sweep."""
        self.clock.move(**later)
        await self.sweeper(store or self.store).sweep()

    async def notified(self, run: Run) -> None:
        """Deliver Batch's notification that the job of a run ended."""
        name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
        await self.sweeper(self.store).notified(name)

    def sweeper(self, store: RunStore) -> Sweeper:
        """Return a sweeper with the world's senders."""
        return make_sweeper(
            store,
            self.batch,
            self.clock,
            senders=self.senders,
            max_announcements=self.max_announcements,
            send_seconds=self.send_seconds,
        )

    async def stored(self, run: Run) -> Run:
        """Return the stored run."""
        found = await self.store.get(run.run_id)
        assert found is not None
        return found

    async def states(self, run: Run) -> list[tuple[DeliveryState, int]]:
        """Return state and attempts of each delivery of a run."""
        return [(each.state, each.attempts) for each in (await self.stored(run)).deliveries]


@pytest.fixture(params=["sqlite", "firestore"])
def run_store(request: pytest.FixtureRequest) -> RunStore:
    """An empty run store."""
    database = request.getfixturevalue(request.param)
    return SqliteRunStore(database) if request.param == "sqlite" else FirestoreRunStore(database)


@pytest.fixture
def world(run_store: RunStore, batch: FakeBatch, clock: TestClock) -> World:
    return World(run_store, batch, clock)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Return what was logged; no line ever has the secret part of an address or an e-mail address."""
    lines: list[str] = []

    def read() -> str:
        lines.append(capsys.readouterr().err)
        return "".join(lines)

    yield read
    assert "secret" not in read()
    assert ADA.email not in read()


async def test_the_sweep_after_the_end_tells_each_channel_once(world: World) -> None:
    run = await world.completed()
    assert (await world.stored(run)).check_at == world.clock()
    await world.sweep()
    event = f"{run.run_id}_completed"
    assert (world.webhooks.sent, world.mail.sent) == ([(event, URL)], [(event, ADA.email)])
    assert await world.states(run) == [(DeliveryState.DELIVERED, 1)] * 2
    assert (await world.stored(run)).check_at is None
    await world.sweep(days=3)
    assert len(world.webhooks.sent + world.mail.sent) == 2


async def test_batchs_notification_tells_at_once(world: World) -> None:
    run = await world.completed()
    await world.notified(run)
    await world.notified(run)
    assert len(world.webhooks.sent + world.mail.sent) == 2


async def test_nothing_is_told_before_the_end(world: World) -> None:
    run = await world.create()
    await world.sweep(minutes=6)
    await world.notified(run)
    assert world.webhooks.sent + world.mail.sent == []


async def test_a_cancel_and_a_failure_are_told_too(world: World) -> None:
    cancelled, failed = await world.create(), await world.create()
    await lifecycle.cancel(cancelled.run_id, ADA, store=world.store, jobs=world.batch, clock=world.clock)
    world.batch.put(failed.compute.job_id, JobState.FAILED, exit_codes=(1,))
    await world.notified(failed)  # it ends the run, and tells so
    await world.sweep()
    assert [event for event, _ in world.mail.sent] == [f"{failed.run_id}_failed", f"{cancelled.run_id}_cancelled"]
    await world.sweep(minutes=5)
    assert (await world.stored(cancelled)).compute.state is ComputeState.RELEASED
    assert len(world.mail.sent) == 2


async def test_a_run_without_notifications_is_as_before(world: World) -> None:
    run = await world.completed(None)
    assert ((await world.stored(run)).check_at, (await world.stored(run)).deliveries) == (None, [])

    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was called")

    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"

    class OneRead(Untouched):
        get = staticmethod(world.store.get)

    await make_sweeper(OneRead(), world.batch, world.clock).notified(name)  # type: ignore[arg-type]
    await world.sweep(days=1)
    assert world.webhooks.sent + world.mail.sent == []


async def test_a_failure_is_repeated_with_growing_pauses_for_a_day(world: World, log: Callable[[], str]) -> None:
    run = await world.completed(Notify(webhook=URL))
    world.webhooks.script = [DeliveryFailed("hooks.example.org answered 500") for _ in range(MAX_ATTEMPTS)]
    await world.sweep()
    for attempt, pause in enumerate(PAUSES, start=2):
        await world.sweep(seconds=pause.total_seconds() - 1)
        assert len(world.webhooks.sent) == attempt - 1
        await world.sweep(seconds=1)
        assert len(world.webhooks.sent) == attempt
    assert sum(PAUSES, timedelta()) == timedelta(hours=24)
    assert len(set(world.webhooks.sent)) == 1  # the same event each time
    (delivery,) = (await world.stored(run)).deliveries
    assert (delivery.state, delivery.error) == (DeliveryState.GIVEN_UP, "hooks.example.org answered 500")
    assert (await world.stored(run)).check_at is None
    assert (await world.stored(run)).status is RunState.COMPLETED
    await world.sweep(days=9)
    assert len(world.webhooks.sent) == MAX_ATTEMPTS
    assert log().count("a notification was not delivered") == MAX_ATTEMPTS


async def test_a_receiver_that_recovers_gets_its_webhook_and_the_other_channel_is_not_repeated(world: World) -> None:
    run = await world.completed()
    world.webhooks.script = [DeliveryFailed("hooks.example.org answered 503")]
    await world.sweep()
    assert await world.states(run) == [(DeliveryState.WAITING, 1), (DeliveryState.DELIVERED, 1)]
    shown = run_status(await world.stored(run)).notifications
    assert [(each.webhook, each.error) for each in shown] == [(URL, "hooks.example.org answered 503"), (None, None)]
    await world.sweep(minutes=1)
    assert await world.states(run) == [(DeliveryState.DELIVERED, 2), (DeliveryState.DELIVERED, 1)]
    assert (len(world.webhooks.sent), len(world.mail.sent)) == (2, 1)


async def test_a_permanent_failure_is_not_repeated(world: World) -> None:
    run = await world.completed(Notify(webhook=URL))
    world.webhooks.script = [DeliveryFailed("gone", permanent=True)]
    await world.sweep()
    await world.sweep(days=1)
    assert await world.states(run) == [(DeliveryState.GIVEN_UP, 1)]


async def test_what_the_operator_turned_off_is_given_up(world: World) -> None:
    run = await world.completed()
    world.senders.clear()
    await world.sweep()
    assert await world.states(run) == [(DeliveryState.GIVEN_UP, 1)] * 2
    reasons = {each.error for each in (await world.stored(run)).deliveries}
    assert reasons == {"the service no longer sends this kind of notification"}


async def test_a_run_that_a_sweep_fails_is_announced_by_the_same_sweep(world: World) -> None:
    run = await world.create()
    world.batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(1,))
    await world.sweep(minutes=6)
    assert [event for event, _ in world.mail.sent] == [f"{run.run_id}_failed"]


async def test_an_error_of_a_sender_stops_neither_the_sweep_nor_the_other_channel(
    world: World, log: Callable[[], str]
) -> None:
    run = await world.completed()
    world.webhooks.script = [ZeroDivisionError("a bug")]
    await world.sweep()
    assert await world.states(run) == [(DeliveryState.WAITING, 1), (DeliveryState.DELIVERED, 1)]
    assert (await world.stored(run)).deliveries[0].error == "the notification could not be sent"
    assert "unexpected error" in log()


async def test_an_error_of_the_store_after_a_send_is_logged_and_stops_no_other_send(
    world: World, log: Callable[[], str]
) -> None:
    runs = [await world.completed(Notify(email=True)) for _ in range(3)]
    due = await world.store.due(world.clock(), limit=9)
    claimed = set()

    class Broken:
        async def due(self, *_: object, **__: object) -> object:
            return due

        async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
            if run_id in claimed and run_id != runs[-1].run_id:
                raise ZeroDivisionError("a bug")
            claimed.add(run_id)
            return await world.store.update(run_id, change)

    await world.sweep(Broken())  # type: ignore[arg-type]
    assert len(world.mail.sent) == 3
    assert log().count("unexpected error") == 2
    assert await world.states(runs[-1]) == [(DeliveryState.DELIVERED, 1)]


async def test_a_crash_after_the_send_and_before_its_record_sends_the_same_event_again(world: World) -> None:
    run = await world.completed(Notify(webhook=URL))
    world.webhooks.script = [Died()]
    with pytest.raises(Died):
        await world.notified(run)
    assert await world.states(run) == [(DeliveryState.WAITING, 1)]
    await world.sweep()  # the claim still holds
    assert len(world.webhooks.sent) == 1
    await world.sweep(minutes=1)
    assert len(world.webhooks.sent) == 2
    assert len(set(world.webhooks.sent)) == 1
    assert await world.states(run) == [(DeliveryState.DELIVERED, 2)]


async def test_a_crash_in_the_last_attempt_gives_up(world: World) -> None:
    last = Delivery(channel=Channel.EMAIL, attempts=MAX_ATTEMPTS, next_at=world.clock())
    run = make_run(status=RunState.FAILED, deliveries=[last], check_at=world.clock())
    await world.store.create(
        run.model_copy(update={"compute": run.compute.model_copy(update={"state": ComputeState.RELEASED})})
    )
    await world.sweep()
    assert (await world.states(run), world.mail.sent) == ([(DeliveryState.GIVEN_UP, MAX_ATTEMPTS)], [])


async def test_a_store_that_loses_the_record_of_a_delivery_leaves_the_claim(
    world: World, log: Callable[[], str]
) -> None:
    run = await world.completed(Notify(email=True))

    class Losing:
        def __init__(self, store: RunStore) -> None:
            self.store, self.updates = store, 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.store, name)

        async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
            self.updates += 1
            if self.updates == 2:
                raise Unavailable("Firestore")
            return await self.store.update(run_id, change)

    await world.sweep(Losing(world.store))  # type: ignore[arg-type]
    assert await world.states(run) == [(DeliveryState.WAITING, 1)]
    assert "the outcome of a notification was not stored" in log()
    await world.sweep(minutes=1)
    assert await world.states(run) == [(DeliveryState.DELIVERED, 2)]


async def test_regression_a_delivery_that_waited_so_long_that_its_claim_ends_is_left_to_the_next_sweep(
    world: World,
) -> None:
    """Regression: fifty runs with two slow channels each took longer than a claim lasts, and a second sweep sent the same news too."""
    run = await world.completed()

    async def wait() -> None:
        world.clock.move(seconds=31)

    world.webhooks.script = [wait]
    await world.sweep()
    assert (len(world.webhooks.sent), len(world.mail.sent)) == (1, 0)
    await world.sweep(seconds=29)
    assert (len(world.webhooks.sent), len(world.mail.sent)) == (1, 1)
    assert await world.states(run) == [(DeliveryState.DELIVERED, 1), (DeliveryState.DELIVERED, 2)]


async def test_of_a_sweep_and_a_notification_at_once_one_sends(world: World) -> None:
    run = await world.completed()
    await asyncio.gather(world.sweep(), world.notified(run), world.sweep(), world.notified(run))
    assert (len(world.webhooks.sent), len(world.mail.sent)) == (1, 1)


async def test_a_deleted_run_is_not_told_of_and_stops_nothing(world: World) -> None:
    gone, other = await world.completed(), await world.completed()
    due = await world.store.due(world.clock(), limit=9)
    await world.store.delete(gone.run_id)

    class Stale:
        async def due(self, *_: object, **__: object) -> object:
            return due

        update = staticmethod(world.store.update)

    await world.sweep(Stale())  # type: ignore[arg-type]
    assert [event for event, _ in world.mail.sent] == [f"{other.run_id}_completed"]


async def test_a_run_that_is_deleted_while_its_news_is_sent_stays_deleted(world: World) -> None:
    run = await world.completed()

    async def delete() -> None:
        await world.store.delete(run.run_id)

    world.webhooks.script = [delete]
    await world.notified(run)
    with pytest.raises(RunNotFound):
        await world.store.update(run.run_id, lambda run: run)


async def test_receivers_that_hang_keep_no_run_from_its_check(world: World) -> None:
    """The sweep ends only after the sends, but the checks do not wait for them."""
    world.send_seconds = 0.2
    for _ in range(12):
        run = await world.completed(Notify(webhook=URL))
    stuck = await world.create(None)
    world.batch.put(stuck.compute.job_id, JobState.FAILED, exit_codes=(1,))

    async def hang() -> None:
        await asyncio.Event().wait()

    world.webhooks.script = [hang for _ in range(12)]
    await world.sweep(minutes=6)
    assert (await world.stored(stuck)).status is RunState.FAILED
    assert await world.states(run) == [(DeliveryState.WAITING, 1)]
    assert (await world.stored(run)).deliveries[0].error == "no answer within 0.2 seconds"
    await world.sweep(minutes=1)
    assert await world.states(run) == [(DeliveryState.DELIVERED, 2)]


async def test_a_sweep_announces_a_bounded_number_of_runs_and_later_sweeps_the_rest(world: World) -> None:
    world.max_announcements = 3
    runs = []
    for _ in range(CONCURRENT_CHECKS + 4):
        runs.append(await world.completed(Notify(email=True)))
        world.clock.move(seconds=1)
    await world.sweep()
    assert len(world.mail.sent) == 3
    assert await world.states(runs[-1]) == [(DeliveryState.WAITING, 0)]
    for _ in range(4):
        await world.sweep(seconds=deliveries.POSTPONEMENT.total_seconds())
    assert sorted(event for event, _ in world.mail.sent) == sorted(f"{run.run_id}_completed" for run in runs)


async def test_a_run_that_a_sweep_leaves_to_the_next_has_only_its_due_deliveries_put_off(world: World) -> None:
    world.max_announcements = 0
    done = Delivery(channel=Channel.WEBHOOK, url=URL, state=DeliveryState.DELIVERED, attempts=1)
    now = world.clock()
    due = Delivery(channel=Channel.EMAIL, next_at=now)
    run = make_run(status=RunState.FAILED, deliveries=[done, due], check_at=now)
    compute = run.compute.model_copy(update={"state": ComputeState.RELEASED})
    await world.store.create(run.model_copy(update={"compute": compute}))
    await world.sweep()
    left = await world.stored(run)
    assert left.deliveries == [done, due.postponed(now)]
    assert left.check_at == now + deliveries.POSTPONEMENT


async def test_news_goes_out_while_batch_is_away(world: World) -> None:
    run = await world.create()
    await lifecycle.cancel(run.run_id, ADA, store=world.store, jobs=world.batch, clock=world.clock)
    world.batch.fault = Unavailable("Batch")
    await world.sweep()
    assert len(world.mail.sent) == 1
    assert (await world.stored(run)).check_at is not None  # its machine is still to be released


@pytest.mark.parametrize("first", [500, "hang", "close", 302])
async def test_end_to_end_a_receiver_gets_a_signed_webhook_after_it_recovers(world: World, first: int | str) -> None:
    world.send_seconds = 2 if first == "hang" else 30
    async with receiving() as receiver:
        receiver.script = [first]
        world.senders = {Channel.WEBHOOK: WebhookSender({receiver.origin}, SECRET, world.clock)}
        rules = NotificationRules(frozenset({receiver.origin}))
        run = await world.create(Notify(webhook=receiver.url), rules)
        await lease(run.run_id, store=world.store, clock=world.clock).complete(outcome(run.run_id))
        await world.sweep()
        assert await world.states(run) == [(DeliveryState.WAITING, 1)]
        await world.sweep(minutes=1)
        assert await world.states(run) == [(DeliveryState.DELIVERED, 2)]
        earlier, later = receiver.received
        assert earlier.headers["webhook-id"] == later.headers["webhook-id"] == f"{run.run_id}_completed"
        assert earlier.body == later.body
        assert int(later.headers["webhook-timestamp"]) - int(earlier.headers["webhook-timestamp"]) == 60
        assert earlier.is_signed()
        assert later.is_signed()
        assert later.json["data"]["links"]["page"] == f"{SERVICE}/runs/{run.run_id}"
        assert "IL-15" not in later.body.decode()
        assert ADA.email not in later.body.decode()


NO_WEBHOOKS = "This service sends no webhooks. Leave notify.webhook out, or ask the operator to allow your host."
NO_MAIL = "This service sends no e-mail. Leave notify.email out, or ask the operator to set up a mail server."
ASCII = "This service sends e-mail only to addresses in ASCII, and yours is not. Leave notify.email out."
ONE_HOST = "This service sends webhooks only to: hooks.example.org. Use one of these hosts, with https."
TWO_HOSTS = "This service sends webhooks only to: a.example.org, b.example.org. Use one of these hosts, with https."
TWO_ORIGINS = NotificationRules(frozenset({"https://b.example.org:443", "https://a.example.org:443"}))


@pytest.mark.parametrize(
    ("wanted", "rules", "owner", "channel", "said"),
    [
        (Notify(webhook=URL), NotificationRules(email=True), ADA.email, Channel.WEBHOOK, NO_WEBHOOKS),
        (Notify(webhook="https://evil.example.org/"), RULES, ADA.email, Channel.WEBHOOK, ONE_HOST),
        (Notify(webhook="https://hooks.example.org:8443/"), RULES, ADA.email, Channel.WEBHOOK, ONE_HOST),
        (Notify(webhook="http://hooks.example.org/"), RULES, ADA.email, Channel.WEBHOOK, ONE_HOST),
        (Notify(webhook="https://hooks.example.org.evil.org/"), RULES, ADA.email, Channel.WEBHOOK, ONE_HOST),
        (Notify(webhook=URL), TWO_ORIGINS, ADA.email, Channel.WEBHOOK, TWO_HOSTS),
        (Notify(email=True), NotificationRules(RULES.origins), ADA.email, Channel.EMAIL, NO_MAIL),
        (Notify(email=True), RULES, "ädä@example.com", Channel.EMAIL, ASCII),
        (Notify(email=True), RULES, "ada@exämple.com", Channel.EMAIL, ASCII),
        (Notify(email=True), RULES, "ada@example.com\r\nBcc: eve@example.com", Channel.EMAIL, ASCII),
    ],
)
def test_what_the_operator_does_not_allow_is_refused_in_a_sentence(
    wanted: Notify, rules: NotificationRules, owner: str, channel: Channel, said: str
) -> None:
    with pytest.raises(NotificationRefused) as refused:
        rules.deliveries(wanted, owner)
    assert vars(refused.value) == vars(NotificationRefused(channel, said))


def test_a_refusal_does_not_ask_for_https_where_http_is_allowed() -> None:
    rules = NotificationRules(frozenset({"http://127.0.0.1:9031"}))
    with pytest.raises(NotificationRefused) as refused:
        rules.deliveries(Notify(webhook=URL), ADA.email)
    assert "only to: http://127.0.0.1:9031. Use one of these hosts." in str(refused.value)
    assert "https" not in str(refused.value)


def test_what_is_allowed_is_recorded() -> None:
    assert RULES.deliveries(None, ADA.email) == RULES.deliveries(Notify(), ADA.email) == []
    assert [(each.channel, each.url) for each in RULES.deliveries(BOTH, ADA.email)] == [
        (Channel.WEBHOOK, URL),
        (Channel.EMAIL, None),
    ]
