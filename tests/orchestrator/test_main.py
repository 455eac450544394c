"""The job as a process: usage, SIGTERM, and a cancel within a long phase."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from shared.catalog.entries import DatasetEntry
from shared.runs import lifecycle
from shared.runs.records import Run
from shared.runs.states import RunState
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA
from tests.support.fakes import FakeBatch
from tests.support.orchestrator.jobs import ROOT, settings, start, wait_for_line

MakeRun = Callable[..., Run]
NOT_IN_THE_IMAGE = {"anthropic", "decoupler", "matplotlib", "numba", "openai", "pydantic_ai", "scanpy"}


@pytest.mark.parametrize("environment", [{}, {"RUN_ID": "run_XYZ"}, {"RUN_ID": "run_0123456789ab"}])
async def test_wrong_usage_ends_with_2_and_a_line_that_says_why(environment: dict[str, str]) -> None:
    job = await start(environment)
    _, log = await job.communicate()
    assert job.returncode == 2
    assert b"RUN_ID must" in log or b"PROJECT is missing" in log
    assert b"Traceback" not in log


async def test_a_run_that_does_not_exist_ends_with_2(tmp_path: Path) -> None:
    job = await start(settings(tmp_path, tmp_path) | {"RUN_ID": "run_0123456789ab"})
    _, log = await job.communicate()
    assert job.returncode == 2
    assert b"You have no run" in log


def loaded_by(module: str) -> set[str]:
    """Return the top-level packages that a new process has after importing a module."""
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_first_phase_waits_for_no_scientific_library() -> None:
    assert not loaded_by("orchestrator.main") & {"numpy", "scipy", "pandas", "anndata", "h5py", *NOT_IN_THE_IMAGE}


def test_a_run_without_a_language_model_needs_no_package_that_only_tests_have() -> None:
    assert not loaded_by("orchestrator.workflow, orchestrator.ingest.__main__") & NOT_IN_THE_IMAGE


@dataclass(frozen=True)
class Busy:
    """A job within a prediction that never ends."""

    job: asyncio.subprocess.Process
    store: SqliteRunStore
    run: Run


def wait_for(folder: Path, pattern: str) -> None:
    """Wait for a matching file; the test's timeout limits the wait."""
    while not list(folder.glob(pattern)):
        time.sleep(0.05)


@pytest.fixture
async def busy(
    tmp_path: Path, sqlite: SqliteDatabase, atlas_root: Path, demo_entry: DatasetEntry, make_run: MakeRun
) -> AsyncIterator[Busy]:
    """A job whose STACK process never ends."""
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.read()")
    python.chmod(0o755)
    model = {"STACK_PYTHON": str(python)}
    for name in ("STACK_CHECKPOINT", "STACK_GENELIST"):
        (tmp_path / name).touch()
        model[name] = str(tmp_path / name)
    store, run = SqliteRunStore(sqlite), make_run("How would CD14 monocytes respond to IFN-gamma?")
    await store.create(run)
    await SqliteCatalog(sqlite).put(demo_entry)
    job = await start(settings(tmp_path, atlas_root) | model | {"RUN_ID": run.run_id})
    await wait_for_line(job, '"inference"')
    await asyncio.to_thread(wait_for, tmp_path, "stack-*/output.txt")
    yield Busy(job, store, run)
    if job.returncode is None:
        job.kill()
        await job.wait()


async def test_sigterm_ends_the_job_in_the_middle_of_a_prediction_and_leaves_the_run_to_the_reconciler(
    busy: Busy, tmp_path: Path
) -> None:
    busy.job.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        _, log = await busy.job.communicate()
    assert busy.job.returncode == 143, log.decode()
    assert b"stopped by SIGTERM" in log
    stored = await busy.store.get(busy.run.run_id)
    assert stored is not None
    assert (stored.status, stored.outcome) == (RunState.RUNNING, None)
    assert await asyncio.to_thread(lambda: list(tmp_path.glob("haystack-*"))) == []


async def test_a_cancel_is_seen_within_five_seconds_in_the_middle_of_a_prediction(
    busy: Busy, batch: FakeBatch, ticking: Callable[[], datetime]
) -> None:
    await lifecycle.cancel(busy.run.run_id, ADA, store=busy.store, jobs=batch, clock=ticking)
    async with asyncio.timeout(5):
        _, log = await busy.job.communicate()
    assert busy.job.returncode == 0, log.decode()
    stored = await busy.store.get(busy.run.run_id)
    assert stored is not None
    assert (stored.status, stored.outcome) == (RunState.CANCELLED, None)
