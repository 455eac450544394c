"""Keys are published in the form in which Google publishes them."""

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.key_set import key_server, key_set
from shared.auth.keys import PublicKey, public_key

CURVE = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def test_the_members_are_those_of_googles_own_documents() -> None:
    """As https://www.gstatic.com/iap/verify/public_key-jwk and https://www.googleapis.com/oauth2/v3/certs have them."""
    curve, other = key_set({"a": CURVE, "b": RSA})["keys"]
    assert {name: curve[name] for name in ("alg", "crv", "kid", "kty", "use")} == {
        "alg": "ES256",
        "crv": "P-256",
        "kid": "a",
        "kty": "EC",
        "use": "sig",
    }
    assert curve.keys() == {"alg", "crv", "kid", "kty", "use", "x", "y"}
    assert other.keys() == {"alg", "e", "kid", "kty", "n", "use"}
    assert (other["alg"], other["kid"], other["kty"], other["e"]) == ("RS256", "b", "RSA", "AQAB")


@pytest.mark.parametrize("key", [CURVE, RSA], ids=["curve", "RSA"])
def test_what_is_published_is_read_as_the_same_key(key: PublicKey) -> None:
    [jwk] = key_set({"a": key})["keys"]
    assert public_key(jwk) == key


async def test_the_server_publishes_what_there_is_at_each_request() -> None:
    keys: dict[str, PublicKey] = {}
    transport = httpx.ASGITransport(key_server(lambda: key_set(keys)))
    async with httpx.AsyncClient(transport=transport, base_url="http://keys") as client:
        assert (await client.get("/")).json() == {"keys": []}
        keys["a"] = CURVE
        assert [jwk["kid"] for jwk in (await client.get("/")).json()["keys"]] == ["a"]
