"""The local tokens pass the service's own check, and keys are published in the form of Google's documents."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.serving import serving
from local.storage.signing_key import SigningKey
from local.tokens import PublicKey, TokenIssuer, key_server, key_set
from shared.auth.identity import Caller, ServiceCaller
from shared.auth.keys import PublicKeys, public_key
from shared.errors import Forbidden, Unauthenticated

CURVE = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
AUDIENCE = "http://127.0.0.1:8080/reconcile"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate("local@example.iam.gserviceaccount.com")


async def test_its_token_is_let_in_by_its_own_keys(key: SigningKey) -> None:
    issuer = TokenIssuer(key)
    async with serving(key_server(issuer.key_set)) as url:
        guard = ServiceCaller(audience=AUDIENCE, email=key.email, keys=PublicKeys(url))
        headers = {"authorization": f"Bearer {issuer.token(AUDIENCE)}"}
        assert await guard.identify(headers) == Caller(key.email, key.email)


async def test_its_token_for_somebody_else_or_of_another_day_is_not(key: SigningKey) -> None:
    issuer = TokenIssuer(key)
    yesterday = TokenIssuer(key, clock=lambda: datetime.now(UTC) - timedelta(days=1))
    async with serving(key_server(issuer.key_set)) as url:
        keys = PublicKeys(url)
        guard = ServiceCaller(audience=AUDIENCE, email=key.email, keys=keys)
        stranger = ServiceCaller(audience=AUDIENCE, email="else@example.com", keys=keys)
        for token in (issuer.token("http://127.0.0.1:8080/other"), yesterday.token(AUDIENCE)):
            with pytest.raises(Unauthenticated):
                await guard.identify({"authorization": f"Bearer {token}"})
        with pytest.raises(Forbidden):
            await stranger.identify({"authorization": f"Bearer {issuer.token(AUDIENCE)}"})


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
