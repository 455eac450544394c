"""Receivers of notifications on 127.0.0.1: an HTTP server that answers as a test says, and a mail server."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, NamedTuple

import h11
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Received(NamedTuple):
    """A request that a receiver got."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON
        """The body as JSON."""
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        """Return whether the signature is right, computed from the specification and not by the library of the service."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        identity, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{identity}.{at}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """An HTTP server that answers the scripted statuses in order, and then 204.

    Attributes:
        script: a status, `hang` (never answers), `drip` (sends a header byte by byte), `flood` (sends an
            endless header), or `close` (closes without an answer).
    """

    def __init__(self) -> None:
        self.script: list[int | str] = []
        self.received: list[Received] = []
        self.url = ""
        self.origin = ""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """End the connections that hang."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            connection = h11.Connection(h11.SERVER)
            self.received.append(await self._request(connection, reader))
            await self._respond(connection, writer)
        except OSError:
            pass  # the service had enough
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _request(self, connection: h11.Connection, reader: asyncio.StreamReader) -> Received:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                headers = {name.decode(): value.decode() for name, value in request.headers}
                return Received(request.method.decode(), request.target.decode(), headers, body)
            else:
                raise ConnectionError

    async def _respond(self, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        what = self.script.pop(0) if self.script else 204
        if what == "hang":
            await asyncio.Event().wait()
        if what in {"drip", "flood"}:
            writer.write(b"HTTP/1.1 200 OK\r\nx: ")
            while True:
                writer.write(b"x" if what == "drip" else b"x" * 65536)
                await writer.drain()
                await asyncio.sleep(0.01 if what == "drip" else 0)
        if isinstance(what, int):
            headers = [("Location", f"{self.url}/elsewhere"), ("Content-Length", "0")]
            response = h11.Response(status_code=what, headers=headers)
            writer.write(connection.send(response) or b"")
            await writer.drain()


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    receiver.origin = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    receiver.url = f"{receiver.origin}/hooks/secret-path?token=secret-query"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.stop()


class Mailbox:
    """A mail server's handler that keeps what it accepts.

    Attributes:
        refusal: response to each recipient instead of acceptance.
        farewell: response to QUIT.
    """

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.encrypted: list[bool] = []
        self.users: list[str] = []
        self.refusal = ""
        self.farewell = "221 Bye"

    async def handle_RCPT(  # noqa: N802  # the name and the parameters that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept a recipient, or not."""
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        """Accept a message."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(envelope.rcpt_tos)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802  # as above
        """End a conversation."""
        return self.farewell

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object
    ) -> AuthResult:
        """Accept one password."""
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"right")


@asynccontextmanager
async def mail_server(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Mailbox, int]]:
    """Run a mail server that asks for STARTTLS and a password if it has a certificate; yield its mailbox and port."""
    mailbox = Mailbox()
    tls = context is not None

    def connected() -> SMTP:
        return SMTP(
            mailbox,
            hostname="127.0.0.1",
            tls_context=context,
            require_starttls=tls,
            auth_required=tls,
            authenticator=mailbox.authenticate,
        )

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    try:
        yield mailbox, server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Certificate(NamedTuple):
    """A certificate of 127.0.0.1 that signs itself: the server's context, and one that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certificate(folder: Path) -> Certificate:
    """Create a certificate; its files are in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cafile=path))
