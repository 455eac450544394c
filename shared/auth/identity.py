"""Identify the caller: a user by Identity-Aware Proxy, a service by an OpenID Connect token, or the developer."""

import string
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from shared.auth.keys import PublicKeys
from shared.auth.tokens import TokenVerifier, refusal
from shared.errors import Forbidden
from shared.fields import Clock, utc_now

ASSERTION_HEADER: Final = "x-goog-iap-jwt-assertion"
EMAIL_HEADER: Final = "x-goog-authenticated-user-email"
EMAIL_PREFIX: Final = "accounts.google.com:"
ISSUER: Final = "https://cloud.google.com/iap"
MAX_LIFETIME: Final = 600
OIDC_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
# Google's ID tokens expire after one hour.
OIDC_MAX_LIFETIME: Final = 3600
DEVELOPER: Final = "dev@example.com"


# `str.lower` also changes other letters: it makes the Kelvin sign a "k", so that two accounts would be one owner.
_ASCII_LOWER: Final = {ord(letter): letter.lower() for letter in string.ascii_uppercase}


def normalized(email: str) -> str:
    """Return an e-mail address without ASCII spaces around it and with ASCII letters in lower case, otherwise verbatim."""
    return email.strip(string.whitespace).translate(_ASCII_LOWER)


class Caller(NamedTuple):
    """A verified caller.

    Attributes:
        subject: the identity provider's id of the account, which stays when its e-mail address changes, and is never given again.
        email: its `normalized` e-mail address, which is shown.
        by_email: whether runs that are stored under the e-mail address, as all were before subjects, belong to the caller.
    """

    subject: str
    email: str
    by_email: bool = True

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the owners of runs that are this caller: the subject first, by which new runs are stored."""
        return (self.subject, self.email) if self.by_email and self.email != self.subject else (self.subject,)


class Identity(Protocol):
    """Identify the callers of a function."""

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller of a request with these headers, whose names are in lower case.

        Raises:
            Unauthenticated: the request has no valid identity.
            Forbidden: the identity is valid, but may not call this function.
            Unavailable: the keys that verify the identity cannot be fetched.
        """


class IapIdentity:
    """Identify users by IAP's signed assertion.

    The e-mail header that IAP also sends is ignored, because anyone can forge it.
    Source of the rules: https://cloud.google.com/iap/docs/signed-headers-howto.

    Args:
        audience: `/projects/NUMBER/global/backendServices/ID` of this function's backend; empty refuses everyone.
        by_email: see `Caller`.
    """

    def __init__(self, *, audience: str, keys: PublicKeys, clock: Clock = utc_now, by_email: bool = True) -> None:
        self._tokens = TokenVerifier("ES256", (ISSUER,), audience, MAX_LIFETIME, keys, clock)
        self._by_email = by_email

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return the user whose subject and e-mail address IAP signed; see `Identity.identify`."""
        assertion = headers.get(ASSERTION_HEADER)
        if assertion is None:
            raise refusal("no assertion")
        claims = await self._tokens.claims(assertion)
        email = claims.get("email")
        if not isinstance(email, str) or not normalized(email):
            raise refusal("no e-mail")
        # IAP signs a subject for every account. Without one, the address is who the caller is, where addresses own runs at all.
        subject = claims.get("sub", normalized(email) if self._by_email else None)
        if not isinstance(subject, str) or not subject:
            raise refusal("no subject")
        return Caller(subject, normalized(email), self._by_email)


class DevelopmentIdentity:
    """Trust the e-mail header, and use `dev@example.com` without one. Only for a developer's machine: it verifies nothing.

    The e-mail address is also the subject.
    """

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return the user that the e-mail header names, in lower case, without IAP's prefix."""
        email = normalized(headers.get(EMAIL_HEADER, "")).removeprefix(EMAIL_PREFIX) or DEVELOPER
        return Caller(email, email)


class ServiceCaller:
    """Accept one service account only: Pub/Sub and Cloud Scheduler send Google-signed OpenID Connect tokens.

    Sources of the rules: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions and
    https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken.

    Args:
        audience: the audience of the tokens; empty refuses everyone.
        email: the service account's e-mail address; empty refuses everyone.
    """

    def __init__(self, *, audience: str, email: str, keys: PublicKeys, clock: Clock = utc_now) -> None:
        self._email = normalized(email)
        self._tokens = TokenVerifier("RS256", OIDC_ISSUERS, audience, OIDC_MAX_LIFETIME, keys, clock)

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return the service account of `Authorization: Bearer TOKEN`; see `Identity.identify`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise refusal("no bearer token")
        claims = await self._tokens.claims(token.strip())
        email = claims.get("email")
        if not isinstance(email, str) or not email or claims.get("email_verified") is not True:
            raise refusal("no verified e-mail")
        if not self._email:
            raise refusal("no caller is configured")
        if normalized(email) != self._email:
            raise Forbidden("Only the service account of the scheduler may call this.")
        return Caller(self._email, self._email)
