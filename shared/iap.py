"""Who is asking, as Identity-Aware Proxy tells it.

Source of the rules: https://cloud.google.com/iap/docs/signed-headers-howto.
"""

from collections.abc import Mapping
from typing import Final

from shared.errors import Unauthenticated
from shared.ports import Caller, Clock
from shared.public_keys import PublicKeys
from shared.tokens import TokenRules, refusal, utc_now, verified_claims

ASSERTION_HEADER: Final = "x-goog-iap-jwt-assertion"
EMAIL_HEADER: Final = "x-goog-authenticated-user-email"
EMAIL_PREFIX: Final = "accounts.google.com:"
ISSUER: Final = "https://cloud.google.com/iap"
MAX_LIFETIME: Final = 600
DEVELOPER: Final = "dev@example.com"


class IapIdentity:
    """The caller by IAP's signed assertion. The e-mail header beside it is never read: anyone could have written it.

    Args:
        audience: `/projects/NUMBER/global/backendServices/ID` of the backend that this function stands behind; empty: everyone is refused.
        keys: IAP's public keys.
        clock: the time now.
    """

    def __init__(self, *, audience: str, keys: PublicKeys, clock: Clock = utc_now) -> None:
        self._rules = TokenRules(algorithm="ES256", issuers=(ISSUER,), audience=audience, max_lifetime=MAX_LIFETIME)
        self._keys = keys
        self._clock = clock

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller whose e-mail IAP has signed, in lower case.

        Raises:
            Unauthenticated: no assertion, or one that does not hold.
            Unavailable: IAP's keys cannot be had.
        """
        assertion = headers.get(ASSERTION_HEADER)
        if assertion is None:
            raise Unauthenticated
        claims = await verified_claims(assertion, rules=self._rules, keys=self._keys, clock=self._clock)
        email = claims.get("email")
        if not isinstance(email, str) or not email.strip():
            raise refusal("no e-mail")
        return Caller(email.strip().lower())


class DevelopmentIdentity:
    """The caller by the e-mail header as it is, else `dev@example.com`. For a developer's machine only: it believes everyone."""

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller that the e-mail header names, in lower case, without IAP's prefix."""
        email = headers.get(EMAIL_HEADER, "").strip().lower().removeprefix(EMAIL_PREFIX)
        return Caller(email or DEVELOPER)
