"""Faults on the wire to Cloud Storage and to IAM: an upload or a signature either succeeds or raises Unavailable."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from google.auth.compute_engine import Credentials as ComputeCredentials

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.serving import serving
from local.storage.server import StorageServer
from shared.errors import Unavailable
from shared.gcp.storage import SIGN_DEADLINE, UPLOAD_DEADLINE, GoogleResultFiles
from shared.runs.records import StoredFile
from shared.settings import Settings
from tests.shared.gcp.test_storage import KEY, LARGE, Cloud, ToCloud, checksum, in_an_hour, written
from tests.support.wire_faults import (
    DROPPED,
    SHORT,
    SILENCE,
    Duration,
    FaultyHttp,
    Troubles,
    WireFault,
    inject_everywhere,
)

PASSING = (503, 429, DROPPED)
# By the size of a file: a large one is uploaded in pieces.
TROUBLES = {
    1000: Troubles((*PASSING, 404, SILENCE), (503,), ("POST",)),
    LARGE: Troubles((DROPPED, 404), (503,), ("POST", "PUT")),
}
FILE = StoredFile(name="a", object_name="runs/a", media_type="text/plain", size=0, crc32c="")
# The client library reads the bucket in a thread of its own, at any time; nothing depends on the answer.
BACKGROUND = "GET /storage/v1/b/"
# Seconds to connect, and to receive an answer, within the time limit of a test even if an answer is lost on a busy machine.
PATIENT = (5.0, 10.0)


@pytest.fixture(scope="module")
async def settings() -> AsyncIterator[Settings]:
    """Settings that point at the storage emulator."""
    server = StorageServer(data_dir=None, bucket="results", key=KEY)
    url = await server.start()
    yield Settings(
        project="p", results_bucket="results", storage_emulator_host=url, signing_key_file=str(server.key_file)
    )
    await server.stop()


@pytest.mark.parametrize("size", TROUBLES)
async def test_an_upload_is_whole_or_told_to_have_failed_and_can_be_done_again(
    settings: Settings, tmp_path: Path, size: int
) -> None:
    body = os.urandom(size)
    path = written(tmp_path, "result.h5ad", body)
    sound = GoogleResultFiles(settings)

    async def live(fault: WireFault, host: str, deadline: float | None) -> None:
        run_id = f"run_{uuid4().hex[:12]}"
        files = GoogleResultFiles(
            settings._replace(storage_emulator_host=f"http://{host}"),
            upload_deadline=3 * deadline if deadline else UPLOAD_DEADLINE,
            upload_timeout=(deadline, deadline) if deadline else PATIENT,
            upload_pause=0.01,
        )
        try:
            stored = await files.upload(run_id, path, "application/x-hdf5")
        except Unavailable:
            passing = fault.trouble in PASSING and fault.duration is Duration.ONCE
            assert fault.at is not None
            assert not passing
            stored = await sound.upload(run_id, path, "application/x-hdf5")
        files.close()
        assert (stored.size, stored.crc32c) == (size, checksum(body))
        [url] = await sound.sign([stored], in_an_hour())
        async with http.stream("GET", url) as answer:
            assert answer.headers["x-goog-hash"].partition("crc32c=")[2].startswith(checksum(body))

    upstream = settings.storage_emulator_host
    async with httpx.AsyncClient(trust_env=False) as http:
        tried = await inject_everywhere(lambda: FaultyHttp(upstream, BACKGROUND), TROUBLES[size], live)
    sound.close()
    print(f"{tried} on the wire to Cloud Storage")  # noqa: T201  # shown by `pytest -rP`


def signed_by_iam(settings: Settings, host: str, deadline: float = SIGN_DEADLINE) -> GoogleResultFiles:
    """Return result files whose URLs are signed by IAM, as in a function."""
    return GoogleResultFiles(
        settings._replace(signing_key_file=""),
        credentials=ComputeCredentials(universe_domain="googleapis.com"),
        transport=ToCloud(f"http://{host}"),
        sign_deadline=deadline,
    )


async def test_a_url_is_signed_or_told_not_to_be_and_can_be_asked_for_again(settings: Settings) -> None:
    cloud = Cloud(KEY)

    async def live(fault: WireFault, host: str, _: float | None) -> None:
        files = signed_by_iam(settings, host)
        try:
            urls = await files.sign([FILE], in_an_hour())
        except Unavailable:
            assert fault.at is not None
            urls = await files.sign([FILE], in_an_hour())
        assert len(urls) == 1

    async with serving(cloud.app()) as google:
        tried = await inject_everywhere(lambda: FaultyHttp(google), Troubles((503, 404, DROPPED), (), ()), live)
    print(f"{tried} on the wire to IAM and its tokens")  # noqa: T201  # shown by `pytest -rP`


async def test_an_iam_that_does_not_answer_is_given_up(settings: Settings) -> None:
    cloud = Cloud(KEY)
    async with serving(cloud.app()) as google:
        proxy = FaultyHttp(google, "GET ")  # not the background requests of google-auth
        await proxy.start()
        files = signed_by_iam(settings, proxy.host)
        await files.sign([FILE], in_an_hour())
        proxy.fault = WireFault(at=0, trouble=SILENCE)
        files._sign_deadline = SHORT
        with pytest.raises(Unavailable):
            await files.sign([FILE], in_an_hour())
        assert proxy.fault.calls == ["POST"]
        await proxy.stop()
