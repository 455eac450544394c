"""Fetch and cache the public keys of an identity provider, which Google publishes as sets of JSON web keys (RFC 7517).

Not `jwt.PyJWKClient`: it caches keys forever or fetches them every 30 s, and does not use old keys while the key server is down.
"""

import asyncio
import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared import logs
from shared.errors import SettingsInvalid, Unavailable
from shared.logs import Severity

# Keys younger than this are used without a fetch.
FRESH_SECONDS: Final = 3600.0
# Older keys are still used up to this age while the key server is down.
USABLE_SECONDS: Final = 6 * 3600.0
# Shortest time between two fetches for unknown key ids, so that forged ids cannot flood the key server.
MISS_INTERVAL: Final = 30.0
# Shortest time between two attempts after a failed fetch; `MISS_INTERVAL` while the cached keys are usable.
FAILURE_INTERVAL: Final = 2.0
# For each step of a fetch: to connect to one of the server's addresses, of which Google's have up to twenty, and to read a piece.
FETCH_TIMEOUT: Final = 5.0
# For the whole fetch, because all callers wait for it.
FETCH_DEADLINE: Final = 10.0
MAX_DOCUMENT_BYTES: Final = 1 << 20

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class PublicKeys:
    """The cached keys of one URL. Concurrent callers share one fetch. An instance belongs to one event loop.

    Args:
        clock: monotonic time in seconds.
        deadline: seconds after which a fetch has failed.

    Raises:
        SettingsInvalid: the URL is not an HTTP URL.
    """

    def __init__(
        self, url: str, *, clock: Callable[[], float] = time.monotonic, deadline: float = FETCH_DEADLINE
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise SettingsInvalid([f"the URL of public keys must begin with http:// or https://, not {url!r}"])
        self._url = url
        self._clock = clock
        self._deadline = deadline
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._missed_at = float("-inf")

    async def find(self, key_id: str) -> PublicKey | None:
        """Return the key with this id, or None if the provider has no such key.

        Raises:
            Unavailable: there are no usable keys and none can be fetched.
        """
        if self._age() < FRESH_SECONDS and key_id in self._keys:
            return self._keys[key_id]
        async with self._lock:
            # Another caller may have fetched while this one waited, so all conditions are checked again.
            if self._age() >= FRESH_SECONDS:
                await self._refresh()
            elif key_id not in self._keys and self._clock() - self._missed_at >= MISS_INTERVAL:
                self._missed_at = self._clock()
                await self._refresh()
            if self._age() >= USABLE_SECONDS:
                raise Unavailable("The identity key server")
            return self._keys.get(key_id)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _refresh(self) -> None:
        pause = FAILURE_INTERVAL if self._age() >= USABLE_SECONDS else MISS_INTERVAL
        if self._clock() - self._failed_at < pause:
            return
        try:
            async with asyncio.timeout(self._deadline):
                keys = await asyncio.to_thread(_fetch, self._url)
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            self._failed_at = self._clock()
            logs.log(Severity.WARNING, "public keys not fetched", url=self._url, reason=str(error) or "too slow")
            return
        self._keys = keys
        self._fetched_at = self._clock()


def _fetch(url: str) -> Mapping[str, PublicKey]:
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=FETCH_TIMEOUT)
    try:
        connection.request("GET", urlunsplit(("", "", parts.path, parts.query, "")))
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise ValueError(f"status {response.status}")
        document = response.read(MAX_DOCUMENT_BYTES + 1)
    finally:
        connection.close()
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"more than {MAX_DOCUMENT_BYTES} bytes of keys")
    usable = list(_usable(json.loads(document)))
    keys = dict(usable)
    if not keys:
        raise ValueError("not a set of JSON web keys")
    if len(keys) < len(usable):
        raise ValueError("two keys with the same id")  # which of them verifies a token would depend on their order
    return keys


def _usable(document: object) -> Iterator[tuple[str, PublicKey]]:
    """Yield the supported keys of a set with their ids. RFC 7517, section 5: a set may contain keys of other kinds."""
    entries = document.get("keys") if isinstance(document, dict) else None
    for jwk in entries if isinstance(entries, list) else ():
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and (key := public_key(jwk)):
            yield jwk["kid"], key


def public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    """Return the public key of a JSON web key if it is RSA, or elliptic on the curve P-256 (RFC 7518, 6.2 and 6.3), and valid.

    `jwt.PyJWK` would also accept numbers that are not canonical base64url, and private keys.
    """
    kind = (jwk.get("kty"), jwk.get("crv"))
    with suppress(ValueError):  # the numbers are not those of a key
        if kind == ("EC", "P-256"):
            return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), ec.SECP256R1()).public_key()
        if kind == ("RSA", None):
            return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
    return None


def _number(jwk: Mapping[str, Any], name: str) -> int:
    """Return a number of a key, which is base64url without padding in its canonical form (RFC 7518, section 2)."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise ValueError
    decoded = base64.urlsafe_b64decode(text + "==")  # more padding than is needed is ignored
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != text.encode():
        raise ValueError
    return int.from_bytes(decoded)
