"""OpenID Connect tokens like those of Pub/Sub and Cloud Scheduler, signed with the local key; and the public keys to verify tokens."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.storage.signing_key import SigningKey

ISSUER: Final = "https://accounts.google.com"
LIFETIME: Final = 3600

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
KeySet = Mapping[str, list[dict[str, Any]]]


class TokenIssuer:
    """An emulator of Google's token service; tokens name the service account of the key."""

    def __init__(self, key: SigningKey, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._key = key
        self._clock = clock

    def token(self, audience: str) -> str:
        """Return a token for an audience, valid for one hour."""
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
        return self.sign(claims)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token with exactly these claims."""
        return jwt.encode(claims, self._key.private_key, algorithm="RS256", headers={"kid": self._key.key_id})

    def key_set(self) -> KeySet:
        """Return the document for `oidc_keys_url`, in the form of Google's own."""
        return key_set({self._key.key_id: self._key.public_key})


def key_set(keys: Mapping[str, PublicKey]) -> KeySet:
    """Return the set of JSON web keys (RFC 7517) that publishes these keys, by their ids."""
    return {"keys": [{"kid": key_id, "use": "sig", **_jwk(key)} for key_id, key in keys.items()]}


def key_server(document: Callable[[], KeySet]) -> Starlette:
    """Return an ASGI application that serves the current key set at `/`, for `oidc_keys_url` and `iap_keys_url`."""

    async def respond(_: Request) -> JSONResponse:
        return JSONResponse(document())

    return Starlette(routes=[Route("/", respond)])


def _jwk(key: PublicKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPublicKey):
        described = RSAAlgorithm.to_jwk(key, as_dict=True)
        return {"alg": "RS256", **{name: described[name] for name in ("kty", "n", "e")}}
    algorithm = {"alg": "ES256"} if isinstance(key.curve, ec.SECP256R1) else {}
    return {**algorithm, **ECAlgorithm.to_jwk(key, as_dict=True)}
