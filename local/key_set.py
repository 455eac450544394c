"""Public keys as identity providers publish them: a set of JSON web keys (RFC 7517)."""

import base64
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shared.auth.keys import PublicKey

KeySet = Mapping[str, list[dict[str, str]]]


def key_set(keys: Mapping[str, PublicKey]) -> KeySet:
    """The document that publishes these keys, by their ids."""
    return {"keys": [{"kid": key_id, "use": "sig", **_described(key)} for key_id, key in keys.items()]}


def key_server(document: Callable[[], KeySet]) -> Starlette:
    """An ASGI application whose `/` is a document of public keys, as `oidc_keys_url` and `iap_keys_url` name one.

    Args:
        document: the keys, asked for at every request.
    """

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(document())

    return Starlette(routes=[Route("/", answer)])


def _described(key: PublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        size = (numbers.n.bit_length() + 7) // 8
        return {"kty": "RSA", "alg": "RS256", "n": _encoded(numbers.n, size), "e": _encoded(numbers.e, 3)}
    curve, size = numbers.curve, (numbers.curve.key_size + 7) // 8
    names = {"crv": "P-256", "alg": "ES256"} if isinstance(curve, ec.SECP256R1) else {"crv": curve.name}
    return {"kty": "EC", **names, "x": _encoded(numbers.x, size), "y": _encoded(numbers.y, size)}


def _encoded(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size)).rstrip(b"=").decode()
