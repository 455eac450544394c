"""Verify the tokens that Google signs for this service: IAP assertions and OpenID Connect tokens.

PyJWT verifies the signature, the issuer and the audience. The checks here cover what PyJWT accepts and this service does not.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.types import Options

from shared import logs
from shared.auth.keys import PublicKeys
from shared.errors import Unauthenticated
from shared.fields import Clock
from shared.logs import Severity

# Real tokens have about a thousand characters.
MAX_TOKEN_LENGTH: Final = 16 * 1024
# Accepted difference between the issuer's clock and ours.
SKEW_SECONDS: Final = 30
# PyJWT also accepts padded parts, so that one token would have several spellings.
COMPACT_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# PyJWT raises TypeError for a key of another kind, so the kind is checked first.
KEY_TYPES: Final = {"ES256": ec.EllipticCurvePublicKey, "RS256": rsa.RSAPublicKey}

# PyJWT compares times with its own clock, and accepts "1", true and 1.5 as times; `_check_times` does neither.
OPTIONS: Final[Options] = {
    "require": ["iss", "aud", "iat", "exp"],
    "strict_aud": True,
    "enforce_minimum_key_length": True,
    "verify_iat": False,
    "verify_exp": False,
    "verify_nbf": False,
}


class TokenVerifier(NamedTuple):
    """Verify JSON web tokens of one issuer for one audience.

    Attributes:
        algorithm: the only accepted signature algorithm, `ES256` or `RS256`; the token's own choice is not trusted.
        audience: the required value of `aud`; empty refuses every token.
        max_lifetime: longest accepted time from issue to expiry in seconds, without the skew.
    """

    algorithm: str
    issuers: tuple[str, ...]
    audience: str
    max_lifetime: int
    keys: PublicKeys
    clock: Clock

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a valid token.

        Raises:
            Unauthenticated: the token is not valid; the log has the reason, the caller does not get it.
            Unavailable: the keys cannot be fetched.
        """
        if not self.audience:
            raise refusal("no audience is configured")
        if len(token) > MAX_TOKEN_LENGTH:
            raise refusal("token too long")
        if not COMPACT_FORM.fullmatch(token):
            raise refusal("not a token in compact form")
        try:
            key = await self.keys.find(_key_id(token))
            if key is None or not isinstance(key, KEY_TYPES[self.algorithm]):
                raise refusal("no key of this id and algorithm")
            claims = jwt.decode(
                token, key, algorithms=[self.algorithm], audience=self.audience, issuer=self.issuers, options=OPTIONS
            )
        except jwt.PyJWTError as error:
            raise refusal(type(error).__name__) from error  # its text may quote the token
        self._check_times(claims)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        issued, expires = claims["iat"], claims["exp"]
        not_before = claims.get("nbf", issued)
        # Whole numbers only: Python's JSON parser also reads NaN, which passes every comparison below.
        if not all(type(moment) is int for moment in (issued, expires, not_before)):
            raise refusal("times are not integers")
        now = self.clock().timestamp()
        if max(issued, not_before) > now + SKEW_SECONDS:
            raise refusal("issued in the future")
        if expires < now - SKEW_SECONDS:
            raise refusal("expired")
        if expires - issued > self.max_lifetime + SKEW_SECONDS:
            raise refusal("lifetime too long")


def refusal(reason: str) -> Unauthenticated:
    """Log a fixed reason, never a part of the token, and return the error without it: the reason would only help a forger."""
    logs.log(Severity.WARNING, "token refused", reason=reason)
    return Unauthenticated()


def _key_id(token: str) -> str:
    header = jwt.get_unverified_header(token)
    # RFC 7515, 4.1.11: refuse critical extensions that are not understood. PyJWT understands one, `b64`; this service none.
    if "crit" in header:
        raise refusal("critical extensions")
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise refusal("no key id")
    return key_id
