"""Webhooks: signed, only to allowed hosts, without redirects, and bounded in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from shared.errors import DeliveryFailed
from shared.runs.notifications import RunEnded
from shared.runs.states import RunState
from shared.runs.webhooks import WebhookUrl
from shared.senders.webhook import WebhookSender
from tests.support.fakes import TestClock
from tests.support.receivers import SECRET, Receiver, certificate, receiving

EVENT = RunEnded("run_0123456789ab", RunState.COMPLETED, "screen 1", datetime(2026, 3, 1, tzinfo=UTC), "https://h.org")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    async with receiving() as found:
        yield found


@pytest.fixture
def sender(receiver: Receiver, clock: TestClock) -> WebhookSender:
    return WebhookSender({receiver.origin}, SECRET, clock)


async def refused(sender: WebhookSender, url: str) -> DeliveryFailed:
    """Return why a webhook was not delivered."""
    with pytest.raises(DeliveryFailed) as raised:
        await sender.send(EVENT, url)
    assert "secret" not in raised.value.detail
    return raised.value


def test_the_library_signs_as_the_example_of_the_specification() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_webhook_is_signed_and_says_what_ended_and_where_to_look(
    receiver: Receiver, sender: WebhookSender, clock: TestClock
) -> None:
    await sender.send(EVENT, receiver.url)
    (found,) = receiver.received
    assert (found.method, found.target) == ("POST", "/hooks/secret-path?token=secret-query")
    assert found.headers["host"] == receiver.origin.removeprefix("http://")
    assert found.headers["content-type"] == "application/json"
    assert found.headers["webhook-id"] == "run_0123456789ab_completed"
    assert found.headers["webhook-timestamp"] == str(int(clock().timestamp()))
    assert found.is_signed()
    assert not found.is_signed("whsec_" + "A" * 43 + "=")
    page = "https://h.org/runs/run_0123456789ab"
    status = "https://h.org/api/v1/runs/run_0123456789ab"
    assert found.json == {
        "type": "run.completed",
        "timestamp": "2026-03-01T00:00:00.000000Z",
        "data": {
            "run_id": "run_0123456789ab",
            "status": "completed",
            "label": "screen 1",
            "links": {"page": page, "status": status, "result": f"{status}/result"},
        },
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_an_acceptance(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.script = [status]
    await sender.send(EVENT, receiver.url)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 500, 503])
async def test_another_status_is_a_failure_and_redirects_are_not_followed(
    receiver: Receiver, sender: WebhookSender, status: int
) -> None:
    receiver.script = [status]
    error = await refused(sender, receiver.url)
    assert (str(status) in error.detail, error.permanent) == (True, False)
    assert len(receiver.received) == 1


async def test_a_receiver_that_is_gone_wants_no_more(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.script = [410]
    assert (await refused(sender, receiver.url)).permanent


async def test_a_receiver_that_closes_or_does_not_listen_is_a_failure(
    receiver: Receiver, sender: WebhookSender, clock: TestClock
) -> None:
    receiver.script = ["close"]
    assert not (await refused(sender, receiver.url)).permanent
    deaf = WebhookSender({"http://127.0.0.1:1"}, SECRET, clock)
    assert "cannot be reached" in (await refused(deaf, "http://127.0.0.1:1/secret")).detail


@pytest.mark.parametrize("how", ["hang", "drip"])
async def test_a_receiver_that_hangs_or_drips_can_be_left(receiver: Receiver, sender: WebhookSender, how: str) -> None:
    receiver.script = [how]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await sender.send(EVENT, receiver.url)


async def test_an_endless_header_is_a_failure(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.script = ["flood"]
    assert "cannot be reached" in (await refused(sender, receiver.url)).detail


async def test_only_allowed_hosts_and_ports_are_asked(receiver: Receiver, clock: TestClock) -> None:
    other = WebhookSender({"https://hooks.example.org:443"}, SECRET, clock)
    error = await refused(other, receiver.url)
    assert (error.permanent, receiver.received) == (True, [])


async def test_without_a_key_nothing_is_sent(receiver: Receiver, clock: TestClock) -> None:
    error = await refused(WebhookSender({receiver.origin}, "", clock), receiver.url)
    assert ("WEBHOOK_SECRET" in error.detail, error.permanent, receiver.received) == (True, False, [])


async def test_over_tls_the_receiver_must_have_a_valid_certificate(clock: TestClock, tmp_path: Path) -> None:
    made = certificate(tmp_path)
    async with receiving(made.server) as receiver:
        error = await refused(WebhookSender({receiver.origin}, SECRET, clock), receiver.url)
        assert ("certificate" in error.detail, receiver.received) == (True, [])
        await WebhookSender({receiver.origin}, SECRET, clock, lambda: made.client).send(EVENT, receiver.url)
        assert receiver.received[0].is_signed()


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://hooks.example.org", "https://hooks.example.org:443", "/"),
        ("https://Hooks.Example.ORG/a/b?c=d", "https://hooks.example.org:443", "/a/b?c=d"),
        ("https://hooks.example.org:8443?c", "https://hooks.example.org:8443", "/?c"),
        ("http://127.0.0.1:9000//x", "http://127.0.0.1:9000", "//x"),
    ],
)
def test_an_address_has_one_reading(url: str, origin: str, target: str) -> None:
    found = WebhookUrl.parse(url)
    assert (found.origin, found.target) == (origin, target)
