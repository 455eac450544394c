"""Identity-Aware Proxy by protocol: whoever sends a token that it gave out is handed on with a signed assertion."""

# google-auth carries no types.
# mypy: allow-untyped-calls

import time
from typing import Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer
from starlette.types import ASGIApp, Receive, Scope, Send

from local.key_set import KeySet, key_set
from shared.auth.identity import ASSERTION_HEADER, ISSUER, MAX_LIFETIME

AUDIENCE: Final = "/projects/1234/global/backendServices/5678"
KEY_ID: Final = "stand-in"


class IapStandIn:
    """An ASGI application in front of another, as IAP stands in front of the functions; it hands on strangers too, unsigned.

    Args:
        app: what it protects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key = ec.generate_private_key(ec.SECP256R1())
        private = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._signer = ES256Signer.from_string(private, key_id=KEY_ID)
        self._users: dict[bytes, str] = {}

    def token_for(self, email: str) -> str:
        """A bearer token of this user."""
        token = uuid4().hex
        self._users[f"Bearer {token}".encode()] = email
        return token

    def key_set(self) -> KeySet:
        """What `iap_keys_url` serves."""
        return key_set({KEY_ID: self._key.public_key()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, with an assertion where its token is known."""
        user = self._users.get(dict(scope.get("headers", ())).get(b"authorization", b""))
        if user is not None:
            assertion = (ASSERTION_HEADER.encode(), self.assertion(user))
            scope = {**scope, "headers": [*scope["headers"], assertion]}
        await self._app(scope, receive, send)

    def assertion(self, email: str) -> bytes:
        """What IAP hands on for this user, valid for ten minutes."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "email": email, "iat": now, "exp": now + MAX_LIFETIME}
        assertion: bytes = jwt.encode(self._signer, claims)
        return assertion
