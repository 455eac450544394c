"""One process at a time holds the lock of a data folder, and no crash leaves the folder locked."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from local.lock import LOCK_FILE, FolderInUse, locked, owner_of

ROOT = Path(__file__).parent.parent.parent
HOLDER = """
import pathlib, sys, time
from local.lock import locked

with locked(pathlib.Path(sys.argv[1])) as describe:
    describe("http://127.0.0.1:8080", "sqlite")
    print("locked", flush=True)
    time.sleep(60)
"""


async def hold(folder: Path) -> Process:
    """Start a process that holds the lock."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, str(folder), cwd=ROOT, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    return process


async def test_the_error_names_the_process_and_the_url_and_says_what_to_do(tmp_path: Path) -> None:
    process = await hold(tmp_path)
    try:
        with pytest.raises(FolderInUse) as refusal, locked(tmp_path):
            pytest.fail("two processes hold the lock")
        for part in (str(process.pid), "http://127.0.0.1:8080", str(tmp_path), "Ctrl-C", "--data-dir"):
            assert part in str(refusal.value)
        owner = owner_of(tmp_path)
        assert owner is not None
        assert (owner.pid, owner.url, owner.store) == (process.pid, "http://127.0.0.1:8080", "sqlite")
    finally:
        process.kill()
        await process.wait()


async def test_a_killed_process_leaves_its_folder_free(tmp_path: Path) -> None:
    process = await hold(tmp_path)
    process.kill()
    await process.wait()
    assert str(process.pid) in (tmp_path / LOCK_FILE).read_text()
    assert owner_of(tmp_path) is None
    with locked(tmp_path):
        assert f'"pid":{os.getpid()}' in (tmp_path / LOCK_FILE).read_text()


@pytest.mark.parametrize("content", ["", "{", '{"pid": "x"}', '{"pid": 1, "url": "http://127.0.0.1:1"}'])
def test_the_content_of_a_lock_file_that_nobody_holds_means_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_FILE).write_text(content)
    with locked(tmp_path):
        pass


def test_a_lock_ends_with_its_block_and_creates_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    for _ in range(2):
        with locked(folder), pytest.raises(FolderInUse), locked(folder):
            pytest.fail("the lock was held twice")
    assert owner_of(folder) is None
