"""`./deploy.sh verify` against a running service: the smoke test of a deployment, without a deployment."""

import asyncio
import os
import re
import sys
from pathlib import Path

import google_crc32c
import pytest

from tests.e2e.conftest import ROOT, Service, start

STEP = re.compile(r"^(ok  |FAIL) +(\d+\.\d) s  (.+)$")


async def verify(*arguments: str) -> tuple[int, str]:
    """Run the command and return its exit code and its output."""
    command = (str(ROOT / "deploy.sh"), "verify", *arguments)
    environment = {**os.environ, "PYTHON": sys.executable}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.timeout(120)
async def test_one_question_is_followed_to_its_verified_files(service: Service, tmp_path: Path) -> None:
    code, output = await verify(f"--url={service.url}", f"--keep={tmp_path / 'files'}")
    assert code == 0, output
    steps = [STEP.fullmatch(line) for line in output.splitlines()]
    assert all(steps), output
    times = [float(step[2]) for step in steps if step]
    assert times == sorted(times)
    said = [step[3] for step in steps if step]
    assert said[0] == f"{service.url} answers, and reaches its database."
    (run_id,) = re.findall(r"The run (run_[0-9a-f]{12}) is created\.", output)
    assert "The run is completed." in said
    result = await service.result(run_id)
    kept = {file.name: file.read_bytes() for file in (tmp_path / "files").iterdir()}
    assert kept.keys() == {file["name"] for file in result["files"]}
    for file in result["files"]:
        assert f"{file['name']}: {file['size']:,} bytes, checksum verified." in said
        assert len(kept[file["name"]]) == file["size"]
    assert google_crc32c.value(kept[f"{run_id}_log.json"])
    assert said[-1].startswith("The service works")


@pytest.mark.timeout(120)
async def test_a_question_of_ones_own_that_cannot_be_answered_says_why(service: Service) -> None:
    code, output = await verify(f"--url={service.url}", "--question=Would zork do something to flurbs?")
    assert code == 1
    assert "FAIL" in output
    assert "The service answers 422 question_not_answerable: " in output


@pytest.mark.timeout(120)
async def test_a_run_that_takes_too_long_is_cancelled_and_the_message_names_its_log(service: Service) -> None:
    code, output = await verify(f"--url={service.url}", "--timeout=0")
    assert code == 1
    (run_id,) = re.findall(r"The run (run_[0-9a-f]{12}) is created\.", output)
    assert "The run is not done after 0 s." in output
    assert f"The run {run_id} was cancelled." in output
    assert f"haystack-{run_id.removeprefix('run_')}-1.log" in output
    assert (await service.status(run_id))["status"] == "cancelled"


@pytest.mark.timeout(120)
async def test_without_an_atlas_it_says_how_to_ingest_one(tmp_path: Path) -> None:
    service = await start(tmp_path, "sqlite")
    try:
        code, output = await verify(f"--url={service.url}")
    finally:
        await service.stop()
    assert code == 1
    assert "The service has no atlas that could answer a question. Ingest one: `make atlas`" in output


async def test_an_address_where_nothing_listens_says_so() -> None:
    code, output = await verify("--url=http://127.0.0.1:9")
    assert code == 1
    assert "http://127.0.0.1:9 gives no response: nothing listens there." in output
    assert "make up" in output
