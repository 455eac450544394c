"""What the two kinds of token that Google signs for us have in common: form, signature, issuer, audience and times.

The algorithm is ours to choose, not the token's, and the time is that of a clock that is passed in.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from shared import signatures
from shared.errors import Unauthenticated
from shared.ports import Clock
from shared.public_keys import PublicKeys
from shared.signatures import NotAToken

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
        parsed = signatures.parse(token)
    except NotAToken as error:
        raise refusal("not a JSON web token") from error
    key_id = parsed.header.get("kid")
    if parsed.header.get("alg") != rules.algorithm or not isinstance(key_id, str) or "crit" in parsed.header:
        raise refusal("wrong algorithm, no key id, or conditions that we know nothing of")
    key = await keys.find(key_id)
    if key is None:
        raise refusal("unknown key id")
    try:
        signatures.verify(parsed, rules.algorithm, key)
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
