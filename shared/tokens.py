"""What the two kinds of token that Google signs for us have in common: form, signature, issuer, audience and times.

`google.auth.jwt.decode` proves signature and audience. It checks no issuer, no upper bound of the lifetime, takes whatever algorithm the
token asks for, and reads the time from the system: these are checked here, against a clock that is passed in.
"""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.auth import exceptions, jwt

from shared.errors import Unauthenticated
from shared.public_keys import PublicKeys

MAX_TOKEN_LENGTH: Final = 16 * 1024
"""Longer tokens are refused unread; real ones have about a thousand characters."""
SKEW_SECONDS: Final = 30
"""How far the issuer's clock and ours may be apart."""

_ANY_TIME: Final = 1 << 62
"""A skew that switches decode's own check of the times off; an integer, so that no claim can overflow it."""
_BAD_TOKEN: Final = (exceptions.GoogleAuthError, ValueError, TypeError, RecursionError)
"""What google-auth raises for a token of wrong form; the last one for JSON that is nested some thousand levels deep."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenRules:
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


async def verified_claims(
    token: str, *, rules: TokenRules, keys: PublicKeys, clock: Callable[[], datetime]
) -> Mapping[str, Any]:
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
        header: Mapping[str, Any] = jwt.decode_header(token)
    except _BAD_TOKEN as error:
        raise refusal("not a JSON web token") from error
    key_id = header.get("kid")
    if header.get("alg") != rules.algorithm or not isinstance(key_id, str):
        raise refusal("wrong algorithm, or no key id")
    pem = await keys.find(key_id)
    if pem is None:
        raise refusal("unknown key id")
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token, certs={key_id: pem}, audience=rules.audience, clock_skew_in_seconds=_ANY_TIME
        )
    except _BAD_TOKEN as error:
        raise refusal("wrong signature or audience") from error
    _check_claims(claims, rules, clock().timestamp())
    return claims


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
