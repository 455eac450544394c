"""`python -m local ingest` adds an atlas to a data folder that no service uses."""

import subprocess
import sys
from pathlib import Path

from local import service
from local.gateway import ROOT
from local.lock import locked
from tests.support.orchestrator import small_atlas


def ingest(cells: Path, data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "ingest", "my_atlas", str(cells), "--data-dir", str(data_dir), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_atlas_gets_into_the_data_folder_with_the_options_of_the_operators_command(tmp_path: Path) -> None:
    small_atlas.write(tmp_path / "cells.h5ad", {"NK": ("IFN-beta",)})
    done = ingest(tmp_path / "cells.h5ad", tmp_path / "data", "--title", "Mine")
    assert done.returncode == 0, done.stderr
    (entry,) = service.ingested(service.atlas_dir(tmp_path / "data"))
    assert (entry.name, entry.title, entry.ingested) == ("my_atlas", "Mine", True)


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
