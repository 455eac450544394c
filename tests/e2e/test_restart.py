"""The local service after a restart on the same data folder: no run is lost, and only one service at a time uses a folder."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, command, copy_of, start

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_every_run_is_finished_after_a_restart(ingested: Path, tmp_path: Path, how: signal.Signals) -> None:
    data_dir = copy_of(ingested, tmp_path / "data")
    first = await start(data_dir, "sqlite")
    completed = await first.create(QUESTION, max_iterations=1, random_seed=1)
    assert (await first.until(completed["run_id"]))["status"] == "completed"
    files = await first.download(completed["run_id"])
    runs = [await first.create(QUESTION, max_iterations=1, random_seed=seed) for seed in range(3)]
    for run in runs[:2]:  # two jobs run at once, so the third is queued
        assert (await first.until(run["run_id"], "running"))["status"] == "running"
    await first.client.aclose()
    if how is signal.SIGKILL:
        first.child.kill()
        await first.child.wait()
    else:
        assert await first.child.stop(grace_seconds=20.0) == 0
    second = await start(data_dir, "sqlite")
    try:
        ended = [await second.until(run["run_id"], seconds=150) for run in runs]
        assert [run["status"] for run in ended] == ["completed"] * 3, ended
        assert [run["attempt"] for run in ended] == [2, 2, 1]
        for run in ended:
            assert len(await second.download(run["run_id"])) >= 3
        assert await second.download(completed["run_id"]) == files
    finally:
        await second.stop()


@pytest.mark.timeout(240)
async def test_runs_survive_in_an_emulator_that_keeps_running(
    ingested: Path, firestore_host: str, tmp_path: Path
) -> None:
    data_dir = copy_of(ingested, tmp_path / "data")
    first = await start(data_dir, "firestore", emulator=firestore_host)
    run = await first.create(QUESTION, max_iterations=1, random_seed=1)
    assert (await first.until(run["run_id"], "running"))["status"] == "running"
    await first.client.aclose()
    first.child.kill()
    await first.child.wait()
    second = await start(data_dir, "firestore", emulator=firestore_host)
    try:
        assert (await second.until(run["run_id"], seconds=150))["status"] == "completed"
        await second.client.aclose()
        assert await second.child.stop(grace_seconds=20.0) == 0
        assert f"already runs at {firestore_host}" in second.child.log.read_text()
        assert "continues the runs" in second.child.log.read_text()
    finally:
        await second.stop()


@pytest.mark.timeout(120)
async def test_a_second_service_on_the_same_folder_is_refused_and_the_demo_uses_the_first(
    ingested: Path, tmp_path: Path
) -> None:
    data_dir = copy_of(ingested, tmp_path / "data")
    first = await start(data_dir, "sqlite")
    folders = ["--data-dir", str(data_dir)]

    async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run, command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False
        )

    try:
        refused = await run("up", "--port", "0", *folders)
        assert refused.returncode == 1
        assert f"the service at {first.url} (process {first.child.pid}) uses {data_dir}" in refused.stderr
        assert "Traceback" not in refused.stderr
        shutil.move(data_dir / "atlases", tmp_path / "atlases")
        no_atlas = await run("atlas", *folders)
        shutil.move(tmp_path / "atlases", data_dir / "atlases")
        assert no_atlas.returncode == 1
        assert "the demo atlases cannot be built: the service at" in no_atlas.stderr
        taken = await run("up", "--port", first.url.rpartition(":")[2], "--data-dir", str(tmp_path / "other"))
        assert taken.returncode == 1
        assert "is in use; choose another with --port" in taken.stderr
        asked = await run("demo", "--max-iterations", "1", *folders, "--results-dir", str(tmp_path / "results"))
        assert asked.returncode == 0, asked.stdout + asked.stderr
        assert f"using the service that runs on {data_dir}" in asked.stdout
        assert len((await first.client.get("/api/v1/runs")).json()["runs"]) == 1
        other_store = await run("demo", *folders, "--store", "firestore")
        assert other_store.returncode == 1
        assert "A service with --store sqlite runs on" in other_store.stdout
    finally:
        await first.stop()
