"""Everyone but the service account is refused by reconcile, without a read of the store."""

import time
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import httpx
import pytest

from local.storage.signing_key import SigningKey

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.tokens import ISSUER, TokenIssuer
from tests.functions.conftest import AUDIENCE, Cloud
from tests.support.firestore_recorder import Recorder

RECONCILE = "/api/v1/reconcile"
PUSH = {"message": {"attributes": {"JobName": "projects/p/locations/r/jobs/haystack-0123456789ab-1"}}}
WRONG: Mapping[str, Mapping[str, object]] = {
    "another issuer": {"iss": "https://issuer.example.com"},
    "another audience": {"aud": "https://elsewhere.example.com"},
    "no audience": {"aud": None},
    "expired": {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600},
    "not yet issued": {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200},
    "a life of a day": {"exp": int(time.time()) + 86400},
    "an e-mail that is not verified": {"email_verified": False},
    "no e-mail": {"email": None},
}


@pytest.fixture
async def recorder(firestore_host: str) -> AsyncIterator[Recorder]:
    """Start a recording proxy in front of the emulator."""
    recorder = Recorder(firestore_host)
    await recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
def store_settings(recorder: Recorder) -> dict[str, str]:
    """Use only Firestore, through the recorder."""
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": recorder.host, "PROJECT": f"test-{uuid4().hex[:12]}"}


def token(cloud: Cloud, **changes: object) -> str:
    """Return the scheduler's token with changed claims; None removes a claim."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "1",
        "email": cloud.account,
        "email_verified": True,
        "iat": int(time.time()),
        "exp": int(time.time()) + 3600,
        **changes,
    }
    return cloud.issuer.sign({name: value for name, value in claims.items() if value is not None})


async def test_a_refused_request_reads_nothing(api: httpx.AsyncClient, cloud: Cloud, recorder: Recorder) -> None:
    genuine = token(cloud)
    head, payload, _ = genuine.split(".")
    refused = {name: (401, f"Bearer {token(cloud, **changes)}") for name, changes in WRONG.items()}
    refused |= {
        "another service account": (403, f"Bearer {token(cloud, email='other@p.iam.gserviceaccount.com')}"),
        "a key of somebody else": (401, f"Bearer {TokenIssuer(SigningKey.generate()).token(AUDIENCE)}"),
        "a signature of another token": (401, f"Bearer {head}.{payload}.{token(cloud, sub='2').rpartition('.')[2]}"),
        "nothing": (401, ""),
        "another scheme": (401, f"Basic {genuine}"),
        "no token at all": (401, "Bearer made up"),
        "two at once": (401, f"Bearer {genuine}, Bearer {genuine}"),
    }
    recorder.forget()
    for who, (status, authorization) in refused.items():
        for body in ({}, PUSH):
            answer = await api.post(RECONCILE, json=body, headers={"Authorization": authorization})
            assert answer.status_code == status, who
            assert answer.json()["code"] == {401: "unauthenticated", 403: "forbidden"}[status]
    assert dict(recorder.calls) == {}
    assert (await api.post(RECONCILE, json={}, headers={"Authorization": f"Bearer {genuine}"})).status_code == 200
    assert dict(recorder.calls) == {"RunQuery": 1}
