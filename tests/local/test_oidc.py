"""The local token service makes tokens that the service's own guard takes."""

from datetime import UTC, datetime, timedelta

import pytest

from local.key_set import key_server
from local.oidc import TokenIssuer
from local.serving import serving
from local.storage.signing_key import SigningKey
from shared.auth.identity import Caller, ServiceCaller
from shared.auth.keys import PublicKeys
from shared.errors import Forbidden, Unauthenticated

AUDIENCE = "http://127.0.0.1:8080/reconcile"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate("local@example.iam.gserviceaccount.com")


async def test_its_token_is_let_in_by_its_own_keys(key: SigningKey) -> None:
    issuer = TokenIssuer(key)
    async with serving(key_server(issuer.key_set)) as url:
        guard = ServiceCaller(audience=AUDIENCE, email=key.email, keys=PublicKeys(url))
        headers = {"authorization": f"Bearer {issuer.token(AUDIENCE)}"}
        assert await guard.identify(headers) == Caller(key.email)


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
