"""What the two kinds of token that Google signs for us have in common: form, signature, issuer, audience and times.

The algorithm is ours to choose, not the token's, and the time is that of a clock that is passed in.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from shared.auth.keys import NotAToken, PublicKey, PublicKeys, base64url_bytes
from shared.errors import Unauthenticated
from shared.fields import Clock

MAX_TOKEN_LENGTH: Final = 16 * 1024
"""Longer tokens are refused unread; real ones have about a thousand characters."""
SKEW_SECONDS: Final = 30
"""How far the issuer's clock and ours may be apart."""

_log = logging.getLogger(__name__)


class TokenRules(NamedTuple):
    """What a token must be.

    Attributes:
        algorithm: the one signature algorithm allowed, `ES256` or `RS256`.
        issuers: who may have issued it.
        audience: whom it must be meant for; empty: every token is refused.
        max_lifetime: longest time in seconds between issue and expiry, beside the skew.
    """

    algorithm: str
    issuers: tuple[str, ...]
    audience: str
    max_lifetime: int


async def verified_claims(token: str, *, rules: TokenRules, keys: PublicKeys, clock: Clock) -> Mapping[str, Any]:
    """The claims of a token that holds.

    Args:
        token: a JSON web token in compact form.
        rules: what it must be.
        keys: the issuer's public keys.
        clock: the time now.

    Raises:
        Unauthenticated: it does not hold; why is logged, and not told to the caller.
        Unavailable: the keys cannot be had.
    """
    if not rules.audience:
        raise refusal("no audience is configured")
    if not token or len(token) > MAX_TOKEN_LENGTH:
        raise refusal("no token, or too long a one")
    try:
        parsed = parse(token)
    except NotAToken as error:
        raise refusal("not a JSON web token") from error
    key_id = parsed.header.get("kid")
    if parsed.header.get("alg") != rules.algorithm or not isinstance(key_id, str) or "crit" in parsed.header:
        raise refusal("wrong algorithm, no key id, or conditions that we know nothing of")
    key = await keys.find(key_id)
    if key is None:
        raise refusal("unknown key id")
    try:
        verify(parsed, rules.algorithm, key)
    except NotAToken as error:
        raise refusal("wrong signature") from error
    _check_claims(parsed.claims, rules, clock().timestamp())
    return parsed.claims


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def refusal(reason: str) -> Unauthenticated:
    """The error for a token that does not hold. The reason goes to the log alone: it would help nobody but a forger."""
    _log.info("token refused: %s", reason)
    return Unauthenticated()


def _check_claims(claims: Mapping[str, Any], rules: TokenRules, now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    # Whole numbers only: JSON as Python reads it also has NaN, which no comparison refuses.
    if type(issued) is not int or type(expires) is not int:
        raise refusal("times are not whole numbers")
    if issued > now + SKEW_SECONDS:
        raise refusal("issued in the future")
    if expires < now - SKEW_SECONDS:
        raise refusal("expired")
    if expires - issued > rules.max_lifetime + SKEW_SECONDS:
        raise refusal("lives too long")
    if claims.get("iss") not in rules.issuers:
        raise refusal("wrong issuer")
    if claims.get("aud") != rules.audience:
        raise refusal("wrong audience")


# FOLDED from signatures.py: """JSON web tokens in compact form, what they say, and whether their signature holds; and the keys for that (RFC 7515, RFC 7517, RFC 7518). Only the two algorithms that Google signs with, on the primitives of `cryptography`. google-auth would do it too, at a fifth of what a function's first answer takes, most of it for importing what signs, not what verifies. """  # noqa: E501
_HALF: Final = 32
"""Bytes of each of the two numbers that an ES256 signature is."""


class Token(NamedTuple):
    """A token's parts. Nothing of it may be believed before `verify`."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Token:
    """Take a token apart.

    Raises:
        NotAToken: it is not one.
    """
    try:
        header, claims, signature = token.encode("ascii").split(b".")
    except ValueError:
        raise NotAToken("not three parts of ASCII characters") from None
    return Token(_json_object(header), _json_object(claims), header + b"." + claims, base64url_bytes(signature))


def verify(token: Token, algorithm: str, key: PublicKey) -> None:
    """Make sure that the holder of a key has signed a token.

    Args:
        token: the token.
        algorithm: `ES256` or `RS256`; what the token's header asks for is not looked at.
        key: the public key.

    Raises:
        NotAToken: the signature does not hold, or the key is none for this algorithm.
    """
    try:
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(_der(token.signature), token.signed, ec.ECDSA(SHA256()))
        elif algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, PKCS1v15(), SHA256())
        else:
            raise NotAToken("a key of another kind")
    except InvalidSignature:
        raise NotAToken("wrong signature") from None


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _HALF:
        raise NotAToken("wrong length of a signature")
    first, second = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    return encode_dss_signature(first, second)


def _json_object(part: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(base64url_bytes(part))
    except (ValueError, RecursionError) as error:  # the latter for JSON that is nested some thousand levels deep
        raise NotAToken("not JSON") from error
    if not isinstance(found, dict):
        raise NotAToken("not a JSON object")
    return found
