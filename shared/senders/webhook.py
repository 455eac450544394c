"""Webhooks, signed by the scheme of https://www.standardwebhooks.com, to hosts that the operator allows.

The allowed hosts are the defense against requests into the operator's network: the host and the port of each request are compared with
them just before it is sent, and no redirect is followed.

The response is parsed by h11 on a connection of asyncio, because the libraries that block, such as requests, bound each read and not the
whole exchange: a receiver that sends a byte every second would hold a thread forever.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import h11
from standardwebhooks import Webhook

from shared.errors import DeliveryFailed
from shared.fields import Clock
from shared.runs.notifications import RunEnded
from shared.runs.webhooks import PORTS, WebhookUrl

# Maximum size of the header of a response, in bytes.
MAX_HEADER_BYTES: Final = 16 * 1024


class WebhookSender:
    """The port `Sender` for webhooks.

    Args:
        origins: scheme, host and port of each allowed receiver.
        secret: `whsec_` and the base64 of the signing key; empty: nothing can be sent.
        context: how to verify receivers; for tests.
    """

    def __init__(
        self,
        origins: Collection[str],
        secret: str,
        clock: Clock,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._origins = origins
        self._secret = secret
        self._clock = clock
        self._context = context

    async def send(self, event: RunEnded, to: str) -> None:
        """See `Sender.send`."""
        url = WebhookUrl.parse(to)
        if url.origin not in self._origins:
            raise DeliveryFailed(f"webhooks to {url.host} are no longer allowed", permanent=True)
        if not self._secret:
            raise DeliveryFailed("the service has no key to sign webhooks; its operator must set WEBHOOK_SECRET")
        body = json.dumps(event.payload(), separators=(",", ":")).encode()
        try:
            status = await self._post(url, body, self._headers(event, body))
        except ssl.SSLError as error:
            raise DeliveryFailed(f"the certificate or TLS of {url.host} is not valid") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise DeliveryFailed(f"{url.host} cannot be reached, or ended the connection") from error
        if status == HTTPStatus.GONE:
            raise DeliveryFailed(f"{url.host} accepts no more webhooks (410)", permanent=True)
        if not 200 <= status < 300:
            redirect = " (redirects are not followed)" if 300 <= status < 400 else ""
            raise DeliveryFailed(f"{url.host} answered {status}{redirect}")

    def _headers(self, event: RunEnded, body: bytes) -> list[tuple[str, str]]:
        now = datetime.fromtimestamp(int(self._clock().timestamp()), UTC)
        return [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("User-Agent", "haystack"),
            ("Connection", "close"),
            ("webhook-id", event.event_id),
            ("webhook-timestamp", str(int(now.timestamp()))),
            ("webhook-signature", Webhook(self._secret).sign(event.event_id, now, body.decode())),
        ]

    async def _post(self, url: WebhookUrl, body: bytes, headers: list[tuple[str, str]]) -> int:
        """Send a request and return the status of its response, whose body is not read."""
        context = self._context() if url.scheme == "https" else None
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_BYTES)
            host = url.host if url.port == PORTS[url.scheme] else f"{url.host}:{url.port}"
            request = h11.Request(method="POST", target=url.target, headers=[("Host", host), *headers])
            for part in (request, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(connection.send(part) or b"")
            await writer.drain()
            while True:
                found = connection.next_event()
                if isinstance(found, h11.Response):
                    return found.status_code
                if found is h11.NEED_DATA:
                    connection.receive_data(await reader.read(MAX_HEADER_BYTES))
                elif not isinstance(found, h11.InformationalResponse):
                    raise ConnectionError("no response")
        finally:
            # Abort instead of close, because a receiver could delay the end of TLS.
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
