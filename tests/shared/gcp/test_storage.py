"""Result files are uploaded to a real storage server and downloaded through URLs signed with a key file or by IAM."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import google_crc32c
import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.compute_engine import Credentials as ComputeCredentials
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request as HttpRequest
from google.cloud.storage.exceptions import DataCorruption
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.serving import serving
from local.storage.server import StorageServer
from local.storage.signing_key import SigningKey
from shared.errors import SettingsInvalid, Unavailable
from shared.gcp.storage import GoogleResultFiles
from shared.runs.ports import ResultFiles
from shared.runs.records import StoredFile
from shared.runs.states import results_folder
from shared.settings import Settings

RUN = "run_0123456789ab"
KEY = SigningKey.generate()
# More than the client sends in one request.
LARGE = 9 * 1024 * 1024
KINDS = {
    "predictions.h5ad": "application/x-hdf5",
    "genes.csv": "text/csv",
    "ranked_genes.rnk": "text/tab-separated-values",
    "report.html": "text/html; charset=utf-8",
    "log.json": "application/json",
}


@pytest.fixture(scope="module")
async def settings() -> AsyncIterator[Settings]:
    """Settings that point at the storage emulator."""
    server = StorageServer(data_dir=None, bucket="results", key=KEY)
    url = await server.start()
    yield Settings(
        project="p", results_bucket="results", storage_emulator_host=url, signing_key_file=str(server.key_file)
    )
    await server.stop()


@pytest.fixture
async def results(settings: Settings) -> AsyncIterator[GoogleResultFiles]:
    results = GoogleResultFiles(settings)
    yield results
    results.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def written(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path


def new_folder() -> str:
    return results_folder(RUN, 1, uuid4().hex)


def checksum(body: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(body).digest()).decode()


def test_it_is_what_the_domain_asks_for(settings: Settings) -> None:
    port: ResultFiles = GoogleResultFiles(settings)
    assert port is not None


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000], ids=["empty", "a byte", "small", "in chunks"])
async def test_what_is_uploaded_comes_back_whole_through_its_signed_url(
    results: GoogleResultFiles, http: httpx.AsyncClient, tmp_path: Path, size: int
) -> None:
    body = os.urandom(size)
    folder = new_folder()
    stored = await results.upload(folder, written(tmp_path, "data é+1.h5ad", body), "application/x-hdf5")
    assert stored == StoredFile(
        name="data é+1.h5ad",
        object_name=f"runs/{folder}/data é+1.h5ad",
        media_type="application/x-hdf5",
        size=size,
        crc32c=checksum(body),
    )
    [url] = await results.sign([stored], in_an_hour())
    answer = await http.get(url)
    assert (answer.status_code, answer.content == body) == (200, True)


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
async def test_a_browser_shows_reports_and_logs_and_saves_the_rest_by_name(
    results: GoogleResultFiles, http: httpx.AsyncClient, tmp_path: Path, name: str, kind: str
) -> None:
    [url] = await results.sign([await results.upload(new_folder(), written(tmp_path, name, b"{}"), kind)], in_an_hour())
    answer = await http.get(url)
    assert answer.headers["content-type"] == kind
    shown = "inline" if name.endswith((".html", ".json")) else "attachment"
    assert answer.headers["content-disposition"] == f"{shown}; filename*=UTF-8''{name}"


@pytest.mark.parametrize("name", ["ü+%2F?#&=.json", "~tilde_-.'()!*", "data é+1.h5ad"])
async def test_a_signed_url_is_valid_for_any_name_and_not_when_tampered_with(
    results: GoogleResultFiles, http: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    [url] = await results.sign(
        [await results.upload(new_folder(), written(tmp_path, name, b"{}"), "text/plain")], in_an_hour()
    )
    assert (await http.get(url)).content == b"{}"
    assert (await http.head(url)).status_code == 403
    for tampered in (
        url[:-1] + "g",
        url.replace(RUN, "run_ba9876543210"),
        url.replace("X-Goog-Expires=3", "X-Goog-Expires=4"),
    ):
        assert tampered != url
        assert (await http.get(tampered)).status_code == 403


async def test_regression_a_late_upload_never_replaces_a_file(
    results: GoogleResultFiles, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A process that had lost its lease replaced the files of the completed run."""
    folder, name = new_folder(), "log.json"
    first = await results.upload(folder, written(tmp_path, name, b"first"), "application/json")
    assert await results.upload(folder, tmp_path / name, "application/json") == first
    with pytest.raises(Unavailable):
        await results.upload(folder, written(tmp_path, name, b"second"), "application/json")
    [url] = await results.sign([first], in_an_hour())
    assert (await http.get(url)).content == b"first"


@pytest.mark.parametrize("same", [True, False])
async def test_a_large_file_that_exists_is_compared_and_not_replaced(tmp_path: Path, same: bool) -> None:
    # The emulator ignores the precondition of an upload in chunks.
    body = os.urandom(LARGE)
    asked = []

    async def begin(request: Request) -> Response:
        asked.append(request.query_params["ifGenerationMatch"])
        return Response(status_code=412)

    stored = {"name": "large", "size": str(LARGE), "crc32c": checksum(body if same else b"other")}
    routes = [
        Route("/upload/storage/v1/b/results/o", begin, methods=["POST"]),
        Route("/storage/v1/b/results/o/{name:path}", lambda _: JSONResponse(stored)),
    ]
    async with serving(Starlette(routes=routes)) as url:
        results = GoogleResultFiles(Settings(project="p", results_bucket="results", storage_emulator_host=url))
        upload = results.upload(new_folder(), written(tmp_path, "large", body), "text/plain")
        if same:
            assert (await upload).crc32c == checksum(body)
        else:
            with pytest.raises(Unavailable):
                await upload
        results.close()
    assert asked == ["0"]


async def test_a_signed_url_names_the_stand_in_the_object_and_its_end(
    results: GoogleResultFiles, settings: Settings
) -> None:
    files = [StoredFile(name=f"{n}", object_name=f"runs/{RUN}/{n}", media_type="", size=0, crc32c="") for n in range(5)]
    urls = await results.sign(files, datetime.now(UTC) + timedelta(seconds=600))
    for number, url in enumerate(urls):
        assert url.startswith(f"{settings.storage_emulator_host}/results/runs/{RUN}/{number}?")
        assert 598 <= int(parse_qs(urlsplit(url).query)["X-Goog-Expires"][0]) <= 600


async def test_nothing_to_sign_is_nothing_signed(results: GoogleResultFiles) -> None:
    assert list(await results.sign([], in_an_hour())) == []


@pytest.mark.parametrize("away", [timedelta(days=7, seconds=5), timedelta(0), timedelta(hours=-1)])
async def test_a_url_holds_at_most_seven_days_and_not_in_the_past(results: GoogleResultFiles, away: timedelta) -> None:
    with pytest.raises(ValueError, match="seven days"):
        await results.sign([], datetime.now(UTC) + away)


async def test_seven_days_are_allowed(results: GoogleResultFiles) -> None:
    file = StoredFile(name="a", object_name="a", media_type="", size=0, crc32c="")
    assert len(await results.sign([file], datetime.now(UTC) + timedelta(days=7))) == 1


async def test_a_file_that_is_not_there_is_the_caller_s_fault(results: GoogleResultFiles, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await results.upload(new_folder(), tmp_path / "none", "text/plain")


async def test_a_bucket_that_is_not_there_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    results = GoogleResultFiles(settings._replace(results_bucket="none"))
    with pytest.raises(Unavailable, match="Cloud Storage"):
        await results.upload(new_folder(), written(tmp_path, "a", b"a"), "text/plain")
    results.close()


async def test_a_server_that_is_away_is_unavailable_once_the_deadline_is_over(tmp_path: Path) -> None:
    away = Settings(project="p", results_bucket="results", storage_emulator_host="http://127.0.0.1:9")
    results = GoogleResultFiles(away, upload_deadline=0.2)
    with pytest.raises(Unavailable, match="Cloud Storage"):
        await results.upload(new_folder(), written(tmp_path, "a", b"a"), "text/plain")
    results.close()


async def test_a_server_that_stores_something_else_than_was_sent_is_found_out(tmp_path: Path) -> None:
    async def begin(request: Request) -> Response:
        return Response(headers={"location": f"{request.base_url}session"})

    async def finish(request: Request) -> Response:
        size = sum([len(chunk) async for chunk in request.stream()])
        if not request.headers["content-range"].endswith(f"-{LARGE - 1}/{LARGE}"):
            return Response(status_code=308, headers={"range": f"bytes=0-{size - 1}"})
        other = checksum(b"something else")
        return JSONResponse({"name": "large", "bucket": "results", "size": str(LARGE), "crc32c": other})

    routes = [
        Route("/upload/storage/v1/b/results/o", begin, methods=["POST"]),
        Route("/session", finish, methods=["PUT"]),
        Route("/storage/v1/b/results/o/{name:path}", lambda _: Response(status_code=204), methods=["DELETE"]),
    ]
    async with serving(Starlette(routes=routes)) as url:
        results = GoogleResultFiles(Settings(project="p", results_bucket="results", storage_emulator_host=url))
        with pytest.raises(Unavailable) as found_out:
            await results.upload(new_folder(), written(tmp_path, "large", os.urandom(LARGE)), "text/plain")
        assert isinstance(found_out.value.__cause__, DataCorruption)
        results.close()


@dataclass
class Cloud:
    """The metadata server and IAM, which sign for one service account in a function."""

    key: SigningKey
    sign_status: int = 200
    token_status: int = 200
    calls: list[str] = field(default_factory=list)
    waiting: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(1))

    async def account(self, _: Request) -> Response:
        return JSONResponse({"email": self.key.email, "scopes": [], "aliases": ["default"]})

    async def token(self, _: Request) -> Response:
        self.calls.append("token")
        if self.token_status != 200:
            return JSONResponse({}, self.token_status)
        return JSONResponse({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"})

    async def sign_blob(self, request: Request) -> Response:
        self.calls.append("signBlob")
        if self.sign_status != 200:
            return JSONResponse({"error": {"message": "not you"}}, self.sign_status)
        if (
            request.headers.get("authorization") != "Bearer a-token"
            or request.path_params["account"] != f"{self.key.email}:signBlob"
        ):
            return JSONResponse({}, 401)
        payload = base64.b64decode((await request.json())["payload"])
        # Answers only when the expected number of calls is under way, so calls one after another would time out.
        async with asyncio.timeout(5):
            await self.waiting.wait()
        signature = self.key.private_key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        return JSONResponse({"keyId": "1", "signedBlob": base64.b64encode(signature).decode()})

    def app(self) -> Starlette:
        account = "/computeMetadata/v1/instance/service-accounts"
        return Starlette(
            routes=[
                Route(f"{account}/{{account}}/token", self.token),
                Route(f"{account}/{{account}}/", self.account),
                Route("/v1/projects/-/serviceAccounts/{account}", self.sign_blob, methods=["POST"]),
            ]
        )


class ToCloud(HttpRequest):
    """Sends HTTP requests for any of Google's addresses to `url`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5,
        **_: object,
    ) -> object:
        path = urlsplit(url)._replace(scheme="", netloc="").geturl()
        return super().__call__(f"{self._url}{path}", method, body, headers, timeout)


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[Cloud, str]]:
    """A cloud whose service account has the key that the storage emulator accepts."""
    cloud = Cloud(KEY)
    async with serving(cloud.app()) as url:
        yield cloud, url


def in_the_cloud(settings: Settings, url: str) -> GoogleResultFiles:
    return GoogleResultFiles(
        settings._replace(signing_key_file=""),
        credentials=ComputeCredentials(universe_domain="googleapis.com"),
        transport=ToCloud(url),
    )


async def uploaded(results: GoogleResultFiles, folder: Path, count: int) -> Sequence[StoredFile]:
    paths = [written(folder, f"{number}.txt", f"file {number}".encode()) for number in range(count)]
    return [await results.upload(new_folder(), path, "text/plain") for path in paths]


async def test_in_the_cloud_iam_signs_each_url_by_one_call_all_at_once(
    settings: Settings, cloud: tuple[Cloud, str], http: httpx.AsyncClient, tmp_path: Path
) -> None:
    google, url = cloud
    google.waiting = asyncio.Barrier(3)
    results = in_the_cloud(settings, url)
    files = await uploaded(results, tmp_path, 3)
    urls = await results.sign(files, in_an_hour())
    assert sorted(google.calls) == ["signBlob"] * 3 + ["token"]
    bodies = [(await http.get(signed)).content for signed in urls]
    assert bodies == [b"file 0", b"file 1", b"file 2"]
    assert (await http.get(urls[0][:-1] + "g")).status_code == 403
    await results.sign(files, in_an_hour())
    assert google.calls.count("token") == 1
    results.close()


async def test_a_refusal_by_iam_is_unavailable(settings: Settings, cloud: tuple[Cloud, str], tmp_path: Path) -> None:
    google, url = cloud
    results = in_the_cloud(settings, url)
    files = await uploaded(results, tmp_path, 1)
    google.sign_status = 403
    with pytest.raises(Unavailable):
        await results.sign(files, in_an_hour())
    results.close()


async def test_a_metadata_server_that_gives_no_token_is_unavailable(
    settings: Settings, cloud: tuple[Cloud, str]
) -> None:
    google, url = cloud
    google.token_status = 404
    results = in_the_cloud(settings, url)
    with pytest.raises(Unavailable):
        await results.sign([], in_an_hour())
    assert google.calls == ["token"]
    results.close()


async def test_credentials_of_no_service_account_need_the_signer_named(settings: Settings) -> None:
    results = GoogleResultFiles(settings._replace(signing_key_file=""), credentials=AnonymousCredentials())
    with pytest.raises(SettingsInvalid, match="SIGNER_EMAIL"):
        await results.sign([], in_an_hour())
    results.close()


def curve_key() -> str:
    """Return a private key that is not an RSA key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(**fields: object) -> str:
    """Return the content of a key file with these fields."""
    return json.dumps({"client_email": "a@b.c", "token_uri": "https://oauth2.googleapis.com/token", **fields})


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        '"text"',
        key_file(),
        key_file(private_key=1),
        key_file(private_key="b"),
        key_file(private_key=curve_key()),
    ],
    ids=["no file", "empty", "a list", "no fields", "a string", "no key", "a number", "not PEM", "not RSA"],
)
async def test_a_key_file_that_cannot_sign_is_an_invalid_setting(
    settings: Settings, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    results = GoogleResultFiles(settings._replace(signing_key_file=str(file)))
    with pytest.raises(SettingsInvalid, match="SIGNING_KEY_FILE"):
        await results.sign([], in_an_hour())
    results.close()


async def test_without_credentials_cloud_storage_is_unavailable(tmp_path: Path) -> None:
    program = """
import asyncio, pathlib, sys
from datetime import UTC, datetime, timedelta
from shared.errors import Unavailable
from shared.gcp.storage import GoogleResultFiles
from shared.settings import Settings
async def main():
    results = GoogleResultFiles(Settings(project="p", results_bucket="b"))
    for call in (results.upload("r", pathlib.Path(sys.argv[0]), ""), results.sign([], datetime.now(UTC) + timedelta(hours=1))):
        try:
            await call
        except Unavailable as error:
            print(error.service, end=" ")
asyncio.run(main())
"""
    (tmp_path / "key.json").write_text("{}")
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    env["PYTHONPATH"] = str(Path(__file__).parent.parent.parent.parent)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert output.decode().split() == ["Cloud", "Storage"] * 2, errors.decode()


async def test_the_files_of_a_deleted_run_are_gone_and_no_others(
    results: GoogleResultFiles, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    other = RUN[:-1] + ("0" if RUN[-1] != "0" else "1")
    gone = [await results.upload(RUN, written(tmp_path, name, b"x"), "text/plain") for name in ("a.txt", "b.txt")]
    kept = await results.upload(other, written(tmp_path, "a.txt", b"x"), "text/plain")
    for _ in range(2):  # deleting nothing is no error
        await results.delete(RUN)
    urls = await results.sign([*gone, kept], in_an_hour())
    assert [(await http.get(url)).status_code for url in urls] == [404, 404, 200]


async def test_files_that_cannot_be_deleted_are_unavailable(settings: Settings) -> None:
    nowhere = settings._replace(storage_emulator_host="http://127.0.0.1:9")
    results = GoogleResultFiles(nowhere, upload_deadline=0.2, upload_pause=0.05)
    with pytest.raises(Unavailable):
        await results.delete(RUN)
    results.close()


async def test_regression_a_storage_that_does_not_answer_keeps_nobody_who_deletes_a_run(settings: Settings) -> None:
    """Regression: the deadline was that of an upload, two minutes for each request, and longer with each address of the server."""
    silent = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        results = GoogleResultFiles(
            settings._replace(storage_emulator_host=host), upload_deadline=0.2, delete_deadline=0.2
        )
        with pytest.raises(Unavailable):
            await results.delete(RUN)
        silent.set()
    results.close()
