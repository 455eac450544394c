"""Names stay in the bucket's folder, wherever an upload states them and however fake-gcs-server parses the request."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from local.storage.object_names import NameRefused, check
from local.storage.server import StorageServer

UPLOAD = "/upload/storage/v1/b/results/o"
OUTSIDE = ["../../out", "a/../../../out", "..", ".", "a/.", "/../../out", "a\0b", "a\nb"]


@dataclass(frozen=True)
class Storage:
    """A storage server with objects in a folder, and the folder around it."""

    http: httpx.AsyncClient
    around: Path

    def files(self) -> set[str]:
        """Return all files, including the place where `out` would appear if it escaped."""
        return {str(path.relative_to(self.around)) for path in self.around.rglob("*") if path.is_file()}


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    server = StorageServer(data_dir=tmp_path / "data", bucket="results")
    url = await server.start()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Storage(http, tmp_path)
    await server.stop()


def multipart(name: object) -> tuple[bytes, dict[str, str]]:
    """Return an upload with its name in the first part."""
    metadata = json.dumps({"name": name})
    body = f"--b\r\ncontent-type: application/json\r\n\r\n{metadata}\r\n--b\r\ncontent-type: text/plain\r\n\r\nhurt\r\n--b--"
    return body.encode(), {"Content-Type": 'multipart/related; boundary="b"'}


async def test_no_upload_gets_out_of_the_folder(storage: Storage) -> None:
    await storage.http.post(f"{UPLOAD}?uploadType=media&name=a", content=b"good")
    before = storage.files()
    for name in OUTSIDE:
        body, headers = multipart(name)
        answers = [
            await storage.http.post(f"{UPLOAD}?uploadType=media&name={quote(name, safe='')}", content=b"hurt"),
            await storage.http.post(
                f"{UPLOAD}?uploadType=media&name=good&name={quote(name, safe='')}", content=b"hurt"
            ),
            await storage.http.post(f"{UPLOAD}?uploadType=multipart", content=body, headers=headers),
            await storage.http.post(f"{UPLOAD}?uploadType=resumable", json={"name": name}),
            await storage.http.post(f"{UPLOAD}?uploadType=resumable&name=", json={"name": name}),
        ]
        assert [answer.status_code for answer in answers] == [400] * len(answers), name
        copied = f"/storage/v1/b/results/o/a/rewriteTo/b/results/o/{quote(name, safe='').replace('.', '%2e')}"
        assert (await storage.http.post(copied, json={})).status_code in {400, 404}
    assert storage.files() == before


async def test_of_two_names_the_one_that_was_checked_counts(storage: Storage) -> None:
    body, headers = multipart("../../out")
    for query in ("name=good", "name=good;", "name=good%zz", "NAME=other&name=good", "name=../../out&name=good"):
        await storage.http.post(f"{UPLOAD}?uploadType=multipart&{query}", content=body, headers=headers)
    assert not [name for name in storage.files() if "out" in Path(name).parts]
    assert "data/buckets/results/good" in storage.files()


async def test_an_upload_without_a_name_is_refused(storage: Storage) -> None:
    for body in (
        b"",
        b"[",
        b"[]",
        b"{}",
        b'{"name": 1}',
        b"[" * 50_000,
        multipart("")[0],
        multipart(None)[0],
        b"--b\r\n",
    ):
        answer = await storage.http.post(f"{UPLOAD}?uploadType=multipart", content=body)
        assert answer.status_code == 400, body[:20]


async def test_good_names_are_kept_as_they_are(storage: Storage) -> None:
    for name in ("runs/run_1/a b+é.html", "a..b/...", "%2e%2e/x", "[a]&b=c"):
        body, headers = multipart(name)
        answer = await storage.http.post(f"{UPLOAD}?uploadType=multipart", content=body, headers=headers)
        assert (answer.status_code, answer.json()["name"]) == (200, name)


async def test_no_detour_around_the_signature(storage: Storage) -> None:
    await storage.http.post(f"{UPLOAD}?uploadType=media&name=secret", content=b"secret")
    base = str(storage.http.base_url).rstrip("/")
    for path in (
        "/storage/v1/../../results/secret",
        "/storage/v1/%2e%2e/%2e%2e/results/secret",
        "/upload/..%2fresults/secret",
        "/batch/../results/secret",
        "//results/secret",
        "/results/secret",
    ):
        # httpx would tidy the path up; as bytes it stays as it is.
        target = httpx.URL(base).copy_with(raw_path=path.encode())
        answer = await storage.http.request("GET", target)
        assert answer.status_code in {400, 403}, path
        assert b"secret" not in answer.content


async def test_a_link_out_of_the_folder_is_not_read_and_not_written_through(storage: Storage) -> None:
    secret = storage.around / "secret.txt"
    secret.write_text("secret")
    link = storage.around / "data" / "buckets" / "results" / "link.txt"
    link.symlink_to(secret)
    answer = await storage.http.get("/download/storage/v1/b/results/o/link.txt?alt=media")
    assert (answer.status_code, b"secret" in answer.content) == (404, False)
    assert (await storage.http.post(f"{UPLOAD}?uploadType=media&name=link.txt", content=b"hurt")).status_code == 200
    assert secret.read_text() == "secret"
    assert not link.is_symlink()


async def test_a_web_page_may_use_signed_urls_and_nothing_else(storage: Storage) -> None:
    page = {"Origin": "https://evil.example.com"}
    for method, path in (
        ("POST", f"{UPLOAD}?uploadType=media&name=a"),
        ("GET", "/storage/v1/b/results/o"),
        ("OPTIONS", "/storage/v1/b/results/o"),
        ("DELETE", "/storage/v1/b/results/o/a"),
    ):
        assert (await storage.http.request(method, path, headers=page, content=b"hurt")).status_code == 403
    assert (await storage.http.options("/results/a", headers=page)).status_code == 204


@pytest.mark.parametrize("text", OUTSIDE)
def test_such_a_name_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        check(text)
