"""How a user of the soak speaks HTTP: every request is made under the user's name, and counted."""

import time
from typing import Final

import httpx

from benchmarks.soak_ledger import Ledger

EMAIL_HEADER: Final = "X-Goog-Authenticated-User-Email"
Query = dict[str, str | int | list[str]]


class Voice:
    """One user's voice.

    Args:
        email: the user, as the development identity believes it.
        client: pointed at the service; shared by all.
        ledger: where requests are counted.
    """

    def __init__(self, email: str, client: httpx.AsyncClient, ledger: Ledger) -> None:
        self._email = email
        self._client = client
        self._ledger = ledger

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Query | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response | None:
        """The answer to a request at a path of the service, or at a signed URL; None where an outage excuses that there is none.

        Raises:
            WrongAnswer: there is none, or an error of the service, and nothing excuses it.
        """
        began = time.monotonic()
        # A signed URL is whole: it names another host, and Cloud Storage refuses Google's headers that are not signed with it.
        own = {EMAIL_HEADER: self._email} if path.startswith("/") else {}
        try:
            answer = await self._client.request(
                method, path, json=json, params=query, headers={**own, **(headers or {})}
            )
        except httpx.TransportError as error:
            self._ledger.lost(kind, error, began)
            return None
        return answer if self._ledger.answered(kind, answer, began) else None


def tag(answer: httpx.Response) -> str:
    """The ETag of what was sent, compressed or not."""
    return answer.headers["etag"].replace('-gzip"', '"')


def code(answer: httpx.Response) -> str:
    """The slug of a problem; empty for a good answer."""
    return str(answer.json()["code"]) if answer.is_error else ""
