"""JSON web tokens in compact form, what they say, and whether their signature holds; and the keys for that (RFC 7515, RFC 7517, RFC 7518).

Only the two algorithms that Google signs with, on the primitives of `cryptography`. google-auth would do it too, at a fifth of what a
function's first answer takes, most of it for importing what signs, not what verifies.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_HALF: Final = 32
"""Bytes of each of the two numbers that an ES256 signature is."""


class NotAToken(ValueError):
    """Not a JSON web token, or not one whose signature holds."""


class NotAKey(ValueError):
    """Not a JSON web key of a kind that is understood here."""


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


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key that a JSON web key describes: RSA, or the curve P-256 (RFC 7518, 6.2 and 6.3).

    Raises:
        NotAKey: it describes none of these.
    """
    kind = (jwk.get("kty"), jwk.get("crv"))
    try:
        if kind == ("EC", "P-256"):
            return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), ec.SECP256R1()).public_key()
        if kind == ("RSA", None):
            return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
    except ValueError as error:
        raise NotAKey("numbers that are no key") from error
    raise NotAKey("a key of another kind")


def verify(token: Token, algorithm: str, key: PublicKey) -> None:
    """Make sure that the holder of a key has signed a token.

    Args:
        token: the token.
        algorithm: `ES256` or `RS256`; what the token's header asks for is not looked at.
        key: the public key.

    Raises:
        NotAToken: the signature does not hold, or the key is none for this algorithm.
    """
    try:
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(_der(token.signature), token.signed, ec.ECDSA(SHA256()))
        elif algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, PKCS1v15(), SHA256())
        else:
            raise NotAToken("a key of another kind")
    except InvalidSignature:
        raise NotAToken("wrong signature") from None


def _number(jwk: Mapping[str, Any], name: str) -> int:
    """A number of a key, in base64url (RFC 7518, 2)."""
    return int.from_bytes(_bytes(str(jwk.get(name, "")).encode()))


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
