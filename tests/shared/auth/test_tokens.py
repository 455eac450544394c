"""A token holds when the key's owner signed it by the algorithm that we chose."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer, RSASigner

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.storage.signing_key import SigningKey
from shared.auth import tokens
from shared.auth.keys import NotAKey, NotAToken, PublicKey, public_key

RSA = SigningKey.generate()
CURVE = ec.generate_private_key(ec.SECP256R1())
LONGER = ec.generate_private_key(ec.SECP384R1())
CURVE_PRIVATE = CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CLAIMS = {"email": "ada@example.com"}
RS256 = jwt.encode(RSASigner.from_string(RSA.private_pem()), CLAIMS).decode()
ES256 = jwt.encode(ES256Signer.from_string(CURVE_PRIVATE), CLAIMS).decode()

# Examples of RFC 7515, A.2 and A.3: a token, and the public key of who signed it.
RFC_CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC_RSA = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"
    "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RFC_CURVE = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC_RS256 = (
    f"eyJhbGciOiJSUzI1NiJ9.{RFC_CLAIMS}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
RFC_ES256 = (
    f"eyJhbGciOiJFUzI1NiJ9.{RFC_CLAIMS}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


@pytest.mark.parametrize(
    ("token", "algorithm", "key"),
    [(RS256, "RS256", RSA.public_key), (ES256, "ES256", CURVE.public_key())],
    ids=["RSA", "curve"],
)
def test_a_token_that_googles_library_signed_holds(token: str, algorithm: str, key: PublicKey) -> None:
    parsed = tokens.parse(token)
    tokens.verify(parsed, algorithm, key)
    assert parsed.claims == CLAIMS


@pytest.mark.parametrize(
    ("token", "algorithm", "jwk"),
    [(RFC_RS256, "RS256", RFC_RSA), (RFC_ES256, "ES256", RFC_CURVE)],
    ids=["RSA", "curve"],
)
def test_the_standards_own_examples_hold_by_their_published_keys(
    token: str, algorithm: str, jwk: dict[str, str]
) -> None:
    parsed = tokens.parse(token)
    tokens.verify(parsed, algorithm, public_key(jwk))
    assert parsed.claims["iss"] == "joe"


@pytest.mark.parametrize(
    ("token", "algorithm", "key"),
    [
        (RS256, "ES256", RSA.public_key),
        (ES256, "RS256", CURVE.public_key()),
        (ES256, "none", CURVE.public_key()),
        (ES256, "HS256", CURVE.public_key()),
        (ES256, "ES256", RSA.public_key),
        (RS256, "RS256", CURVE.public_key()),
        (ES256, "ES256", LONGER.public_key()),
        (RFC_ES256, "ES256", CURVE.public_key()),
        (RFC_RS256, "RS256", RSA.public_key),
    ],
)
def test_no_other_algorithm_or_key_will_do(token: str, algorithm: str, key: PublicKey) -> None:
    with pytest.raises(NotAToken):
        tokens.verify(tokens.parse(token), algorithm, key)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {**RFC_CURVE, "crv": "P-384"},
        {**RFC_CURVE, "kty": "RSA"},
        {**RFC_CURVE, "y": RFC_CURVE["x"]},
        {**RFC_CURVE, "x": RFC_CURVE["x"] + "="},
        {**RFC_CURVE, "x": "é"},
        {**RFC_CURVE, "x": "\ud800"},
        {**RFC_CURVE, "x": 7},
        {**RFC_CURVE, "x": ""},
        {"kty": "EC", "crv": "P-256"},
        {**RFC_RSA, "kty": ["RSA"]},
        {**RFC_RSA, "e": ""},
        {**RFC_RSA, "e": "AAAA"},
        {"kty": "RSA", "e": "AQAB"},
    ],
)
def test_what_is_no_key_of_the_two_kinds_is_refused(jwk: dict[str, object]) -> None:
    with pytest.raises(NotAKey):
        public_key(jwk)


@pytest.mark.parametrize("signature", ["", "AA", "A" * 85, "A" * 86, "A" * 88], ids=len)
def test_a_signature_of_another_length_or_of_zeros_does_not_hold(signature: str) -> None:
    head = ES256.rpartition(".")[0]
    with pytest.raises(NotAToken):
        tokens.verify(tokens.parse(f"{head}.{signature}"), "ES256", CURVE.public_key())


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
        tokens.parse(token)


def test_json_that_is_nested_too_deep_is_refused() -> None:
    deep = json.dumps("x").join(["[" * 100_000, "]" * 100_000]).encode()
    part = base64.urlsafe_b64encode(deep).rstrip(b"=").decode()
    with pytest.raises(NotAToken):
        tokens.parse(f"{part}.e30.")
