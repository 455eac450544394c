"""The callers of reconcile: Pub/Sub's push requests and Cloud Scheduler's sweep, with the real message formats and tokens."""

import asyncio
import base64
import sys
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import httpx

from local.tokens import TokenIssuer

RECONCILE_PATH: Final = "/api/v1/reconcile"
SWEEP_SECONDS: Final = 15.0
DELIVERIES: Final = 5
FIRST_BACKOFF_SECONDS: Final = 0.5
SUBSCRIPTION: Final = "projects/haystack-local/subscriptions/batch-notifications"


class Events:
    """An emulator of Pub/Sub and Cloud Scheduler, for the service at a URL."""

    def __init__(self, url: str, issuer: TokenIssuer) -> None:
        self._url = url + RECONCILE_PATH
        self._issuer = issuer
        self._client = httpx.AsyncClient(timeout=60.0, trust_env=False)
        self._sweeping: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def start(self, every_seconds: float = SWEEP_SECONDS) -> None:
        """Start sweeping at this interval."""
        self._sweeping = asyncio.create_task(self._sweep(every_seconds))

    async def publish(self, attributes: Mapping[str, str]) -> None:
        """Push a Batch notification; retry with growing delays, and give up in the end."""
        task = asyncio.create_task(self._deliver(dict(attributes)))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def stop(self) -> None:
        """Stop the sweep and the deliveries in progress."""
        tasks = [*self._deliveries, *([self._sweeping] if self._sweeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _sweep(self, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            report = await self._post({}, "the sweep")
            if report and report.get("failed"):
                print(f"local: the sweep ended {', '.join(report['failed'])}, whose job was lost", file=sys.stderr)

    async def _deliver(self, attributes: dict[str, str]) -> None:
        message = {"attributes": attributes, "data": base64.b64encode(b"").decode(), "messageId": uuid4().hex}
        for delivery in range(DELIVERIES):
            if await self._post({"message": message, "subscription": SUBSCRIPTION}, "a Batch notification") is not None:
                return
            await asyncio.sleep(FIRST_BACKOFF_SECONDS * 2**delivery)

    async def _post(self, content: object, what: str) -> dict[str, Any] | None:
        """Send a request, and return the response, or None if it was not accepted."""
        headers = {"Authorization": f"Bearer {self._issuer.token(self._url)}"}
        try:
            response = await self._client.post(self._url, json=content, headers=headers)
        except httpx.TransportError as error:
            print(f"local: {what} could not be delivered: {error!r}", file=sys.stderr)
            return None
        if not response.is_success:
            print(f"local: reconcile did not accept {what}: {response.status_code} {response.text}", file=sys.stderr)
            return None
        report: dict[str, Any] = response.json()
        return report
