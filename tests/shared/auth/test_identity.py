"""An IAP assertion is accepted only if every part of it is valid."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer, RSASigner
from hypothesis import given
from hypothesis import strategies as st

from local.serving import serving

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.tokens import KeySet, key_server, key_set
from shared.auth.identity import Caller, DevelopmentIdentity, IapIdentity
from shared.auth.keys import PublicKey, PublicKeys
from shared.errors import Unauthenticated, Unavailable

AUDIENCE = "/projects/1234/global/backendServices/5678"
HEADER = "x-goog-iap-jwt-assertion"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SUBJECT = "accounts.google.com:1"
ADA = Caller(SUBJECT, "ada@example.com")


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


OWN_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
LONGER_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes: object) -> dict[str, object]:
    """Return valid claims with changes; None removes a claim."""
    good = {
        "iss": "https://cloud.google.com/iap",
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "email": "Ada@Example.com",
        "iat": SECONDS - 10,
        "exp": SECONDS + 590,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(payload: Mapping[str, object], key: ec.EllipticCurvePrivateKey = OWN_KEY, key_id: str = "own") -> str:
    token: bytes = jwt.encode(ES256Signer.from_string(pem(key)), payload, key_id=key_id)
    return token.decode()


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def made_by_hand(header: object, payload: object, signature: bytes = b"") -> str:
    return f"{part(header)}.{part(payload)}.{part(signature)}"


def hs256_with_the_public_key_as_secret() -> str:
    unsigned = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'own'})}.{part(claims())}"
    return f"{unsigned}.{part(hmac.digest(public_pem(OWN_KEY).encode(), unsigned.encode(), hashlib.sha256))}"


def rs256_by_a_published_key() -> str:
    token: bytes = jwt.encode(RSASigner.from_string(pem(RSA_KEY)), claims(), key_id="rsa")
    return token.decode()


def on_condition(name: str) -> str:
    """Sign a good token with a critical extension, which a verifier that does not understand it must refuse (RFC 7515, 4.1.11)."""
    header = {"crit": [name], name: True}
    token: bytes = jwt.encode(ES256Signer.from_string(pem(OWN_KEY)), claims(), header=header, key_id="own")
    return token.decode()


def with_another_payload() -> str:
    head, _, signature = signed(claims()).split(".")
    return f"{head}.{part(claims(email='mallory@example.com'))}.{signature}"


@dataclass
class Iap:
    """A key server, and an identity that uses it, at a fixed time."""

    keys: dict[str, PublicKey] = field(
        default_factory=lambda: {
            "own": OWN_KEY.public_key(),
            "rsa": RSA_KEY.public_key(),
            "longer": LONGER_KEY.public_key(),
        }
    )
    asked: int = 0
    now: datetime = NOW
    url: str = ""

    def published(self) -> KeySet:
        self.asked += 1
        return key_set(self.keys)

    def identity(self, audience: str = AUDIENCE) -> IapIdentity:
        return IapIdentity(audience=audience, keys=PublicKeys(self.url), clock=lambda: self.now)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Iap]:
    iap = Iap()
    async with serving(key_server(iap.published)) as url:
        iap.url = url
        yield iap


@pytest.fixture
def iap(served: Iap) -> Iap:
    served.keys = Iap().keys
    served.asked = 0
    return served


async def test_the_caller_is_the_signed_e_mail_in_lower_case(iap: Iap) -> None:
    assert await iap.identity().identify({HEADER: signed(claims())}) == ADA


@pytest.mark.parametrize(
    ("signed_email", "email"),
    [
        ("\u212aim@example.com", "\u212aim@example.com"),
        ("\u0130nci@Example.com", "\u0130nci@example.com"),
        ("\u00c4da@example.com", "\u00c4da@example.com"),
        (" Kim@example.com\n", "kim@example.com"),
        ("\u00a0kim@example.com\u3000", "\u00a0kim@example.com\u3000"),
    ],
    ids=["Kelvin sign", "dotted capital I", "umlaut", "ASCII", "spaces that are not ASCII"],
)
async def test_only_ascii_letters_of_an_e_mail_change_their_case(iap: Iap, signed_email: str, email: str) -> None:
    """Regression: the Kelvin sign became a "k", so that another account owned the runs of kim@example.com."""
    assert await iap.identity().identify({HEADER: signed(claims(email=signed_email))}) == Caller(SUBJECT, email)


async def test_the_subject_stays_verbatim_and_owns_runs_before_the_e_mail(iap: Iap) -> None:
    subject = "securetoken.google.com/Project/Tenant:aB3 "
    caller = await iap.identity().identify({HEADER: signed(claims(sub=subject))})
    assert (caller.subject, caller.owners) == (subject, (subject, "ada@example.com"))


async def test_without_a_subject_the_address_is_the_caller_where_addresses_own_runs(iap: Iap) -> None:
    assertion = {HEADER: signed(claims(sub=None))}
    assert (await iap.identity().identify(assertion)).owners == ("ada@example.com",)
    identity = IapIdentity(audience=AUDIENCE, keys=PublicKeys(iap.url), clock=lambda: NOW, by_email=False)
    with pytest.raises(Unauthenticated):
        await identity.identify(assertion)


async def test_runs_of_an_e_mail_address_can_be_given_up(iap: Iap) -> None:
    identity = IapIdentity(audience=AUDIENCE, keys=PublicKeys(iap.url), clock=lambda: NOW, by_email=False)
    caller = await identity.identify({HEADER: signed(claims())})
    assert (caller.email, caller.owners) == ("ada@example.com", (SUBJECT,))


FORGERIES: dict[str, str] = {
    "empty": "",
    "not a token": "abc",
    "two parts": "a.b",
    "four parts": "a.b.c.d",
    "no base64": "!!!.???.***",
    "not ascii": "é.é.é",
    "lists for objects": made_by_hand([], []),
    "deeply nested": made_by_hand(b"[" * 8000, {}),
    "alg none": made_by_hand({"alg": "none", "kid": "own"}, claims()),
    "alg None in capitals": made_by_hand({"alg": "NONE", "kid": "own"}, claims()),
    "alg a list": made_by_hand({"alg": ["ES256"], "kid": "own"}, claims()),
    "no alg": made_by_hand({"kid": "own"}, claims()),
    "HS256 with the public key as secret": hs256_with_the_public_key_as_secret(),
    "RS256 by a published key": rs256_by_a_published_key(),
    "ES256 by the id of an RSA key": signed(claims(), OWN_KEY, "rsa"),
    "ES384 by a published key": signed(claims(), LONGER_KEY, "longer"),
    "no key id": made_by_hand({"alg": "ES256"}, claims(), b"\1" * 64),
    "key id a list": made_by_hand({"alg": "ES256", "kid": ["own"]}, claims(), b"\1" * 64),
    "another key under our key id": signed(claims(), OTHER_KEY),
    "on conditions": on_condition("only_on_mondays"),
    "on the condition that PyJWT knows": on_condition("b64"),
    "no signature": made_by_hand({"alg": "ES256", "kid": "own"}, claims()),
    "a signature of zeros": made_by_hand({"alg": "ES256", "kid": "own"}, claims(), b"\0" * 64),
    "another payload under a good signature": with_another_payload(),
    "wrong issuer": signed(claims(iss="https://accounts.google.com")),
    "issuer a list": signed(claims(iss=["https://cloud.google.com/iap"])),
    "no issuer": signed(claims(iss=None)),
    "wrong audience": signed(claims(aud="/projects/1234/global/backendServices/9999")),
    "audience a list": signed(claims(aud=[AUDIENCE])),
    "no audience": signed(claims(aud=None)),
    "empty audience": signed(claims(aud="")),
    "expired": signed(claims(iat=SECONDS - 600, exp=SECONDS - 31)),
    "issued in the future": signed(claims(iat=SECONDS + 31, exp=SECONDS + 600)),
    "too long-lived": signed(claims(iat=SECONDS, exp=SECONDS + 631)),
    "no expiry": signed(claims(exp=None)),
    "no time of issue": signed(claims(iat=None)),
    "expiry not a number": signed(claims(exp=float("nan"))),
    "endless expiry": signed(claims(exp=float("inf"))),
    "expiry a text": signed(claims(exp=str(SECONDS + 500))),
    "issue true": signed(claims(iat=True)),
    "an astronomic expiry": signed(claims(exp=10**400)),
    "empty subject": signed(claims(sub="")),
    "subject a number": signed(claims(sub=1)),
    "no e-mail": signed(claims(email=None)),
    "not valid yet": signed(claims(nbf=SECONDS + 31)),
    "not valid before a text": signed(claims(nbf=str(SECONDS))),
    "not valid before infinity": signed(claims(nbf=float("inf"))),
    "empty e-mail": signed(claims(email=" ")),
    "e-mail a list": signed(claims(email=["ada@example.com"])),
    "17 KiB": signed(claims(padding="x" * 17_000)),
    "3 MB": f"{part(b'x' * 1_000_000)}.{part(b'x' * 1_000_000)}.{part(b'x' * 1_000_000)}",
}


@pytest.mark.parametrize("assertion", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forgery_is_refused_and_only_the_log_has_the_reason(
    iap: Iap, assertion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await iap.identity().identify({HEADER: assertion})
    assert refusal.value.detail == Unauthenticated().detail
    written = capsys.readouterr().err
    line = json.loads(written)
    assert (line["severity"], line["message"]) == ("WARNING", "token refused")
    assert re.fullmatch(r"[A-Za-z -]+", line["reason"])
    assert len(assertion) < 10 or assertion[-40:] not in written
    assert "example.com" not in written


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("17 KiB", "token too long"),
        ("two parts", "not a token in compact form"),
        ("on the condition that PyJWT knows", "critical extensions"),
        ("no key id", "no key id"),
        ("ES256 by the id of an RSA key", "no key of this id and algorithm"),
        ("another key under our key id", "InvalidSignatureError"),
        ("issue true", "times are not integers"),
        ("not valid yet", "issued in the future"),
        ("empty subject", "no subject"),
        ("empty e-mail", "no e-mail"),
    ],
)
async def test_each_reason_is_logged(iap: Iap, name: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: no test noticed a refusal with a wrong reason, with which an operator looks for a wrong setting."""
    with pytest.raises(Unauthenticated):
        await iap.identity().identify({HEADER: FORGERIES[name]})
    assert json.loads(capsys.readouterr().err)["reason"] == reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-goog-authenticated-user-email": "accounts.google.com:ada@example.com"},
        {"authorization": f"Bearer {signed(claims())}"},
    ],
    ids=["nothing", "the e-mail header", "the assertion as a bearer token"],
)
async def test_without_an_assertion_the_caller_is_unknown(
    iap: Iap, headers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unauthenticated):
        await iap.identity().identify(headers)
    assert json.loads(capsys.readouterr().err)["reason"] == "no assertion"


async def test_the_e_mail_header_beside_a_valid_assertion_is_ignored(iap: Iap) -> None:
    headers = {HEADER: signed(claims()), "x-goog-authenticated-user-email": "accounts.google.com:mallory@example.com"}
    assert await iap.identity().identify(headers) == ADA


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": SECONDS - 600, "exp": SECONDS - 30},
        {"iat": SECONDS + 30, "exp": SECONDS + 600},
        {"nbf": SECONDS + 30},
        {"iat": SECONDS, "exp": SECONDS + 630},
    ],
    ids=["just expired", "just issued", "just valid", "just short enough"],
)
async def test_clocks_may_be_thirty_seconds_apart(iap: Iap, changes: dict[str, Any]) -> None:
    assert await iap.identity().identify({HEADER: signed(claims(**changes))}) == ADA


async def test_without_a_configured_audience_everyone_is_refused(iap: Iap) -> None:
    for audience in (None, ""):
        with pytest.raises(Unauthenticated):
            await iap.identity("").identify({HEADER: signed(claims(aud=audience))})
    assert iap.asked == 0


async def test_an_oversized_assertion_is_refused_before_anything_is_asked(iap: Iap) -> None:
    with pytest.raises(Unauthenticated):
        await iap.identity().identify({HEADER: FORGERIES["17 KiB"]})
    assert iap.asked == 0


async def test_a_rotated_key_is_fetched_once_and_forged_key_ids_cause_no_more(iap: Iap) -> None:
    identity = iap.identity()
    await identity.identify({HEADER: signed(claims())})
    iap.keys["new"] = OTHER_KEY.public_key()
    assert await identity.identify({HEADER: signed(claims(), OTHER_KEY, "new")}) == ADA
    assert iap.asked == 2
    for number in range(5):
        with pytest.raises(Unauthenticated):
            await identity.identify({HEADER: signed(claims(), OTHER_KEY, f"forged-{number}")})
    assert iap.asked == 2


async def test_without_keys_the_service_is_unavailable_instead_of_the_caller_unknown(iap: Iap) -> None:
    identity = IapIdentity(audience=AUDIENCE, keys=PublicKeys("http://127.0.0.1:9/"), clock=lambda: NOW)
    with pytest.raises(Unavailable):
        await identity.identify({HEADER: signed(claims())})


@given(position=st.integers(min_value=0), change=st.integers(1, 255))
async def test_a_token_with_a_changed_byte_is_refused(served: Iap, position: int, change: int) -> None:
    pieces = signed(claims()).split(".")
    decoded = [bytearray(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4))) for piece in pieces]
    which = position % 3
    decoded[which][(position // 3) % len(decoded[which])] ^= change
    with pytest.raises(Unauthenticated):
        await served.identity().identify({HEADER: ".".join(part(bytes(piece)) for piece in decoded)})


@pytest.mark.parametrize(
    ("headers", "email"),
    [
        ({}, "dev@example.com"),
        ({"x-goog-authenticated-user-email": " "}, "dev@example.com"),
        ({"x-goog-authenticated-user-email": "accounts.google.com:"}, "dev@example.com"),
        ({"x-goog-authenticated-user-email": "accounts.google.com:Ada@Example.com"}, "ada@example.com"),
        ({"x-goog-authenticated-user-email": "bob@example.com"}, "bob@example.com"),
        ({HEADER: "anything"}, "dev@example.com"),
    ],
)
async def test_in_development_the_e_mail_header_is_trusted(headers: dict[str, str], email: str) -> None:
    caller = await DevelopmentIdentity().identify(headers)
    assert (caller, caller.owners) == (Caller(email, email), (email,))


def test_verifying_callers_imports_no_http_library_and_nothing_of_google() -> None:
    program = "import sys, shared.auth.identity; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "cryptography" in loaded
    assert not {"requests", "urllib3", "aiohttp", "httpx", "google.auth", "grpc", "starlette"} & set(loaded)
