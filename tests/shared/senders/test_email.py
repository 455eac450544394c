"""E-mail: to the owner alone, encrypted and signed in if so set, and with headers that nobody can add to."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import HeaderParseError
from pathlib import Path

import pytest

from shared.errors import DeliveryFailed
from shared.runs.notifications import RunEnded
from shared.runs.states import RunState
from shared.senders.email import EmailSender
from shared.settings import Settings
from tests.support.builders import ADA
from tests.support.receivers import certificate, mail_server

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(label: str | None = "screen 1", status: RunState = RunState.FAILED) -> RunEnded:
    return RunEnded("run_0123456789ab", status, label, AT, "https://h.org")


def settings(port: int, **changes: object) -> Settings:
    plain = Settings(smtp_host="127.0.0.1", smtp_port=port, smtp_starttls=0, smtp_from="haystack@example.org")
    return plain._replace(**changes)  # type: ignore[arg-type]


async def test_the_message_names_the_run_its_state_its_label_and_its_page() -> None:
    async with mail_server() as (mailbox, port):
        await EmailSender(settings(port)).send(event(), ADA.email)
    (message,) = mailbox.messages
    assert mailbox.recipients == [[ADA.email]]
    assert message["From"] == "haystack@example.org"
    assert message["To"] == ADA.email
    assert message["Subject"] == "HAYSTACK run run_0123456789ab: failed"
    assert message["Message-ID"] == "<run_0123456789ab_failed@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == [
        "Your run run_0123456789ab is failed.",
        "Label: screen 1",
        "",
        "https://h.org/runs/run_0123456789ab",
    ]


@pytest.mark.parametrize(
    "label",
    ["x\u2028Bcc: eve@example.com", "monocytes\u00a0\u202e γ", ".", "x" * 100, "=?utf-8?q?Bcc:_eve=40example.com?="],
)
async def test_no_label_changes_the_headers_or_the_recipients(label: str) -> None:
    async with mail_server() as (mailbox, port):
        await EmailSender(settings(port)).send(event(label), ADA.email)
        await EmailSender(settings(port)).send(event(None), ADA.email)
    labeled, plain = mailbox.messages
    assert mailbox.recipients == [[ADA.email], [ADA.email]]
    varying = {"content-type", "content-transfer-encoding"}
    assert {name: value for name, value in labeled.items() if name.lower() not in varying} == {
        name: value for name, value in plain.items() if name.lower() not in varying
    }
    assert f"Label: {label}" in labeled.get_content()


@pytest.mark.parametrize("address", ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com"])
async def test_an_address_that_is_two_or_has_a_line_break_is_never_sent_to(address: str) -> None:
    async with mail_server() as (mailbox, port):
        with pytest.raises((ValueError, HeaderParseError)):
            await EmailSender(settings(port)).send(event(), address)
        assert mailbox.messages == []


async def test_with_a_user_the_connection_is_encrypted_and_signed_in(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    async with mail_server(made.server) as (mailbox, port):
        wanted = settings(port, smtp_starttls=1, smtp_user="haystack", smtp_password="right")
        await EmailSender(wanted, lambda: made.client).send(event(), ADA.email)
        assert (mailbox.users, mailbox.encrypted, mailbox.recipients) == (["haystack"], [True], [[ADA.email]])
        for refused, context in (
            (wanted._replace(smtp_password="wrong-password"), made.client),
            (wanted, ssl.create_default_context()),  # does not know the certificate
            (wanted._replace(smtp_starttls=0, smtp_user=""), made.client),
        ):
            sender = EmailSender(refused, lambda context=context: context)  # type: ignore[misc]
            with pytest.raises(DeliveryFailed) as raised:
                await sender.send(event(), ADA.email)
            assert not raised.value.permanent
            assert "wrong-password" not in raised.value.detail
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize(("refusal", "permanent"), [("550 no such user", True), ("451 later", False)])
async def test_an_address_that_the_server_refuses_for_good_is_given_up(refusal: str, permanent: bool) -> None:
    async with mail_server() as (mailbox, port):
        mailbox.refusal = refusal
        with pytest.raises(DeliveryFailed, match=f"refused your address .{refusal[:3]}.") as raised:
            await EmailSender(settings(port)).send(event(), ADA.email)
    assert raised.value.permanent is permanent


async def test_a_server_that_does_not_listen_is_a_failure() -> None:
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        await EmailSender(settings(1)).send(event(), ADA.email)


async def test_regression_a_message_that_was_accepted_is_sent_whatever_the_server_answers_to_the_farewell() -> None:
    """Regression: a server that answered QUIT with another code than 221 got the message again at each attempt, eight times in a day."""
    async with mail_server() as (mailbox, port):
        mailbox.farewell = "421 overloaded"
        await EmailSender(settings(port)).send(event(), ADA.email)
    assert len(mailbox.messages) == 1


async def test_regression_an_attempt_that_was_given_up_sends_nothing_later() -> None:
    """Regression: its thread went on, and sent a message that the next attempt sent again."""
    connected, slow, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await slow.wait()
        writer.write(b"220 ready\r\n")
        with suppress(OSError):
            while line := await reader.readline():
                lines.append(line)
                writer.write(b"250 OK\r\n")
        writer.close()
        over.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        sender = EmailSender(settings(server.sockets[0].getsockname()[1]))
        sending = asyncio.create_task(sender.send(event(), ADA.email))
        await connected.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        slow.set()
        await over.wait()
    assert lines == [b"QUIT\r\n"]
