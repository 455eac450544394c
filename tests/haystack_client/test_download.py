"""Downloads: a file is complete and verified, or it is not there."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from starlette.responses import PlainTextResponse, Response

from haystack_client import Client, RequestRefused, Unavailable
from haystack_client.identity import Bearer
from shared import wiring
from tests.haystack_client.conftest import Haystack, Script, complete

CONTENT = b"the stored file"


def entry(url: str, name: str = "log.json", content: bytes = CONTENT) -> dict[str, Any]:
    """Return an entry of `files` in a result."""
    checksum = base64.b64encode(google_crc32c.value(content).to_bytes(4)).decode()
    return {"name": name, "size": len(content), "crc32c": checksum, "url": f"{url}/file"}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def get(file: dict[str, Any], folder: Path) -> tuple[Path, list[int]]:
    """Download a file, and return its path and the reported progress."""
    progress: list[int] = []
    with Client(identity=Bearer(lambda: "token")) as client:
        return await asyncio.to_thread(client.download, file, folder, on_progress=progress.append), progress


async def test_a_file_arrives_under_its_name_with_progress(tmp_path: Path) -> None:
    async with Script(Response(CONTENT)).served() as server:
        path, progress = await get(entry(server.url), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "log.json"
    assert path.read_bytes() == CONTENT
    assert progress[-1] == len(CONTENT)


@pytest.mark.parametrize("sent", [b"the stored filX", CONTENT[:-1], CONTENT + b"!"], ids=["changed", "short", "long"])
async def test_a_file_that_differs_from_the_stored_one_is_discarded(tmp_path: Path, sent: bytes) -> None:
    (tmp_path / "log.json").write_bytes(b"earlier download")
    script = Script(Response(sent))
    async with script.served() as server:
        with pytest.raises(Unavailable, match="was discarded: its size or CRC32C"):
            await get(entry(server.url), tmp_path)
    assert contents(tmp_path) == {"log.json": b"earlier download"}
    assert len(script.requests) == 1


async def test_a_busy_store_is_retried_and_never_gets_the_identity_token(tmp_path: Path) -> None:
    script = Script(PlainTextResponse("busy", 503, {"Retry-After": "0"}), Response(CONTENT))
    async with script.served() as server:
        await get(entry(server.url), tmp_path)
    assert ["authorization" in request.headers for request in script.requests] == [False, False]


@pytest.mark.parametrize(
    "name",
    [
        "../log.json",
        "/etc/log.json",
        "..",
        "",
        "a\\b",
        ".bashrc",
        "-rf",
        "C:log",
        "a\0b",
        "a\x1b[2J",
        "a\u202eb",
        "a" * 300,
    ],
)
async def test_a_name_cannot_leave_the_folder_or_hide_in_it(tmp_path: Path, name: str) -> None:
    script = Script(Response(CONTENT))
    async with script.served() as server:
        with pytest.raises(Unavailable, match="is not safe"):
            await get(entry(server.url, name), tmp_path / "out")
    assert not script.requests
    assert contents(tmp_path) == {}


async def test_a_symbolic_link_is_replaced_and_its_target_is_left_alone(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.json", tmp_path / "out"
    outside.write_bytes(b"not yours")
    folder.mkdir()
    (folder / "log.json").symlink_to(outside)
    async with Script(Response(CONTENT)).served() as server:
        path, _ = await get(entry(server.url), folder)
    assert not path.is_symlink()
    assert contents(folder) == {"log.json": CONTENT}
    assert outside.read_bytes() == b"not yours"


async def test_redirects_and_other_protocols_are_not_followed(tmp_path: Path) -> None:
    moved = Script(Response(status_code=302, headers={"Location": "http://127.0.0.1:9"}))
    async with moved.served() as server:
        with pytest.raises(Unavailable, match="responds with status 302"):
            await get(entry(server.url), tmp_path)
    assert len(moved.requests) == 1
    with pytest.raises(Unavailable, match="protocol"):
        await get(entry("file:///etc/passwd#"), tmp_path)
    assert contents(tmp_path) == {}


async def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    taken = tmp_path / "log.json"
    taken.mkdir()
    async with Script(Response(CONTENT)).served() as server:
        with pytest.raises(RequestRefused, match=r"log\.json cannot be written"):
            await get(entry(server.url), tmp_path)
        with pytest.raises(RequestRefused, match="cannot be written"):
            await get(entry(server.url), Path("/dev/null"))
    assert contents(taken) == {}


async def test_a_result_file_that_was_tampered_with_is_refused(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    report = tmp_path / f"{run_id}_report.html"
    report.write_bytes(report.read_bytes()[::-1])
    container = wiring.container()
    name = f"runs/{run_id}/{report.name}"
    await asyncio.to_thread(container.objects.upload, report, container.settings.results_bucket, name)
    done = await haystack("result", run_id, "--download", str(tmp_path / "out"), "--json")
    assert (done.code, done.out) == (5, "")
    assert f"{report.name} was discarded" in done.err
    assert report.name not in contents(tmp_path / "out")
