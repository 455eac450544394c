"""JSON web tokens in compact form: what they say, and whether their signature holds (RFC 7515, RFC 7518).

Only the two algorithms that Google signs with, on the primitives of `cryptography`. google-auth would do it too, at a fifth of what a
function's first answer takes, most of it for importing what signs, not what verifies.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_HALF: Final = 32
"""Bytes of each of the two numbers that an ES256 signature is."""


class NotAToken(ValueError):
    """Not a JSON web token, or not one whose signature holds."""


class Token(NamedTuple):
    """A token's parts. Nothing of it may be believed before `verify`."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Token:
    """Take a token apart.

    Raises:
        NotAToken: it is not one.
    """
    try:
        header, claims, signature = token.encode("ascii").split(b".")
    except ValueError:
        raise NotAToken("not three parts of ASCII characters") from None
    return Token(_json_object(header), _json_object(claims), header + b"." + claims, _bytes(signature))


def verify(token: Token, algorithm: str, pem: str) -> None:
    """Make sure that the holder of a key has signed a token.

    Args:
        token: the token.
        algorithm: `ES256` or `RS256`; what the token's header asks for is not looked at.
        pem: the public key, or an X.509 certificate of it.

    Raises:
        NotAToken: the signature does not hold, or the key is none for this algorithm.
    """
    try:
        key = _key(pem)
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(_der(token.signature), token.signed, ec.ECDSA(SHA256()))
        elif algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, PKCS1v15(), SHA256())
        else:
            raise NotAToken("a key of another kind")
    except InvalidSignature:
        raise NotAToken("wrong signature") from None
    except ValueError as error:
        raise NotAToken("not a key that can be used") from error


@lru_cache(maxsize=16)
def _key(pem: str) -> object:
    encoded = pem.encode()
    if "BEGIN CERTIFICATE" not in pem:
        return load_pem_public_key(encoded)
    # Google's keys for OpenID Connect are certificates, IAP's are not: who only knows users starts without it.
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    return load_pem_x509_certificate(encoded).public_key()


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _HALF:
        raise NotAToken("wrong length of a signature")
    first, second = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    return encode_dss_signature(first, second)


def _json_object(part: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except (ValueError, RecursionError) as error:  # the latter for JSON that is nested some thousand levels deep
        raise NotAToken("not JSON") from error
    if not isinstance(found, dict):
        raise NotAToken("not a JSON object")
    return found


def _bytes(part: bytes) -> bytes:
    """Base64url without padding, in its one canonical spelling."""
    try:
        decoded = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise NotAToken("not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise NotAToken("not base64url")
    return decoded
