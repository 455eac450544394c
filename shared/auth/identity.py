"""Who is asking, as Identity-Aware Proxy tells it.

Source of the rules: https://cloud.google.com/iap/docs/signed-headers-howto.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from shared.auth.keys import PublicKeys
from shared.auth.tokens import TokenRules, refusal, utc_now, verified_claims
from shared.errors import Forbidden, Unauthenticated
from shared.fields import Clock


class Caller(NamedTuple):
    """Who is asking, as proved: the e-mail as the identity provider writes it, in lower case."""

    email: str


class Identity(Protocol):
    """Who is asking."""

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller, from the request's headers (names in lower case).

        Raises:
            Unauthenticated: no identity, or one that does not hold.
            Unavailable: the keys to check it with cannot be had.
        """


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


# FOLDED from oidc.py: """Which service is calling: Pub/Sub and Cloud Scheduler send a Google-signed OpenID Connect token of their service account. Source of the rules: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions and https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken. """  # noqa: E501
OIDC_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
OIDC_LIFETIME: Final = 3600
"""Google's ID tokens live for one hour."""


class ServiceCaller:
    """Lets one service account through, and nobody else.

    Args:
        audience: what the tokens must be made out to; empty: everyone is refused.
        email: the service account's e-mail; empty: everyone is refused.
        keys: Google's public keys for OpenID Connect.
        clock: the time now.
    """

    def __init__(self, *, audience: str, email: str, keys: PublicKeys, clock: Clock = utc_now) -> None:
        self._rules = TokenRules(algorithm="RS256", issuers=OIDC_ISSUERS, audience=audience, max_lifetime=OIDC_LIFETIME)
        self._email = email.lower()
        self._keys = keys
        self._clock = clock

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The service account, from `Authorization: Bearer TOKEN` (header names in lower case).

        Raises:
            Unauthenticated: no token, or one that does not hold.
            Forbidden: a token that holds, of somebody else.
            Unavailable: Google's keys cannot be had.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        claims = await verified_claims(token.strip(), rules=self._rules, keys=self._keys, clock=self._clock)
        email = claims.get("email")
        if not isinstance(email, str) or not email or claims.get("email_verified") is not True:
            raise refusal("no verified e-mail")
        if not self._email:
            raise refusal("no caller is configured")
        if email.lower() != self._email:
            raise Forbidden("Only the service account of the scheduler may call this.")
        return Caller(email.lower())
