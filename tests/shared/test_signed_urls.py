"""Our signed URLs are, to the byte, those that Google's own library makes."""

from datetime import datetime, timedelta

import pytest
from google.cloud.storage._signing import generate_signed_url_v4
from google.oauth2 import service_account

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls
from local.storage.signing_key import SigningKey
from shared.signed_urls import ENDPOINT, signed_url

KEY = SigningKey.generate("signer@p.iam.gserviceaccount.com")
CREDENTIALS = service_account.Credentials.from_service_account_info(
    {"client_email": KEY.email, "private_key": KEY.private_pem(), "token_uri": "https://oauth2.googleapis.com/token"}
)


@pytest.mark.parametrize("endpoint", [ENDPOINT, "http://127.0.0.1:9023"])
@pytest.mark.parametrize("name", ["runs/run_0123456789ab/report.html", "a b/ü+%2F?#&=.json", "~tilde_-.'()!*"])
def test_a_url_is_that_of_googles_own_library(name: str, endpoint: str) -> None:
    lifetime = timedelta(hours=1)
    now = datetime(2026, 3, 1, 12, 0, 5)  # noqa: DTZ001  # the library reads the time back as a naive one in UTC
    ours = signed_url(
        "results",
        name,
        signer=KEY.email,
        sign=CREDENTIALS.sign_bytes,
        now=now,
        expires_at=now + lifetime,
        endpoint=endpoint,
    )
    bucket_and_name = ours[len(endpoint) : ours.index("?")]
    theirs = generate_signed_url_v4(
        CREDENTIALS,
        resource=bucket_and_name,
        expiration=lifetime,
        api_access_endpoint=endpoint,
        _request_timestamp="20260301T120005Z",
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["runs/run_0123456789ab/report.html", "a b/ü+%2F?#&=.json", "~tilde_-.'()!*"])
def test_an_objects_name_is_written_as_googles_own_library_writes_it(name: str) -> None:
    from google.cloud.storage.blob import _quote  # noqa: PLC0415  # theirs, to compare with

    now = datetime(2026, 3, 1, 12)  # noqa: DTZ001  # as above
    ours = signed_url("results", name, signer="s", sign=lambda _: b"", now=now, expires_at=now)
    assert ours.removeprefix(ENDPOINT).partition("?")[0] == f"/results/{_quote(name, safe=b'/~')}"
