"""Emulate Identity-Aware Proxy: requests with a token that it issued get a signed assertion."""

import hashlib
import time
from collections.abc import Callable, Collection
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.tokens import KeySet, key_set
from shared.auth.identity import ASSERTION_HEADER, ISSUER, MAX_LIFETIME

AUDIENCE: Final = "/projects/1234/global/backendServices/5678"
KEY_ID: Final = "iap-emulator"
SIGN_IN: Final = "https://accounts.google.com/o/oauth2/v2/auth"
LONGEST_JWT_SECONDS: Final = 3600
SKEW_SECONDS: Final = 30


def subject_of(email: str) -> str:
    """Return the subject of the account with this e-mail address, which says nothing of the address."""
    return f"accounts.google.com:{int.from_bytes(hashlib.sha256(email.encode()).digest()[:8])}"


class IapEmulator:
    """An ASGI application in front of another, as IAP is in front of the functions; it forwards strangers' requests unsigned."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._users: dict[bytes, tuple[str, str]] = {}

    def token_for(self, email: str, subject: str = "") -> str:
        """Issue a bearer token to the account with this e-mail address.

        Args:
            subject: the account; empty: one of its own for each address.
        """
        token = uuid4().hex
        self._users[f"Bearer {token}".encode()] = email, subject
        return token

    def key_set(self) -> KeySet:
        """Return the document at `iap_keys_url`."""
        return key_set({KEY_ID: self._key.public_key()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, with an assertion if its token is known."""
        user = self._users.get(dict(scope.get("headers", ())).get(b"authorization", b""))
        if user is not None:
            assertion = (ASSERTION_HEADER.encode(), self.assertion(*user))
            scope = {**scope, "headers": [*scope["headers"], assertion]}
        await self._app(scope, receive, send)

    def assertion(self, email: str, subject: str = "") -> bytes:
        """Return IAP's assertion for the account with this e-mail address, valid for ten minutes."""
        subject = subject or subject_of(email)
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "email": email, "iat": now, "exp": now + MAX_LIFETIME}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": KEY_ID}).encode()


class IapGate(IapEmulator):
    """IAP as documented for programs and expired sessions: it answers for the functions unless the caller is a member.

    Sources of the rules: https://cloud.google.com/iap/docs/authentication-howto and https://cloud.google.com/iap/docs/sessions-howto.

    Args:
        app: what it protects.
        members: the e-mail addresses that may use it.
        account_keys: returns the public keys of a service account.
    """

    def __init__(self, app: ASGIApp, members: Collection[str], account_keys: Callable[[str], KeySet]) -> None:
        super().__init__(app)
        self._members = members
        self._account_keys = account_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward preflights, and the request of a member with an assertion; refuse every other one."""
        if scope["method"] == "OPTIONS":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        refusal: Response | None = None
        email = ""
        if scheme != "Bearer":
            # A fetch could not follow the redirect to another origin.
            fetch = headers.get("x-requested-with") == "XMLHttpRequest"
            refusal = PlainTextResponse("Sign in again", 401) if fetch else RedirectResponse(SIGN_IN, 302)
        else:
            try:
                email = self._verified(token, headers["host"])
            except (jwt.PyJWTError, LookupError, ValueError) as error:
                refusal = PlainTextResponse(f"Invalid IAP credentials: {error}", 401)
        if refusal is None and email not in self._members:
            refusal = PlainTextResponse("You don't have access", 403)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        assertion = (ASSERTION_HEADER.encode(), self.assertion(email))
        await self._app({**scope, "headers": [*scope["headers"], assertion]}, receive, send)

    def _verified(self, token: str, host: str) -> str:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        key_id = jwt.get_unverified_header(token).get("kid")
        keys = jwt.PyJWKSet.from_dict(dict(self._account_keys(issuer)))  # without keys, it raises
        claims: dict[str, Any] = jwt.decode(
            token,
            keys[str(key_id)],
            algorithms=["RS256"],
            audience=f"https://{host}/*",
            leeway=SKEW_SECONDS,
            options={"require": ["iss", "sub", "aud", "iat", "exp"]},
        )
        if claims["sub"] != issuer:
            raise ValueError("sub is not iss")
        if claims["exp"] - claims["iat"] > LONGEST_JWT_SECONDS:
            raise ValueError("longer than an hour")
        return issuer
