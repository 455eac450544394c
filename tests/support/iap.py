"""Emulate Identity-Aware Proxy: requests with a token that it issued get a signed assertion."""

import time
from typing import Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.types import ASGIApp, Receive, Scope, Send

from local.tokens import KeySet, key_set
from shared.auth.identity import ASSERTION_HEADER, ISSUER, MAX_LIFETIME

AUDIENCE: Final = "/projects/1234/global/backendServices/5678"
KEY_ID: Final = "iap-emulator"


class IapEmulator:
    """An ASGI application in front of another, as IAP is in front of the functions; it forwards strangers' requests unsigned."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._users: dict[bytes, str] = {}

    def token_for(self, email: str) -> str:
        """Issue a bearer token to a user."""
        token = uuid4().hex
        self._users[f"Bearer {token}".encode()] = email
        return token

    def key_set(self) -> KeySet:
        """Return the document at `iap_keys_url`."""
        return key_set({KEY_ID: self._key.public_key()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, with an assertion if its token is known."""
        user = self._users.get(dict(scope.get("headers", ())).get(b"authorization", b""))
        if user is not None:
            assertion = (ASSERTION_HEADER.encode(), self.assertion(user))
            scope = {**scope, "headers": [*scope["headers"], assertion]}
        await self._app(scope, receive, send)

    def assertion(self, email: str) -> bytes:
        """Return IAP's assertion for a user, valid for ten minutes."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "email": email, "iat": now, "exp": now + MAX_LIFETIME}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": KEY_ID}).encode()
