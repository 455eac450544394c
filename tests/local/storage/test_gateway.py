"""The storage gateway in front of a real fake-gcs-server: signed URLs work unchanged, and in no other form."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob, Client
from google.oauth2 import service_account

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls
from local.serving import serving
from local.storage.gateway import storage_gateway
from local.storage.server import StorageServer
from local.storage.signing_key import SigningKey

BODY = b"<h1>a report</h1>"
NAME = "runs/run_1/a report+é.html"


@dataclass
class Bucket:
    """A bucket with one object, as seen by its owner and by the public."""

    client: Client
    http: httpx.AsyncClient
    signer: service_account.Credentials
    keys: Mapping[str, RSAPublicKey]
    url: str

    def blob(self, name: str = NAME) -> Blob:
        blob: Blob = self.client.bucket("results").blob(name)
        return blob

    def signed(self, name: str = NAME, method: str = "GET", seconds: int = 60, **options: object) -> str:
        url: str = self.blob(name).generate_signed_url(
            version="v4",
            method=method,
            expiration=timedelta(seconds=seconds),
            credentials=self.signer,
            api_access_endpoint=self.url,
            **options,
        )
        return url


@pytest.fixture(scope="module")
async def bucket() -> AsyncIterator[Bucket]:
    server = StorageServer(data_dir=None, bucket="results")
    url = await server.start()
    signer = service_account.Credentials.from_service_account_file(str(server.key_file))
    client = Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    async with httpx.AsyncClient(trust_env=False) as http:
        bucket = Bucket(client, http, signer, {server.key.email: server.key.public_key}, url)
        for name, body in ((NAME, BODY), ("runs/run_2/secret.html", b"secret")):
            blob = bucket.blob(name)
            blob.content_disposition = "inline; filename=report.html"
            await asyncio.to_thread(blob.upload_from_string, body, "text/html; charset=utf-8")
        yield bucket
    client.close()
    await server.stop()


async def test_a_signed_url_gives_the_object_with_its_headers(bucket: Bucket) -> None:
    answer = await bucket.http.get(bucket.signed())
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"] == "inline; filename=report.html"
    assert answer.headers["content-length"] == str(len(BODY))
    assert answer.headers["etag"]
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert answer.headers.get_list("date") == [answer.headers["date"]]


async def test_the_signer_may_choose_how_the_browser_takes_it(bucket: Bucket) -> None:
    url = bucket.signed(response_disposition='attachment; filename="r.html"', response_type="text/plain")
    answer = await bucket.http.get(url)
    assert answer.headers.get_list("content-disposition") == ['attachment; filename="r.html"']
    assert answer.headers.get_list("content-type") == ["text/plain"]


@pytest.mark.parametrize("value", ["attachment\r\nX-Forged: 1", "a\nb", "a\0b"])
async def test_the_signer_cannot_write_headers_of_its_own(bucket: Bucket, value: str) -> None:
    for url in (bucket.signed(response_disposition=value), bucket.signed(response_type=value)):
        answer = await bucket.http.get(url)
        assert answer.status_code == 400
        assert "x-forged" not in answer.headers


async def test_a_part_can_be_asked_for(bucket: Bucket) -> None:
    answer = await bucket.http.get(bucket.signed(), headers={"range": "bytes=1-2"})
    assert (answer.status_code, answer.content) == (206, BODY[1:3])
    assert answer.headers["content-range"] == f"bytes 1-2/{len(BODY)}"


async def test_a_signed_url_can_be_used_often_and_at_once(bucket: Bucket) -> None:
    url = bucket.signed()
    answers = await asyncio.gather(*(bucket.http.get(url) for _ in range(20)))
    assert {answer.content for answer in answers} == {BODY}


async def test_head_needs_a_signature_for_head(bucket: Bucket) -> None:
    answer = await bucket.http.head(bucket.signed(method="HEAD"))
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(BODY)))
    assert (await bucket.http.head(bucket.signed())).status_code == 403


async def test_an_object_can_be_put_by_its_own_signed_url(bucket: Bucket) -> None:
    name = "runs/run_3/put.bin"
    assert (await bucket.http.put(bucket.signed(name, "PUT"), content=b"put")).status_code == 200
    assert (await bucket.http.get(bucket.signed(name))).content == b"put"


async def test_a_missing_object_is_404_to_who_may_ask(bucket: Bucket) -> None:
    assert (await bucket.http.get(bucket.signed("runs/none"))).status_code == 404


def tampered_digit(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def another_object(url: str) -> str:
    return url.replace(quote(NAME, safe="/~"), "runs/run_2/secret.html")


TAMPERINGS: dict[str, Callable[[str], str]] = {
    "a digit of the signature": tampered_digit,
    "a shorter signature": lambda url: url[:-2],
    "no signature": lambda url: url.partition("&X-Goog-Signature")[0],
    "no query": lambda url: url.partition("?")[0],
    "another object": another_object,
    "another bucket": lambda url: url.replace("/results/", "/others/"),
    "a longer life": lambda url: url.replace("X-Goog-Expires=60", "X-Goog-Expires=600"),
    "another account": lambda url: url.replace("haystack-runs%40", "somebody%40"),
    "another day": lambda url: url.replace(f"%2F{datetime.now(UTC):%Y%m%d}%2F", "%2F20200101%2F"),
    "one more parameter": lambda url: url + "&response-content-type=text%2Fplain",
    "another name of the host": lambda url: url.replace("127.0.0.1", "localhost"),
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
async def test_a_url_that_was_tampered_with_is_403_and_gives_nothing(
    bucket: Bucket, tamper: Callable[[str], str]
) -> None:
    url = bucket.signed()
    tampered = tamper(url)
    assert tampered != url
    answer = await bucket.http.get(tampered)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("application/xml")
    assert ElementTree.fromstring(answer.text).findtext("Code") in {"SignatureDoesNotMatch", "AccessDenied"}  # noqa: S314  # our own gateway's


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "PATCH", "DELETE"])
async def test_a_url_for_get_is_403_for_every_other_method(bucket: Bucket, method: str) -> None:
    url = bucket.signed()
    assert (await bucket.http.request(method, url)).status_code == 403
    assert (await bucket.http.get(url)).content == BODY


async def test_an_expired_url_is_403(bucket: Bucket) -> None:
    url = bucket.signed(seconds=1)
    assert (await bucket.http.get(url)).status_code == 200
    await asyncio.sleep(1.1)
    answer = await bucket.http.get(url)
    assert answer.status_code == 403
    assert "ExpiredToken" in answer.text


async def test_a_url_from_the_future_is_403(bucket: Bucket) -> None:
    gateway = storage_gateway(
        upstream="http://127.0.0.1:9", keys=bucket.keys, clock=lambda: datetime.now(UTC) - timedelta(hours=1)
    )
    async with serving(gateway) as url:
        answer = await bucket.http.get(Bucket(bucket.client, bucket.http, bucket.signer, bucket.keys, url).signed())
    assert answer.status_code == 403
    assert "future" in answer.text


async def test_another_key_for_the_same_account_is_403(bucket: Bucket) -> None:
    key = SigningKey.generate()
    info = {
        "type": "service_account",
        "private_key": key.private_pem(),
        "client_email": key.email,
        "token_uri": "https://oauth2.example.com",
    }
    stranger = service_account.Credentials.from_service_account_info(info)
    url = Bucket(bucket.client, bucket.http, stranger, bucket.keys, bucket.url).signed()
    assert (await bucket.http.get(url)).status_code == 403


async def test_a_browser_of_another_origin_may_ask_first(bucket: Bucket) -> None:
    headers = {"origin": "https://example.com", "access-control-request-method": "GET"}
    answer = await bucket.http.options(bucket.signed(), headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "GET" in answer.headers["access-control-allow-methods"]


async def test_a_resumable_upload_comes_back_through_the_gateway(bucket: Bucket) -> None:
    blob = bucket.blob("runs/run_4/large.bin")
    begun = await asyncio.to_thread(blob.create_resumable_upload_session, "application/octet-stream")
    assert begun.startswith(f"{bucket.url}/")
    assert (await bucket.http.put(begun, content=b"large")).status_code == 200
    assert await asyncio.to_thread(blob.download_as_bytes) == b"large"


async def test_a_piece_sent_again_after_the_upload_ended_is_told_that_its_session_is_over(bucket: Bucket) -> None:
    """fake-gcs-server answers before it reads the chunk; the gateway once turned that into a 503, which clients retry for minutes."""
    blob = bucket.blob("runs/run_5/large.bin")
    begun = await asyncio.to_thread(blob.create_resumable_upload_session, "application/octet-stream")
    piece = bytes(9 * 1024 * 1024)
    told = [(await bucket.http.put(begun, content=piece)).status_code for _ in range(3)]
    assert told == [200, 404, 404]


async def test_asking_for_the_state_of_an_upload_does_not_end_it(bucket: Bucket) -> None:
    """The gateway asks so after a lost response. `bytes */*`, which Cloud Storage documents, ends the upload in fake-gcs-server."""
    blob = bucket.blob("runs/run_6/large.bin")
    begun = await asyncio.to_thread(blob.create_resumable_upload_session, "application/octet-stream")
    first, last = bytes(256 * 1024), b"last"
    total = len(first) + len(last)
    told = [
        await bucket.http.put(begun, content=first, headers={"Content-Range": f"bytes 0-{len(first) - 1}/*"}),
        await bucket.http.put(begun, headers={"Content-Range": "bytes 0-0/*"}),
        await bucket.http.put(
            begun, content=last, headers={"Content-Range": f"bytes {len(first)}-{total - 1}/{total}"}
        ),
    ]
    assert [answer.status_code for answer in told] == [308, 308, 200]
    assert await asyncio.to_thread(blob.download_as_bytes) == first + last


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_upstream_that_is_away_is_503(method: str) -> None:
    key = SigningKey.generate()
    gateway = storage_gateway(upstream="http://127.0.0.1:9", keys={key.email: key.public_key})
    async with serving(gateway) as url, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.request(method, f"{url}/upload/storage/v1/b", content=b"piece" if method == "PUT" else None)
    assert answer.status_code == 503
    assert "ServiceUnavailable" in answer.text
