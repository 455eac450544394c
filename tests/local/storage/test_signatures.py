"""Signatures by Google's library are valid for any name and parameters; changed requests are refused."""

import hashlib
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.cloud.storage import Blob, Bucket, Client
from google.oauth2 import service_account
from hypothesis import example, given
from hypothesis import strategies as st

from local.storage.signatures import Refused, SignedRequest, check_signature

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls
from local.storage.signing_key import SigningKey

HOST = "storage.example.com:8080"
KEY = SigningKey.generate()
KEYS = {KEY.email: KEY.public_key}
CREDENTIALS = service_account.Credentials.from_service_account_info(
    {
        "type": "service_account",
        "private_key": KEY.private_pem(),
        "client_email": KEY.email,
        "token_uri": "https://oauth2.example.com",
    }
)
CLIENT = Client(project="p", credentials=CREDENTIALS)

object_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def request(name: str = "a.txt", method: str = "GET", seconds: int = 60, **options: object) -> SignedRequest:
    url = urlsplit(
        Blob(name, Bucket(CLIENT, "results")).generate_signed_url(
            version="v4",
            method=method,
            expiration=timedelta(seconds=seconds),
            api_access_endpoint=f"http://{HOST}",
            **options,
        )
    )
    return SignedRequest(method, url.path, url.query, [("host", HOST), ("accept", "*/*")])


def check(signed: SignedRequest, *, later: float = 0) -> None:
    check_signature(signed, KEYS, datetime.now(UTC) + timedelta(seconds=later))


@pytest.mark.parametrize("skew", [-59, 59])
def test_a_url_is_valid_at_once_and_for_nearly_an_hour_whatever_the_signers_clock_says_within_a_minute(
    skew: int,
) -> None:
    signed = request(seconds=3600)
    check(signed, later=-skew)
    check(signed, later=3600 - 60 - skew if skew > 0 else 3600 - 60)


@given(
    name=object_names,
    disposition=st.none() | st.text(string.printable, max_size=30),
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
)
@example(name="runs/run_1/a b+c%2F?#&=;~é.h5ad", disposition='attachment; filename="x y.h5ad"', method="GET")
def test_every_signature_of_google_s_library_holds(name: str, disposition: str | None, method: str) -> None:
    check(request(name, method, response_disposition=disposition))


@given(name=object_names, other=object_names)
def test_no_signature_holds_for_another_object(name: str, other: str) -> None:
    if name == other:
        return
    with pytest.raises(Refused):
        check(replace(request(name), path=request(other).path))


@given(place=st.integers(min_value=0), digit=st.sampled_from("0123456789abcdef"))
def test_no_signature_holds_with_another_digit(place: int, digit: str) -> None:
    signed = request()
    head, signature = signed.query.split("X-Goog-Signature=")
    position = place % len(signature)
    if signature[position] == digit:
        return
    tampered = f"{head}X-Goog-Signature={signature[:position]}{digit}{signature[position + 1 :]}"
    with pytest.raises(Refused, match="SignatureDoesNotMatch"):
        check(replace(signed, query=tampered))


def test_signed_headers_must_come_as_they_were_signed() -> None:
    signed = request(headers={"x-goog-meta-run": "one   two", "content-type": "text/plain"})
    sent = [("host", HOST), ("content-type", "text/plain"), ("x-goog-meta-run", " one two ")]
    check(replace(signed, headers=sent))
    for headers in (
        sent[:2],
        [*sent[:2], ("x-goog-meta-run", "other")],
        [*sent, ("x-goog-meta-run", "twice")],
        [*sent, ("x-goog-acl", "public-read")],
    ):
        with pytest.raises(Refused):
            check(replace(signed, headers=headers))


def test_a_payload_s_digest_is_signed_where_it_is_given() -> None:
    digest = "0" * 64
    signed = request(method="PUT", headers={"x-goog-content-sha256": digest})
    check(replace(signed, headers=[("host", HOST), ("x-goog-content-sha256", digest)]))
    with pytest.raises(Refused):
        check(replace(signed, headers=[("host", HOST), ("x-goog-content-sha256", "1" * 64)]))


def test_a_signature_holds_until_its_expiry_and_not_before_its_date() -> None:
    signed = request(seconds=60)
    check(signed, later=55)
    check(signed, later=-55)
    with pytest.raises(Refused, match="ExpiredToken"):
        check(signed, later=61)
    with pytest.raises(Refused, match="future"):
        check(signed, later=-65)


def test_seven_days_are_the_longest() -> None:
    check(request(seconds=604_800))
    longer = request(seconds=604_800)
    with pytest.raises(Refused, match="X-Goog-Expires"):
        check(replace(longer, query=longer.query.replace("Expires=604800", "Expires=604801")))


def test_an_account_without_a_key_here_is_refused() -> None:
    with pytest.raises(Refused, match="no key"):
        check_signature(request(), {}, datetime.now(UTC))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256"),
        ("GOOG4-RSA-SHA256", ""),
        ("%2Fauto%2F", "%2Felsewhere%2F"),
        ("goog4_request", "aws4_request"),
        ("%2Fstorage%2F", "%2Fcompute%2F"),
        ("X-Goog-Expires=60", "X-Goog-Expires=61"),
        ("X-Goog-Expires=60", "X-Goog-Expires=0"),
        ("X-Goog-Expires=60", "X-Goog-Expires=-60"),
        ("X-Goog-Expires=60", "X-Goog-Expires=６０"),
        ("X-Goog-Expires=60", "X-Goog-Expires=60&X-Goog-Expires=600"),
        ("X-Goog-SignedHeaders=host", "X-Goog-SignedHeaders="),
        ("X-Goog-SignedHeaders=host", "X-Goog-SignedHeaders=accept"),
        ("X-Goog-SignedHeaders=host", "X-Goog-SignedHeaders=host%3Baccept"),
        ("X-Goog-SignedHeaders=host", "X-Goog-SignedHeaders=host%3Bhost"),
        ("X-Goog-Signature=", "X-Goog-Signature=zz"),
        ("X-Goog-Signature=", "X-Goog-Signature=0"),
        ("X-Goog-Signature=", "X-Goog-Signatur="),
        ("X-Goog-Date=2", "X-Goog-Date=x"),
        ("X-Goog-Algorithm", "generation=1&X-Goog-Algorithm"),
    ],
)
def test_a_changed_parameter_is_refused(old: str, new: str) -> None:
    signed = request()
    assert old in signed.query
    with pytest.raises(Refused):
        check(replace(signed, query=signed.query.replace(old, new, 1)))


def test_a_date_that_is_none_is_refused() -> None:
    signed = request()
    day = f"{datetime.now(UTC):%Y%m%d}"
    assert day in signed.query
    with pytest.raises(Refused):
        check(replace(signed, query=signed.query.replace(day, "20261399")))


def test_without_any_signature_the_caller_is_anonymous() -> None:
    for query in ("", "a=b", "x-goog-signature=1"):
        with pytest.raises(Refused, match="Anonymous"):
            check(SignedRequest("GET", "/results/a.txt", query, [("host", HOST)]))


def signed_by_hand(*extra: str, **changes: str) -> SignedRequest:
    """Return a request with a matching signature, whatever rule its parameters break."""
    now = datetime.now(UTC)
    scope = f"{now:%Y%m%d}/auto/storage/goog4_request"
    parameters = {
        "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
        "X-Goog-Credential": f"{KEY.email}/{changes.pop('scope', scope)}",
        "X-Goog-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Goog-Expires": "60",
        "X-Goog-SignedHeaders": "host",
    } | {f"X-Goog-{name}": value for name, value in changes.items()}
    query = "&".join(sorted([*(f"{name}={quote(value, safe='~')}" for name, value in parameters.items()), *extra]))
    names = parameters["X-Goog-SignedHeaders"]
    headers = "".join(f"{name}:{HOST if name == 'host' else '*/*'}\n" for name in names.split(";"))
    canonical = f"GET\n/results/a\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    scope = parameters["X-Goog-Credential"].partition("/")[2]
    text = f"{parameters['X-Goog-Algorithm']}\n{parameters['X-Goog-Date']}\n{scope}\n{digest}"
    signature = KEY.private_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
    sent = [("host", HOST), ("accept", "*/*")]
    return SignedRequest("GET", "/results/a", f"{query}&X-Goog-Signature={signature}", sent)


def test_a_signature_made_by_hand_after_google_s_pages_holds() -> None:
    check(signed_by_hand())
    check(signed_by_hand("generation=1", SignedHeaders="accept;host"))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: signed_by_hand(scope="20200101/auto/storage/goog4_request"),
        lambda: signed_by_hand(scope=f"{datetime.now(UTC):%Y%m%d}/auto/compute/goog4_request"),
        lambda: signed_by_hand(Algorithm="GOOG4-RSA-SHA1"),
        lambda: signed_by_hand(Expires="604801"),
        lambda: signed_by_hand(Expires="0"),
        lambda: signed_by_hand("X-Goog-Expires=6000"),
        lambda: signed_by_hand(SignedHeaders="accept"),
        lambda: signed_by_hand(SignedHeaders="host;accept"),
    ],
    ids=["another day", "another service", "SHA-1", "too long", "no time", "two expiries", "no host", "not sorted"],
)
def test_a_signature_that_fits_does_not_help_a_request_that_breaks_a_rule(broken: Callable[[], SignedRequest]) -> None:
    with pytest.raises(Refused, match="AccessDenied"):
        check(broken())
