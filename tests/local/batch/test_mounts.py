"""A job sees a mounted bucket as its container's user would: without `-o allow_other`, only root sees anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1

from local.batch.mounts import Mounts, shown

if TYPE_CHECKING:
    from tests.local.batch.conftest import World

    Start = Callable[..., Awaitable[World]]

READ = "import os; print('sees', os.listdir(os.environ['ATLASES']), flush=True)"
OPTIONS = ("-o allow_other", "--implicit-dirs")


def mounting(*options: str, path: str = "/mnt/disks/atlases", bucket: str = "atlases") -> batch_v1.Job:
    """Return a job that lists a mounted bucket."""
    container = batch_v1.Runnable.Container(
        image_uri="job:1", commands=["python", "-c", READ], volumes=[f"{path}:/data:ro"]
    )
    environment = batch_v1.Environment(variables={"ATLASES": "/data/all"})
    runnable = batch_v1.Runnable(container=container, environment=environment)
    volume = batch_v1.Volume(gcs=batch_v1.GCS(remote_path=bucket), mount_path=path, mount_options=options)
    spec = batch_v1.TaskSpec(runnables=[runnable], volumes=[volume])
    return batch_v1.Job(task_groups=[batch_v1.TaskGroup(task_spec=spec)])


@pytest.fixture
async def world(start: Start, tmp_path: Path) -> World:
    """Start an emulator with one bucket."""
    folder = tmp_path / "objects" / "all"
    folder.mkdir(parents=True)
    (folder / "atlas").touch()
    return await start(buckets={"atlases": folder.parent})


async def test_a_mount_for_all_users_shows_the_bucket(world: World) -> None:
    await world.create("one", mounting(*OPTIONS))
    await world.until("one", "SUCCEEDED")
    assert "sees ['atlas']" in await world.log_says("one", "sees")


async def test_a_mount_without_allow_other_shows_nothing_to_the_image_s_user_and_says_why(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: the image runs as user 10001, and its job found no atlas."""
    await world.create("one", mounting("--implicit-dirs"))
    await world.until("one", "FAILED")
    assert "sees" not in world.emulator.log_path("one").read_text()
    assert "cannot read gs://atlases at /data" in caplog.text
    assert "add the mount option '-o allow_other'" in caplog.text


def test_root_sees_every_mount(tmp_path: Path) -> None:
    spec = mounting("--implicit-dirs").task_groups[0].task_spec
    assert Mounts({"atlases": tmp_path}, tmp_path, user=0).folders(spec) == {"/data": tmp_path}


async def test_a_bucket_that_does_not_exist_fails_the_job(world: World) -> None:
    await world.create("one", mounting(*OPTIONS, bucket="other"))
    job = await world.until("one", "FAILED")
    assert "cannot mount gs://other" in job.status.status_events[-1].description


@pytest.mark.parametrize("option", ["-o rw,allow_other", "-o allow_other; rm", "allow_other", "-o $(id)"])
async def test_an_option_that_a_shell_could_misread_is_refused(world: World, option: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="potential shell injection"):
        await world.create("one", mounting(option))


@pytest.mark.parametrize("path", ["/mnt/atlases", "/mnt", "/data", "/mnt/disks", "/mnt/disks2/a", "/mnt/disks/"])
async def test_nothing_is_mounted_outside_mnt_disks(world: World, path: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="below /mnt/disks"):
        await world.create("one", mounting(*OPTIONS, path=path))


def test_only_whole_folders_of_a_path_are_replaced(tmp_path: Path) -> None:
    folders = {"/data": tmp_path}
    assert shown("/data", folders) == str(tmp_path)
    assert shown("/data/a", folders) == f"{tmp_path}/a"
    assert shown("/database", folders) == "/database"
