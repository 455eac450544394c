"""Downloads: whole and as stored, or not there at all."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from starlette.responses import PlainTextResponse, Response

from client.download import fetch
from client.failures import ExitCode, Failure, Unavailable
from shared import wiring
from tests.client.conftest import Haystack, Script, complete

CONTENT = b"what was stored"


def entry(url: str, name: str = "log.json", content: bytes = CONTENT) -> dict[str, Any]:
    """A file as a result lists it."""
    checksum = base64.b64encode(google_crc32c.value(content).to_bytes(4)).decode()
    return {"name": name, "size": len(content), "crc32c": checksum, "url": f"{url}/file"}


def held(folder: Path) -> dict[str, bytes]:
    """What a folder holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def get(file: dict[str, Any], folder: Path) -> tuple[Path, list[int]]:
    """Download it, and give where it is and the progress that was told."""
    told: list[int] = []
    return await asyncio.to_thread(fetch, file, folder, advance=told.append, say=lambda _: None), told


async def test_a_file_arrives_under_its_name_with_progress(tmp_path: Path) -> None:
    async with Script(Response(CONTENT)).served() as server:
        path, told = await get(entry(server.url), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "log.json"
    assert path.read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)


@pytest.mark.parametrize("sent", [b"what was storeX", CONTENT[:-1], CONTENT + b"!"], ids=["changed", "short", "long"])
async def test_a_file_that_is_not_what_was_stored_is_thrown_away(tmp_path: Path, sent: bytes) -> None:
    (tmp_path / "log.json").write_bytes(b"from an earlier time")
    script = Script(Response(sent))
    async with script.served() as server:
        with pytest.raises(Unavailable, match="did not arrive as it was stored"):
            await get(entry(server.url), tmp_path)
    assert held(tmp_path) == {"log.json": b"from an earlier time"}
    assert len(script.requests) == 1


async def test_a_busy_store_is_asked_again_and_never_told_who_asks(tmp_path: Path) -> None:
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
async def test_a_name_cannot_leave_the_folder_nor_hide_in_it(tmp_path: Path, name: str) -> None:
    script = Script(Response(CONTENT))
    async with script.served() as server:
        with pytest.raises(Unavailable, match="is not put into"):
            await get(entry(server.url, name), tmp_path / "out")
    assert not script.requests
    assert held(tmp_path) == {}


async def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.json", tmp_path / "out"
    outside.write_bytes(b"not yours")
    folder.mkdir()
    (folder / "log.json").symlink_to(outside)
    async with Script(Response(CONTENT)).served() as server:
        path, _ = await get(entry(server.url), folder)
    assert not path.is_symlink()
    assert held(folder) == {"log.json": CONTENT}
    assert outside.read_bytes() == b"not yours"


async def test_another_address_is_not_gone_to(tmp_path: Path) -> None:
    moved = Script(Response(status_code=302, headers={"Location": "http://127.0.0.1:9"}))
    async with moved.served() as server:
        with pytest.raises(Unavailable, match="answers 302"):
            await get(entry(server.url), tmp_path)
    assert len(moved.requests) == 1
    with pytest.raises(Unavailable, match="protocol"):
        await get(entry("file:///etc/passwd#"), tmp_path)
    assert held(tmp_path) == {}


async def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "log.json"
    taken.mkdir()
    async with Script(Response(CONTENT)).served() as server:
        with pytest.raises(Failure, match=r"log\.json cannot be written"):
            await get(entry(server.url), tmp_path)
        with pytest.raises(Failure, match="cannot be written"):
            await get(entry(server.url), Path("/dev/null"))
    assert held(taken) == {}


async def test_a_result_whose_file_was_tampered_with_is_refused(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    report = tmp_path / f"{run_id}_report.html"
    report.write_bytes(report.read_bytes()[::-1])
    await wiring.container().result_files.upload(run_id, report, "text/html")
    done = await haystack("result", run_id, "--download", str(tmp_path / "out"), "--json")
    assert (done.code, done.out) == (ExitCode.UNAVAILABLE, "")
    assert f"{report.name} did not arrive as it was stored" in done.err
    assert report.name not in held(tmp_path / "out")
