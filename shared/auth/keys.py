"""The public keys of an identity provider: fetched over HTTP, cached, and refetched no more often than is fair.

Google publishes such keys as sets of JSON web keys (RFC 7517). google-auth's own helper fetches them at every call; a function that
answers in milliseconds cannot.
"""

import asyncio
import base64
import binascii
import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.errors import SettingsInvalid, Unavailable

FRESH_SECONDS: Final = 3600.0
"""Keys younger than this are used without asking again."""
USABLE_SECONDS: Final = 6 * 3600.0
"""Older keys are still used up to this age while the key server is away."""
MISS_INTERVAL: Final = 30.0
"""An unknown key id makes us ask again at most this often, so that forged ids cannot make us flood the key server."""
FAILURE_INTERVAL: Final = 2.0
"""After a fetch that failed we do not try again for so long, and for `MISS_INTERVAL` while the keys we have are usable."""
FETCH_TIMEOUT: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 1 << 20

_log = logging.getLogger(__name__)


PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class NotAToken(ValueError):
    """Not a JSON web token, or not one whose signature holds."""


class NotAKey(ValueError):
    """Not a JSON web key of a kind that is understood here."""


class PublicKeys:
    """The keys at one address.

    Concurrent callers share one fetch. Made for one event loop, like everything that a worker keeps.

    Args:
        url: where the keys are; `http` or `https`.
        clock: seconds that only ever rise.

    Raises:
        SettingsInvalid: the address is not an HTTP one.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise SettingsInvalid([f"the address of public keys must begin with http:// or https://, not {url!r}"])
        self._url = url
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._missed_at = float("-inf")

    async def find(self, key_id: str) -> PublicKey | None:
        """The key of this id, or None where the provider has no such key.

        Raises:
            Unavailable: there are no usable keys and none can be had just now.
        """
        if self._age() < FRESH_SECONDS and key_id in self._keys:
            return self._keys[key_id]
        async with self._lock:
            # Who waited here may find that another caller has fetched meanwhile: every question is asked again.
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
            keys = await asyncio.to_thread(_fetch, self._url)
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            self._failed_at = self._clock()
            _log.warning("public keys could not be fetched from %s: %s", self._url, error)
            return
        self._keys = keys
        self._fetched_at = self._clock()


def _fetch(url: str) -> Mapping[str, PublicKey]:
    address = urlsplit(url)
    connect = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = connect(address.netloc, timeout=FETCH_TIMEOUT)
    try:
        connection.request("GET", urlunsplit(("", "", address.path, address.query, "")))
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"answered with {answer.status}")
        document = answer.read(MAX_DOCUMENT_BYTES + 1)
    finally:
        connection.close()
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"more than {MAX_DOCUMENT_BYTES} bytes of keys")
    keys = dict(_usable(json.loads(document)))
    if not keys:
        raise ValueError("no set of JSON web keys")
    return keys


def _usable(document: object) -> Iterator[tuple[str, PublicKey]]:
    """The keys of a set, each with its id; those of a kind that we do not know may stand there, too (RFC 7517, 5)."""
    described = document.get("keys") if isinstance(document, dict) else None
    for jwk in described if isinstance(described, list) else ():
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str):
            with suppress(NotAKey):
                yield jwk["kid"], public_key(jwk)


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key that a JSON web key describes: RSA, or the curve P-256 (RFC 7518, 6.2 and 6.3).

    Raises:
        NotAKey: it describes none of these.
    """
    kind = (jwk.get("kty"), jwk.get("crv"))
    try:
        if kind == ("EC", "P-256"):
            return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), ec.SECP256R1()).public_key()
        if kind == ("RSA", None):
            return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
    except ValueError as error:
        raise NotAKey("numbers that are no key") from error
    raise NotAKey("a key of another kind")


def _number(jwk: Mapping[str, Any], name: str) -> int:
    """A number of a key, in base64url (RFC 7518, 2)."""
    return int.from_bytes(base64url_bytes(str(jwk.get(name, "")).encode()))


def base64url_bytes(part: bytes) -> bytes:
    """Base64url without padding, in its one canonical spelling."""
    try:
        decoded = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise NotAToken("not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise NotAToken("not base64url")
    return decoded
