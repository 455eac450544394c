"""Reconcile accepts one service account only, by a token that Google signed for it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer, RSASigner

from local.serving import serving
from local.storage.signing_key import SigningKey

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.tokens import KeySet, key_server, key_set
from shared.auth.identity import Caller, ServiceCaller
from shared.auth.keys import PublicKey, PublicKeys
from shared.errors import Forbidden, HaystackError, Unauthenticated, Unavailable

AUDIENCE = "https://reconcile.example.com"
SCHEDULER = "scheduler@project.iam.gserviceaccount.com"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

OWN_KEY = SigningKey.generate(SCHEDULER)
OTHER_KEY = SigningKey.generate(SCHEDULER)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: object) -> dict[str, object]:
    """Return valid claims with changes; None removes a claim."""
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "sub": "1",
        "email": SCHEDULER,
        "email_verified": True,
        "iat": SECONDS - 10,
        "exp": SECONDS + 3590,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(payload: Mapping[str, object], key: SigningKey = OWN_KEY, key_id: str = "own") -> str:
    token: bytes = jwt.encode(RSASigner.from_string(key.private_pem()), payload, key_id=key_id)
    return token.decode()


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256_with_the_public_key_as_secret() -> str:
    public = OWN_KEY.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'own'})}.{part(claims())}"
    return f"{unsigned}.{part(hmac.digest(public, unsigned.encode(), hashlib.sha256))}"


def es256_by_a_published_key() -> str:
    private = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    token: bytes = jwt.encode(ES256Signer.from_string(private), claims(), key_id="ec")
    return token.decode()


KEYS: Mapping[str, PublicKey] = {"own": OWN_KEY.public_key, "ec": EC_KEY.public_key()}


@dataclass
class Google:
    """A server of Google's keys."""

    keys: dict[str, PublicKey] = field(default_factory=lambda: dict(KEYS))
    asked: int = 0
    url: str = ""

    def published(self) -> KeySet:
        self.asked += 1
        return key_set(self.keys)

    def guard(self, *, audience: str = AUDIENCE, email: str = SCHEDULER) -> ServiceCaller:
        return ServiceCaller(audience=audience, email=email, keys=PublicKeys(self.url), clock=lambda: NOW)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Google]:
    google = Google()
    async with serving(key_server(google.published)) as url:
        google.url = url
        yield google


@pytest.fixture
def google(served: Google) -> Google:
    served.keys = dict(KEYS)
    served.asked = 0
    return served


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
async def test_the_scheduler_is_accepted_with_either_name_of_the_issuer(google: Google, issuer: str) -> None:
    assert await google.guard().identify(bearer(signed(claims(iss=issuer)))) == Caller(SCHEDULER, SCHEDULER)


async def test_the_scheme_may_be_written_in_any_case(google: Google) -> None:
    assert await google.guard().identify({"authorization": f"bEARER  {signed(claims())}"}) == Caller(
        SCHEDULER, SCHEDULER
    )


FORGERIES: dict[str, tuple[dict[str, str], type[HaystackError]]] = {
    "no header": ({}, Unauthenticated),
    "empty header": ({"authorization": ""}, Unauthenticated),
    "scheme alone": ({"authorization": "Bearer"}, Unauthenticated),
    "basic": ({"authorization": f"Basic {signed(claims())}"}, Unauthenticated),
    "no scheme": ({"authorization": signed(claims())}, Unauthenticated),
    "in the header of IAP": ({"x-goog-iap-jwt-assertion": signed(claims())}, Unauthenticated),
    "an e-mail header": ({"x-goog-authenticated-user-email": SCHEDULER}, Unauthenticated),
    "not a token": (bearer("abc"), Unauthenticated),
    "alg none": (bearer(f"{part({'alg': 'none', 'kid': 'own'})}.{part(claims())}."), Unauthenticated),
    "HS256 with the public key as secret": (bearer(hs256_with_the_public_key_as_secret()), Unauthenticated),
    "ES256 by a published key": (bearer(es256_by_a_published_key()), Unauthenticated),
    "another key": (bearer(signed(claims(), OTHER_KEY)), Unauthenticated),
    "RS256 by the id of a curve's key": (bearer(signed(claims(), OWN_KEY, "ec")), Unauthenticated),
    "an unknown key": (bearer(signed(claims(), OTHER_KEY, "other")), Unauthenticated),
    "IAP's issuer": (bearer(signed(claims(iss="https://cloud.google.com/iap"))), Unauthenticated),
    "wrong audience": (bearer(signed(claims(aud="https://other.example.com"))), Unauthenticated),
    "no audience": (bearer(signed(claims(aud=None))), Unauthenticated),
    "expired": (bearer(signed(claims(iat=SECONDS - 3600, exp=SECONDS - 31))), Unauthenticated),
    "issued in the future": (bearer(signed(claims(iat=SECONDS + 31))), Unauthenticated),
    "too long-lived": (bearer(signed(claims(exp=SECONDS + 86_400))), Unauthenticated),
    "no e-mail": (bearer(signed(claims(email=None))), Unauthenticated),
    "e-mail a number": (bearer(signed(claims(email=7))), Unauthenticated),
    "e-mail not verified": (bearer(signed(claims(email_verified=False))), Unauthenticated),
    "e-mail verified as a text": (bearer(signed(claims(email_verified="true"))), Unauthenticated),
    "nothing on verification": (bearer(signed(claims(email_verified=None))), Unauthenticated),
    "3 MB": (bearer("x" * 3_000_000), Unauthenticated),
    "another account": (bearer(signed(claims(email="other@project.iam.gserviceaccount.com"))), Forbidden),
    "another account, not verified": (
        bearer(signed(claims(email="other@example.com", email_verified=False))),
        Unauthenticated,
    ),
}


@pytest.mark.parametrize(("headers", "refusal"), FORGERIES.values(), ids=FORGERIES.keys())
async def test_everyone_else_is_refused(google: Google, headers: dict[str, str], refusal: type[HaystackError]) -> None:
    with pytest.raises(HaystackError) as refused:
        await google.guard().identify(headers)
    assert type(refused.value) is refusal


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no header", "no bearer token"),
        ("no audience", "MissingRequiredClaimError"),
        ("expired", "expired"),
        ("issued in the future", "issued in the future"),
        ("too long-lived", "lifetime too long"),
        ("e-mail a number", "no verified e-mail"),
        ("e-mail not verified", "no verified e-mail"),
    ],
)
async def test_the_log_has_the_reason(
    google: Google, name: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: no test noticed refusals whose reason is not logged, with which an operator finds a wrong setting."""
    with pytest.raises(Unauthenticated):
        await google.guard().identify(FORGERIES[name][0])
    assert json.loads(capsys.readouterr().err)["reason"] == reason


async def test_a_guard_without_a_caller_and_another_account_are_told_apart(
    google: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unauthenticated):
        await google.guard(email="").identify(bearer(signed(claims())))
    assert json.loads(capsys.readouterr().err)["reason"] == "no caller is configured"
    with pytest.raises(Forbidden, match=r"^Only the service account of the scheduler may call this\.$"):
        await google.guard().identify(FORGERIES["another account"][0])


@pytest.mark.parametrize("unset", [{"audience": ""}, {"email": ""}], ids=["audience", "caller"])
async def test_without_a_configured_audience_or_caller_everyone_is_refused(
    google: Google, unset: dict[str, Any]
) -> None:
    for changes in ({}, {"aud": ""}, {"email": ""}):
        with pytest.raises(Unauthenticated):
            await google.guard(**unset).identify(bearer(signed(claims(**changes))))


async def test_an_unknown_key_is_fetched_once(google: Google) -> None:
    guard = google.guard()
    await guard.identify(bearer(signed(claims())))
    google.keys["other"] = OTHER_KEY.public_key
    assert await guard.identify(bearer(signed(claims(), OTHER_KEY, "other"))) == Caller(SCHEDULER, SCHEDULER)
    with pytest.raises(Unauthenticated):
        await guard.identify(bearer(signed(claims(), OTHER_KEY, "unknown")))
    assert google.asked == 2


async def test_without_keys_the_service_is_unavailable() -> None:
    guard = ServiceCaller(audience=AUDIENCE, email=SCHEDULER, keys=PublicKeys("http://127.0.0.1:9/"), clock=lambda: NOW)
    with pytest.raises(Unavailable):
        await guard.identify(bearer(signed(claims())))
