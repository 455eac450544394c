"""A TypeScript client generated from docs/openapi.yaml runs one question on the local service (`make test-clients`).

The file name keeps it out of `make test`, because it installs packages from the npm registry.
"""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from local import demo, processes
from tests.e2e.conftest import start

FOLDER = Path(__file__).parent / "typescript"
NPM = shutil.which("npm")


async def npm(*arguments: str, log: Path) -> str:
    """Run npm in the folder of the client and return its output."""
    assert NPM is not None
    child = await processes.start([NPM, "--silent", *arguments], log=log, cwd=FOLDER)
    code = await asyncio.wait_for(child.wait(), 200)
    printed = child.log.read_text(errors="replace")
    assert code == 0, printed
    return printed


@pytest.mark.skipif(NPM is None, reason="npm is not installed")
@pytest.mark.timeout(600)
async def test_a_typescript_client_follows_a_run_and_downloads_its_files(tmp_path: Path) -> None:
    await npm("ci", log=tmp_path / "ci.log")
    await npm("run", "generate", log=tmp_path / "generate.log")
    await npm("run", "build", log=tmp_path / "build.log")
    data_dir = tmp_path / "data"
    await asyncio.to_thread(demo.make_atlases, data_dir)
    service = await start(data_dir, "sqlite")
    try:
        printed = await npm("run", "ask", "--", service.url, log=tmp_path / "ask.log")
    finally:
        await service.client.aclose()
        await service.child.stop(grace_seconds=20.0)
    assert re.search(r"^completed", printed, re.MULTILINE), printed
    assert re.search(r"_predictions\.h5ad \d+ bytes", printed), printed
    assert "listed among 1" in printed
    print(printed)  # noqa: T201  # visible with -s
