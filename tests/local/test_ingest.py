"""`python -m local ingest` adds an atlas to a data folder that no service uses."""

import asyncio
import subprocess
import sys
from pathlib import Path

from local import service
from local.gateway import ROOT
from local.lock import locked
from tests.support.catalogs import small_pbmc
from tests.support.orchestrator import small_atlas
from tests.support.orchestrator.world import ListedCatalog


def ingest(cells: Path, data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "ingest", "my_atlas", str(cells), "--data-dir", str(data_dir), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_atlas_gets_into_the_data_folder_with_the_options_of_the_operators_command(tmp_path: Path) -> None:
    small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
    done = ingest(tmp_path / "cells.h5ad", tmp_path / "data", "--title", "Mine")
    assert done.returncode == 0, done.stderr
    (entry,) = service.ingested(service.atlas_dir(tmp_path / "data"))
    assert (entry.name, entry.title, entry.ingested) == ("my_atlas", "Mine", True)


def test_regression_options_may_come_first_and_a_dry_run_makes_nothing_ready(tmp_path: Path) -> None:
    small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
    options = ("--control", "PBS", "--dry-run", "my_atlas", str(tmp_path / "cells.h5ad"))
    done = local_ingest(tmp_path / "data", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Nothing was written (--dry-run).\n")
    assert not service.ingested(service.atlas_dir(tmp_path / "data"))
    assert local_ingest(tmp_path / "data", *(each for each in options if each != "--dry-run")).returncode == 0
    assert [entry.name for entry in service.ingested(service.atlas_dir(tmp_path / "data"))] == ["my_atlas"]


def test_a_file_that_cannot_be_ingested_is_the_error_of_the_operators_command(tmp_path: Path) -> None:
    done = ingest(tmp_path / "none.h5ad", tmp_path / "data")
    assert done.returncode != 0
    assert f"There is no file {tmp_path / 'none.h5ad'}." in done.stderr


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path):
        done = ingest(tmp_path / "none.h5ad", tmp_path)
    assert done.returncode == 1
    assert "local: " in done.stderr
    assert str(tmp_path) in done.stderr


def local_ingest(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "ingest", *arguments, "--data-dir", str(data_dir)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_atlases_are_listed_shown_and_removed_and_the_service_follows(tmp_path: Path) -> None:
    small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
    assert ingest(tmp_path / "cells.h5ad", tmp_path / "data", "--title", "Mine").returncode == 0
    (tmp_path / "data" / "ingest.db").unlink()  # the folder is what counts
    with locked(tmp_path / "data"):
        assert "Mine" in local_ingest(tmp_path / "data", "list").stdout
        assert "IFN-beta" in local_ingest(tmp_path / "data", "show", "my_atlas").stdout
        assert local_ingest(tmp_path / "data", "remove", "my_atlas", "--yes").returncode == 1
    catalog = ListedCatalog({"gone": small_pbmc("gone")})
    atlases = service.atlas_dir(tmp_path / "data")
    assert asyncio.run(service.register_atlases(catalog, atlases)) == ["my_atlas"] == list(catalog.entries)
    assert local_ingest(tmp_path / "data", "remove", "my_atlas").returncode == 2
    removed = local_ingest(tmp_path / "data", "remove", "my_atlas", "--yes")
    assert (removed.returncode, removed.stdout) == (0, "my_atlas is removed.\n")
    assert asyncio.run(service.register_atlases(catalog, atlases)) == [] == list(catalog.entries)
