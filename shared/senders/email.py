"""E-mail to the owner of a run, through the operator's mail server."""

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from shared.errors import DeliveryFailed
from shared.runs.notifications import RunEnded
from shared.settings import SMTPS_PORT, Settings

# For each step of the conversation with the server.
STEP_SECONDS: Final = 5.0


class EmailSender:
    """The port `Sender` for e-mail.

    Args:
        context: how to verify the server; for tests.
    """

    def __init__(self, settings: Settings, context: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._settings = settings
        self._context = context

    async def send(self, event: RunEnded, to: str) -> None:
        """See `Sender.send`."""
        message, abandoned = self._message(event, to), threading.Event()
        try:
            await asyncio.to_thread(self._send, message, abandoned)
        except asyncio.CancelledError:
            # The thread goes on, and would send a message that counts as not sent.
            abandoned.set()
            raise
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryFailed("the mail server did not accept the sign-in of the service") from error
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise DeliveryFailed(f"the mail server refused your address ({code})", permanent=code >= 500) from error
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(f"the mail server answered {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed("the mail server cannot be reached, or its TLS is not valid") from error

    def _message(self, event: RunEnded, to: str) -> EmailMessage:
        """Return the message. The policy refuses a header with a line break; a label is in the text only."""
        sender = Address(addr_spec=self._settings.smtp_from)
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = Address(addr_spec=to)
        message["Subject"] = f"HAYSTACK run {event.run_id}: {event.status.value}"
        message["Date"] = format_datetime(event.at)
        message["Message-ID"] = f"<{event.event_id}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        label = [] if event.label is None else [f"Label: {event.label}"]
        lines = [f"Your run {event.run_id} is {event.status.value}.", *label, "", event.page, ""]
        message.set_content("\n".join(lines))
        return message

    def _send(self, message: EmailMessage, abandoned: threading.Event) -> None:
        settings = self._settings
        host, port = settings.smtp_host, settings.smtp_port
        server = (
            smtplib.SMTP_SSL(host, port, timeout=STEP_SECONDS, context=self._context())
            if port == SMTPS_PORT
            else smtplib.SMTP(host, port, timeout=STEP_SECONDS)
        )
        try:
            if settings.smtp_starttls and port != SMTPS_PORT:
                server.starttls(context=self._context())
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
            if not abandoned.is_set():
                server.send_message(message)
            # Not `with server`: an accepted message is sent, whatever the server answers to the farewell, and whenever.
            with suppress(OSError, smtplib.SMTPException):
                server.putcmd("QUIT")
        finally:
            server.close()
