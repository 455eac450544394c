"""Which service is calling: Pub/Sub and Cloud Scheduler send a Google-signed OpenID Connect token of their service account.

Source of the rules: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions and
https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken.
"""

from collections.abc import Mapping
from typing import Final

from shared.errors import Forbidden, Unauthenticated
from shared.ports import Caller, Clock
from shared.public_keys import PublicKeys
from shared.tokens import TokenRules, refusal, utc_now, verified_claims

ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
MAX_LIFETIME: Final = 3600
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
        self._rules = TokenRules(algorithm="RS256", issuers=ISSUERS, audience=audience, max_lifetime=MAX_LIFETIME)
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
