"""The local Cloud Storage starts as a whole, keeps its objects, and leaves nothing behind."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx
import pytest

from local.serving import listening
from local.storage.server import StorageServer

ROOT = Path(__file__).parents[3]


async def reachable(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"{url}/storage/v1/b/results")).is_success
        except httpx.ConnectError:
            return False


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def put(url: str, name: str, body: bytes) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        path = "/upload/storage/v1/b/results/o"
        answer = await http.post(path, params={"uploadType": "media", "name": name}, content=body)
        answer.raise_for_status()


async def get(url: str, name: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        return await http.get(f"/storage/v1/b/results/o/{name}", params={"alt": "media"})


async def test_it_begins_with_an_empty_bucket_and_ends_with_nothing(tmp_path: Path) -> None:
    server = StorageServer(data_dir=tmp_path / "storage", bucket="results")
    url = await server.start()
    key_file = server.key_file
    assert await reachable(url)
    assert key_file.stat().st_mode & 0o777 == 0o600
    await server.stop()
    assert not await reachable(url)
    assert not key_file.exists()
    with pytest.raises(RuntimeError):
        server.key_file  # noqa: B018  # asking is the test
    await server.stop()


async def test_objects_outlive_a_restart_in_a_folder_and_not_in_memory(tmp_path: Path) -> None:
    for data_dir, kept in ((tmp_path, 200), (None, 404)):
        first = StorageServer(data_dir=data_dir, bucket="results")
        await put(await first.start(), "a.txt", b"kept")
        await first.stop()
        second = StorageServer(data_dir=data_dir, bucket="results")
        answer = await get(await second.start(), "a.txt")
        await second.stop()
        assert answer.status_code == kept


async def test_two_servers_do_not_meet() -> None:
    one, two = (StorageServer(data_dir=None, bucket="results") for _ in range(2))
    urls = await one.start(), await two.start()
    await put(urls[0], "a.txt", b"one")
    assert (await get(urls[1], "a.txt")).status_code == 404
    await one.stop()
    await two.stop()


async def test_a_port_that_is_taken_is_an_error_and_starts_nothing(tmp_path: Path) -> None:
    with listening() as (_, taken):
        server = StorageServer(data_dir=tmp_path, bucket="results", port=int(taken.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            await server.start()
    assert names_in(tmp_path) == []


async def test_a_folder_that_cannot_be_used_is_told_and_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "buckets").write_text("a file, where a folder is needed")
    server = StorageServer(data_dir=tmp_path, bucket="results")
    with pytest.raises(RuntimeError, match=r"fake-gcs-server did not start:\n.+"):
        await server.start()
    await server.stop()


KILLED_PARENT = """
import asyncio, pathlib, sys
from local.storage.server import FakeGcs

async def main():
    log = pathlib.Path(sys.argv[1])
    host = await FakeGcs(public_url="http://127.0.0.1:1", data_dir=None, log=log).start()
    print(f"http://{host}", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a killed parent")
async def test_no_server_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_PARENT, str(tmp_path / "log"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    url = (await parent.stdout.readline()).decode().strip()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.get("/_internal/healthcheck")).is_success
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        async with asyncio.timeout(5):
            while True:
                try:
                    await http.get("/_internal/healthcheck")
                except httpx.TransportError:
                    break
                await asyncio.sleep(0.02)
