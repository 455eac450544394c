"""OpenID Connect tokens as Pub/Sub and Cloud Scheduler send them, signed with the local key."""

# google-auth carries no types.
# mypy: allow-untyped-calls

from collections.abc import Callable
from datetime import datetime
from typing import Final

from google.auth import jwt
from google.auth.crypt import RSASigner

from local.key_set import KeySet, key_set
from local.storage.signing_key import SigningKey
from shared.auth.tokens import utc_now

ISSUER: Final = "https://accounts.google.com"
LIFETIME: Final = 3600


class TokenIssuer:
    """Stands in for Google's token service.

    Args:
        key: signs; its account is the one that the tokens name.
        clock: the time now.
    """

    def __init__(self, key: SigningKey, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._key = key
        self._clock = clock
        self._signer = RSASigner.from_string(key.private_pem(), key_id=key.key_id)

    def token(self, audience: str) -> str:
        """A token of the key's account, made out to an audience, that holds for one hour."""
        now = int(self._clock().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": self._key.email,
            "sub": self._key.key_id,
            "email": self._key.email,
            "email_verified": True,
            "iat": now,
            "exp": now + LIFETIME,
        }
        token: bytes = jwt.encode(self._signer, claims)
        return token.decode("ascii")

    def key_set(self) -> KeySet:
        """The document at `oidc_keys_url`, of the form of Google's own."""
        return key_set({self._key.key_id: self._key.public_key})
