"""A token is valid only in its one spelling, with integer times, one audience and the configured algorithm.

PyJWT alone accepts many of these tokens.
"""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from local.serving import serving
from local.tokens import key_server, key_set
from shared.auth.keys import PublicKey, PublicKeys
from shared.auth.tokens import TokenVerifier
from shared.errors import Unauthenticated

CURVE = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # to be refused
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {"iss": "issuer", "aud": "audience", "iat": SECONDS, "exp": SECONDS + 600}


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: object = CLAIMS, header: object = None) -> str:
    """Return a token with a good ES256 signature, whatever it contains."""
    unsigned = f"{part({'alg': 'ES256', 'kid': 'curve'} if header is None else header)}.{part(payload)}"
    numbers = decode_dss_signature(CURVE.sign(unsigned.encode(), ec.ECDSA(SHA256())))
    return f"{unsigned}.{part(b''.join(number.to_bytes(32) for number in numbers))}"


def with_rsa(key: rsa.RSAPrivateKey, key_id: str) -> str:
    unsigned = f"{part({'alg': 'RS256', 'kid': key_id})}.{part(CLAIMS)}"
    return f"{unsigned}.{part(key.sign(unsigned.encode(), PKCS1v15(), SHA256()))}"


@pytest.fixture(scope="module")
async def keys() -> AsyncIterator[PublicKeys]:
    published: dict[str, PublicKey] = {
        "curve": CURVE.public_key(),
        "rsa": RSA.public_key(),
        "short": SHORT_RSA.public_key(),
    }
    async with serving(key_server(lambda: key_set(published))) as url:
        yield PublicKeys(url)


@pytest.fixture
def verifier(keys: PublicKeys) -> TokenVerifier:
    return TokenVerifier("ES256", ("issuer", "other"), "audience", 600, keys, lambda: NOW)


async def test_a_valid_token_gives_its_claims(verifier: TokenVerifier) -> None:
    assert await verifier.claims(signed({**CLAIMS, "email": "ada@example.com"})) == {
        **CLAIMS,
        "email": "ada@example.com",
    }
    assert await verifier.claims(signed({**CLAIMS, "nbf": SECONDS + 30})) == {**CLAIMS, "nbf": SECONDS + 30}


TOKEN = signed()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
NOT_CANONICAL = SIGNATURE[:-1] + chr(ord(SIGNATURE[-1]) + 1)  # the last character's low four bits carry nothing
SPELLINGS = {
    "empty": "",
    "two parts": f"{HEADER}.{PAYLOAD}",
    "four parts": f"{TOKEN}.{SIGNATURE}",
    "empty parts": "..",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "short signature": f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-2]}",
    "long signature": f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-2]}AAAA",
    "padded signature": f"{TOKEN}==",
    "padded payload": f"{HEADER}.{PAYLOAD}{'=' * (-len(PAYLOAD) % 4)}=.{SIGNATURE}",
    "unused bits set": f"{HEADER}.{PAYLOAD}.{NOT_CANONICAL}",
    "line end": f"{TOKEN}\n",
    "space before": f" {TOKEN}",
    "space inside": f"{HEADER} .{PAYLOAD}.{SIGNATURE}",
    "standard base64": f"{HEADER}.{PAYLOAD}.{'+' + SIGNATURE[1:]}",
    "not ASCII": f"{HEADER}.é.{SIGNATURE}",
    "half a character": f"{HEADER}.\ud800.{SIGNATURE}",
    "two tokens": f"{TOKEN}, {TOKEN}",
    "too long": signed({**CLAIMS, "padding": "x" * 13_000}),
}


@pytest.mark.parametrize("token", SPELLINGS.values(), ids=SPELLINGS.keys())
async def test_another_spelling_is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.claims(token)


HEADERS: dict[str, object] = {
    "list": [],
    "no algorithm": {"kid": "curve"},
    "algorithm null": {"alg": None, "kid": "curve"},
    "algorithm an object": {"alg": {"ES256": 1}, "kid": "curve"},
    "algorithm in lower case": {"alg": "es256", "kid": "curve"},
    "another algorithm": {"alg": "ES384", "kid": "curve"},
    "the later of two algorithms": b'{"alg": "ES256", "alg": "none", "kid": "curve"}',
    "no key id": {"alg": "ES256"},
    "key id null": {"alg": "ES256", "kid": None},
    "key id a number": {"alg": "ES256", "kid": 1},
    "key id a list": {"alg": "ES256", "kid": ["curve"]},
    "unknown key id": {"alg": "ES256", "kid": "another"},
    "key of another algorithm": {"alg": "ES256", "kid": "rsa"},
    "critical extension": {"alg": "ES256", "kid": "curve", "crit": ["x"], "x": 1},
    "critical extension that PyJWT knows": {"alg": "ES256", "kid": "curve", "crit": ["b64"], "b64": True},
    "no critical extensions": {"alg": "ES256", "kid": "curve", "crit": []},
    "detached payload": {"alg": "ES256", "kid": "curve", "b64": False},
    "deep": b'{"alg": "ES256", "kid": "curve", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "not UTF-8": b'{"alg": "ES256", "kid": "curve", "a": "\xff"}',
    "number of five thousand digits": b'{"alg": "ES256", "kid": "curve", "a": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
async def test_another_header_is_refused(verifier: TokenVerifier, header: object) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.claims(signed(header=header))


WRONG_VALUES: dict[str, list[object]] = {
    "iss": ["", "another", None, 1, True, ["issuer"], {"issuer": 1}],
    "aud": ["", "another", None, 1, True, ["audience"], ["audience", "another"], {"audience": 1}],
    "iat": [str(SECONDS), SECONDS + 0.5, float(SECONDS), True, None, [SECONDS], float("nan"), float("-inf")],
    "exp": [str(SECONDS), SECONDS + 0.5, float(SECONDS), True, None, [SECONDS], float("nan"), float("inf")],
    "nbf": [str(SECONDS), SECONDS + 0.5, True, None, float("nan"), SECONDS + 31],
}
PAYLOADS: dict[str, object] = {
    "list": [],
    "text": "claims",
    "not JSON": b"{",
    "deep": b"[" * 5000 + b"]" * 5000,
    "the later of two audiences": json.dumps(CLAIMS).encode()[:-1] + b', "aud": "another"}',
    **{
        f"{name} {json.dumps(value)[:20]}": {**CLAIMS, name: value}
        for name, values in WRONG_VALUES.items()
        for value in values
    },
    "issued before all time": {**CLAIMS, "iat": -(10**400)},
    "expires after all time": {**CLAIMS, "exp": 10**400},
    "expires before it is issued": {**CLAIMS, "iat": SECONDS + 30, "exp": SECONDS - 31},
    **{f"no {name}": {other: value for other, value in CLAIMS.items() if other != name} for name in CLAIMS},
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_other_claims_are_refused(verifier: TokenVerifier, payload: object) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.claims(signed(payload))


async def test_an_rsa_key_below_2048_bits_is_refused(keys: PublicKeys) -> None:
    verifier = TokenVerifier("RS256", ("issuer",), "audience", 600, keys, lambda: NOW)
    assert await verifier.claims(with_rsa(RSA, "rsa")) == CLAIMS
    with pytest.raises(Unauthenticated):
        await verifier.claims(with_rsa(SHORT_RSA, "short"))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_the_configured_algorithm_alone_is_accepted(keys: PublicKeys, algorithm: str) -> None:
    verifier = TokenVerifier(algorithm, ("issuer",), "audience", 600, keys, lambda: NOW)
    tokens = {"ES256": TOKEN, "RS256": with_rsa(RSA, "rsa")}
    for name, token in tokens.items():
        if name == algorithm:
            assert await verifier.claims(token) == CLAIMS
        else:
            with pytest.raises(Unauthenticated):
                await verifier.claims(token)


async def test_a_secret_made_of_the_public_key_is_refused(verifier: TokenVerifier) -> None:
    secret = part(CURVE.public_key().public_numbers().x.to_bytes(32))
    for algorithm in ("HS256", "HS512"):
        with pytest.raises(Unauthenticated):
            await verifier.claims(jwt.encode(CLAIMS, secret * 2, algorithm=algorithm, headers={"kid": "curve"}))
