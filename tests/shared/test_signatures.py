"""A token holds when the key's owner signed it by the algorithm that we chose."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer, RSASigner

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.storage.signing_key import SigningKey
from shared import signatures
from shared.signatures import NotAToken

RSA = SigningKey.generate()
RSA_PUBLIC = RSA.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CURVE = ec.generate_private_key(ec.SECP256R1())
CURVE_PUBLIC = CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CURVE_PRIVATE = CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CLAIMS = {"email": "ada@example.com"}
RS256 = jwt.encode(RSASigner.from_string(RSA.private_pem()), CLAIMS).decode()
ES256 = jwt.encode(ES256Signer.from_string(CURVE_PRIVATE), CLAIMS).decode()


@pytest.mark.parametrize(
    ("token", "algorithm", "pem"),
    [
        (RS256, "RS256", RSA_PUBLIC),
        (RS256, "RS256", RSA.certificate_pem()),
        (ES256, "ES256", CURVE_PUBLIC),
    ],
    ids=["RSA key", "RSA certificate", "curve key"],
)
def test_a_token_that_googles_library_signed_holds(token: str, algorithm: str, pem: str) -> None:
    parsed = signatures.parse(token)
    signatures.verify(parsed, algorithm, pem)
    assert parsed.claims == CLAIMS


@pytest.mark.parametrize(
    ("token", "algorithm", "pem"),
    [
        (RS256, "ES256", RSA_PUBLIC),
        (ES256, "RS256", CURVE_PUBLIC),
        (ES256, "none", CURVE_PUBLIC),
        (ES256, "HS256", CURVE_PUBLIC),
        (ES256, "ES256", RSA_PUBLIC),
        (RS256, "RS256", CURVE_PUBLIC),
        (ES256, "ES256", "no key"),
        (ES256, "ES256", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
    ],
)
def test_no_other_algorithm_or_key_will_do(token: str, algorithm: str, pem: str) -> None:
    with pytest.raises(NotAToken):
        signatures.verify(signatures.parse(token), algorithm, pem)


@pytest.mark.parametrize("signature", ["", "AA", "A" * 85, "A" * 86, "A" * 88], ids=len)
def test_a_signature_of_another_length_or_of_zeros_does_not_hold(signature: str) -> None:
    head = ES256.rpartition(".")[0]
    with pytest.raises(NotAToken):
        signatures.verify(signatures.parse(f"{head}.{signature}"), "ES256", CURVE_PUBLIC)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "W10.e30.",
        "e30.W10.",
        "e30.e30.A",
        "e30=.e30.",
        "e3 0.e30.",
        "bm8.e30.",
        "e31.e30.",
    ],
)
def test_what_is_no_token_in_its_one_spelling_is_refused(token: str) -> None:
    with pytest.raises(NotAToken):
        signatures.parse(token)


def test_json_that_is_nested_too_deep_is_refused() -> None:
    deep = json.dumps("x").join(["[" * 100_000, "]" * 100_000]).encode()
    part = base64.urlsafe_b64encode(deep).rstrip(b"=").decode()
    with pytest.raises(NotAToken):
        signatures.parse(f"{part}.e30.")
