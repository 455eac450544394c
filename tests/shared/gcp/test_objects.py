"""Objects of Cloud Storage, on fake-gcs-server and on servers that refuse."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.serving import serving
from local.storage.server import StorageServer
from shared.catalog.objects import Objects
from shared.errors import Forbidden, HaystackError, NotFound, Unavailable
from shared.gcp.objects import GoogleObjects
from shared.settings import Settings


@pytest.fixture(scope="module")
async def objects() -> AsyncIterator[Objects]:
    """The adapter, pointed at a server with one bucket."""
    server = StorageServer(data_dir=None, bucket="cells")
    yield GoogleObjects(Settings(project="p", storage_emulator_host=await server.start()), deadline=5.0)
    await server.stop()


async def test_a_file_comes_back_as_it_was_and_every_byte_is_counted(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(range(256)) * 100_000)
    await asyncio.to_thread(objects.upload, tmp_path / "one", "cells", "folder/a file")
    found = await asyncio.to_thread(objects.find, "cells", "folder/a file")
    assert found is not None
    assert (found.size, found.uri) == (25_600_000, "gs://cells/folder/a file")
    assert list(await asyncio.to_thread(objects.below, "cells", "folder/")) == [found]
    counts: list[int] = []
    await asyncio.to_thread(objects.download, found, tmp_path / "two", counts.append)
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert sum(counts) == found.size
    await asyncio.to_thread(objects.delete, "cells", found.name)
    await asyncio.to_thread(objects.delete, "cells", found.name)
    assert await asyncio.to_thread(objects.find, "cells", found.name) is None


async def test_of_two_writers_that_saw_the_same_the_first_wins(objects: Objects) -> None:
    def act() -> None:
        first = objects.write(b"1", "cells", "r.json", generation=0)
        assert first is not None
        assert objects.write(b"other", "cells", "r.json", generation=0) is None
        second = objects.write(b"2", "cells", "r.json", generation=first)
        assert objects.write(b"late", "cells", "r.json", generation=first) is None
        assert objects.read("cells", "r.json") == (b"2", second)

    await asyncio.to_thread(act)


async def test_a_write_whose_answer_was_lost_counts_as_done(objects: Objects) -> None:
    done = await asyncio.to_thread(lambda: objects.write(b"1", "cells", "lost.json", generation=0))
    assert await asyncio.to_thread(lambda: objects.write(b"1", "cells", "lost.json", generation=0)) == done


async def test_an_object_that_is_not_there_is_none(objects: Objects) -> None:
    assert await asyncio.to_thread(objects.read, "cells", "none") is None
    assert await asyncio.to_thread(objects.find, "cells", "none") is None


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (404, NotFound), (412, NotFound), (503, Unavailable)])
async def test_what_the_server_refuses_is_an_error_of_the_domain(status: int, error: type[HaystackError]) -> None:
    def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"error": {"code": status, "message": "internal details"}}, status)

    async with serving(Starlette(routes=[Route("/{path:path}", refuse)])) as url:
        adapter = GoogleObjects(Settings(project="p", storage_emulator_host=url), deadline=0.5)
        with pytest.raises(error, match=r"gs://cells|Cloud Storage") as raised:
            await asyncio.to_thread(adapter.below, "cells", "x")
    assert "internal details" not in str(raised.value)
