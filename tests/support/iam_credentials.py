"""Emulate IAM Credentials' signJwt, and the metadata server of a machine that has a service account.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
"""

import json
import time
from collections.abc import Sequence
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from local.tokens import KeySet, key_set

ACCESS_TOKEN: Final = "ya29.access-token-of-the-caller"
LONGEST_SECONDS: Final = 12 * 3600


class IamCredentials:
    """An ASGI application that signs for some service accounts, if the request has the access token.

    Args:
        accounts: the accounts as which the caller may sign.

    Attributes:
        signed: the claims that were signed.
        failures: the statuses of the next answers, which are errors.
    """

    def __init__(self, accounts: Sequence[str]) -> None:
        self.signed: list[dict[str, object]] = []
        self.failures: list[int] = []
        self._keys = {account: rsa.generate_private_key(public_exponent=65537, key_size=2048) for account in accounts}
        self._app = Starlette(
            routes=[
                Route("/v1/projects/-/serviceAccounts/{method}", self._sign, methods=["POST"]),
                Route("/computeMetadata/v1/instance/service-accounts/default/token", self._access),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    def key_set(self, account: str) -> KeySet:
        """Return the public keys of an account, which Google publishes; empty for one that does not exist."""
        key = self._keys.get(account)
        return key_set({} if key is None else {f"key-of-{account}": key.public_key()})

    async def _sign(self, request: Request) -> JSONResponse:
        account, _, verb = request.path_params["method"].partition(":")
        if self.failures:
            return _error(self.failures.pop(0), "the answer that the test asks for")
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            return _error(401, "Request had invalid authentication credentials.")
        if verb != "signJwt":
            return _error(404, "Method not found.")
        if account not in self._keys:
            return _error(403, "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist).")
        claims = json.loads((await request.json())["payload"])
        if not time.time() < claims["exp"] <= time.time() + LONGEST_SECONDS:
            return _error(400, "exp must be at most 12 hours in the future.")
        self.signed.append(claims)
        key_id = f"key-of-{account}"
        token = jwt.encode(claims, self._keys[account], algorithm="RS256", headers={"kid": key_id})
        return JSONResponse({"keyId": key_id, "signedJwt": token})

    async def _access(self, request: Request) -> JSONResponse:
        if request.headers.get("metadata-flavor") != "Google":
            return _error(403, "Missing Metadata-Flavor:Google header.")
        return JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"})


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message}}, status)
