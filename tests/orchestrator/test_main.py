"""The job as a process: usage, and SIGTERM."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.catalog import DatasetEntry
from shared.records import Run
from shared.runs import RunState
from shared.store.sqlite import SqliteRunStore
from shared.store.sqlite_catalog import SqliteCatalog
from shared.store.sqlite_database import SqliteDatabase

ROOT = Path(__file__).parents[2]


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.main",
        env={"PATH": os.environ["PATH"], **environment},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )


def settings(folder: Path, atlases: Path) -> dict[str, str]:
    return {
        "PROJECT": "test",
        "REGION": "nowhere",
        "RESULTS_BUCKET": "none",
        "STORE": "sqlite",
        "SQLITE_PATH": str(folder / "runs.db"),
        "ATLAS_DIR": str(atlases),
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1",
    }


@pytest.mark.parametrize("environment", [{}, {"RUN_ID": "run_XYZ"}, {"RUN_ID": "run_0123456789ab"}])
async def test_wrong_usage_ends_with_2_and_a_line_that_says_why(environment: dict[str, str]) -> None:
    job = await start(environment)
    _, told = await job.communicate()
    assert job.returncode == 2
    assert b"RUN_ID must" in told or b"PROJECT is missing" in told
    assert b"Traceback" not in told


async def test_a_run_that_does_not_exist_ends_with_2(tmp_path: Path) -> None:
    job = await start(settings(tmp_path, tmp_path) | {"RUN_ID": "run_0123456789ab"})
    _, told = await job.communicate()
    assert job.returncode == 2
    assert b"There is no run" in told


async def test_sigterm_ends_the_job_soon_and_leaves_the_run_to_the_reconciler(
    tmp_path: Path, atlas_root: Path, demo_entry: DatasetEntry, make_run: Callable[..., Run]
) -> None:
    database = SqliteDatabase(tmp_path / "runs.db")
    store = SqliteRunStore(database)
    run = make_run("How would CD14 monocytes respond to IFN-gamma?")
    await store.create(run)
    await SqliteCatalog(database).put(demo_entry)
    job = await start(settings(tmp_path, atlas_root) | {"RUN_ID": run.run_id})
    assert job.stderr is not None
    async with asyncio.timeout(40):
        while b"prompt_generation" not in await job.stderr.readline():
            pass
    job.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        rest = await job.stderr.read()
        assert await job.wait() == 143, rest.decode()
    assert b"stopped by SIGTERM" in rest
    stored = await store.get(run.run_id)
    assert stored is not None
    assert stored.status is RunState.RUNNING
    await database.close()
