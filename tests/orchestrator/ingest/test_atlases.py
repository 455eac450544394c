"""The commands that list, show and remove atlases."""

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.ingest import __main__ as command
from orchestrator.ingest import atlases
from shared import wiring
from shared.catalog.entries import DatasetEntry
from shared.catalog.folders import ENTRY_FILE
from shared.settings import Settings
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase
from tests.support.catalogs import small_pbmc
from tests.support.orchestrator.world import ListedCatalog


@pytest.fixture
def entry(tmp_path: Path) -> DatasetEntry:
    """An atlas whose folder is there."""
    entry = small_pbmc().model_copy(update={"atlas": "small_pbmc/v20261127t201530123456"})
    folder = tmp_path / entry.folder
    folder.mkdir(parents=True)
    (folder / ENTRY_FILE).write_text(entry.model_dump_json())
    (folder / "counts.h5").write_bytes(b"0" * 2_500_000)
    return entry


@pytest.fixture
def catalog(entry: DatasetEntry) -> ListedCatalog:
    elsewhere = small_pbmc("elsewhere").model_copy(update={"n_cells": 1_234_567, "title": "On another machine"})
    return ListedCatalog({each.name: each for each in (entry, elsewhere)})


def test_a_list_has_what_tells_atlases_apart(
    catalog: ListedCatalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert atlases.main(["list"], catalog, tmp_path) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "cells", "donors", "types", "conditions", "ingested", "size", "title"]
    assert rows[0].split() == ["elsewhere", "1,234,567", "3", "12", "3", "-", "-", "On", "another", "machine"]
    assert rows[1].split() == ["small_pbmc", "1,051", "3", "12", "3", "2026-11-27", "2.5", "MB", "Small", "PBMC"]


def test_without_atlases_the_list_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert atlases.main(["list"], ListedCatalog({}), tmp_path) == 0
    assert capsys.readouterr().out == "There are no atlases.\n"


def test_an_atlas_is_shown_with_all_that_the_catalog_records(
    catalog: ListedCatalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert atlases.main(["show", "small_pbmc"], catalog, tmp_path) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "small_pbmc",
        "title Small PBMC",
        "license MIT",
        "source made up",
        "notes the perturbed cells are simulated",
        "cells 1,051",
        "ingested 2026-11-27 20:15 UTC",
        f"files {tmp_path / 'small_pbmc/v20261127t201530123456'} (2.5 MB)",
        "donors (3)",
        "cell types (12)",
        "NK 52 CL:0000623 natural killer cell",
        "controls (1)",
        "PBS 359",
        "conditions (2)",
        "IFN-gamma 355 cytokine",
    ):
        assert line in lines


def test_an_unknown_atlas_is_an_error_that_names_the_known_ones(
    catalog: ListedCatalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["show", "other"], ["remove", "other", "--yes"], ["remove", "../small_pbmc", "--yes"]):
        assert atlases.main(words, catalog, tmp_path) == 1
        assert f"There is no atlas {words[1]}. Atlases: elsewhere, small_pbmc." in capsys.readouterr().err


def test_removing_asks_unless_told_yes(
    catalog: ListedCatalog, entry: DatasetEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert atlases.main(["remove", entry.name], catalog, tmp_path) == 2  # pytest's standard input is no terminal
    assert "Repeat the command with --yes." in capsys.readouterr().err
    assert (tmp_path / entry.folder).exists()
    assert atlases.main(["remove", entry.name, "--yes"], catalog, tmp_path) == 0
    assert list(catalog.entries) == ["elsewhere"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 1), ("no", 1)])
def test_on_a_terminal_a_person_is_asked(answer: str, code: int, entry: DatasetEntry, tmp_path: Path) -> None:
    database = tmp_path / "catalog.db"
    asyncio.run(SqliteCatalog(SqliteDatabase(database)).put(entry))
    settings = {"STORE": "sqlite", "SQLITE_PATH": str(database), "ATLAS_DIR": str(tmp_path)}
    settings |= {"PROJECT": "p", "REGION": "r", "RESULTS_BUCKET": "results"}
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{answer}\n".encode())
        command_line = [sys.executable, "-m", "orchestrator.ingest", "remove", entry.name]
        done = subprocess.run(
            command_line, env=os.environ | settings, stdin=terminal, capture_output=True, text=True, check=False
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (done.returncode, done.stderr) == (code, "")
    assert "Delete small_pbmc (1,051 cells, 2.5 MB) for good? [y/N]" in done.stdout
    assert (tmp_path / entry.folder).exists() == bool(code)


def test_what_a_stopped_removal_leaves_can_be_removed(
    catalog: ListedCatalog, entry: DatasetEntry, tmp_path: Path
) -> None:
    del catalog.entries[entry.name]
    assert atlases.main(["remove", entry.name, "--yes"], catalog, tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_of_the_ingest_has_these_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    container = wiring.Container(Settings(store="sqlite", sqlite_path=str(tmp_path / "c.db"), atlas_dir=str(tmp_path)))
    wiring.replace(container)
    try:
        assert command.main(["list"]) == 0
        assert command.main(["show", "none"]) == 1
        assert command.main(["remove", "none", "--yes"]) == 1
    finally:
        wiring.replace(None)
    assert capsys.readouterr().out == "There are no atlases.\n"


def test_wrong_usage_ends_with_2_and_help_names_the_commands() -> None:
    run = [sys.executable, "-m", "orchestrator.ingest"]
    helped = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True)
    for name in atlases.COMMANDS:
        assert f"{name} (" in " ".join(helped.stdout.split())
