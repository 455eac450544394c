"""Replacing and removing atlases: whatever ends an ingest, the old atlas stays, or the new one is complete."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from orchestrator.atlas.atlas import Atlas, AtlasUnusable
from orchestrator.ingest import replacement
from orchestrator.ingest.build import ingest
from orchestrator.ingest.options import Options
from shared.catalog import folders
from shared.catalog.entries import DatasetEntry
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase
from tests.support.orchestrator import small_atlas, stopped_ingest
from tests.support.orchestrator.world import ListedCatalog


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small atlas with two conditions."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    small_atlas.write(path, {"NK": ("IFN-beta",)})
    return path


@pytest.fixture
def catalog() -> ListedCatalog:
    return ListedCatalog({})


def put(cells: Path, root: Path, catalog: ListedCatalog, title: str = "") -> DatasetEntry:
    return replacement.replace("nk", root, catalog, lambda: ingest("nk", cells, root, Options(title=title)))


def sum_of_counts(root: Path, entry: DatasetEntry) -> float:
    atlas = Atlas(root / entry.folder)
    return float(sum(atlas.counts(atlas.rows(g, 10**6, np.random.default_rng(0))).sum() for g in atlas.groups))


def test_a_new_version_takes_the_place_of_the_old_one_which_stays_until_the_next(
    cells: Path, tmp_path: Path, catalog: ListedCatalog
) -> None:
    first, second = (put(cells, tmp_path, catalog) for _ in range(2))
    assert first.folder < second.folder
    assert catalog.entries == {"nk": second}
    assert folders.versions(tmp_path, "nk") == [first.folder, second.folder]
    assert sum_of_counts(tmp_path, first) == sum_of_counts(tmp_path, second) > 0
    third = put(cells, tmp_path, catalog)
    assert folders.versions(tmp_path, "nk") == [second.folder, third.folder]


def test_an_atlas_of_before_there_were_versions_is_readable_and_replaced(
    cells: Path, tmp_path: Path, catalog: ListedCatalog
) -> None:
    entry = put(cells, tmp_path, catalog)
    for file in (tmp_path / entry.folder).iterdir():
        file.rename(tmp_path / "nk" / file.name)
    (tmp_path / entry.folder).rmdir()
    old = catalog.entries["nk"] = entry.model_copy(update={"atlas": "nk"})
    total = sum_of_counts(tmp_path, old)
    assert folders.versions(tmp_path, "nk") == ["nk"]
    new = put(cells, tmp_path, catalog)
    assert sum_of_counts(tmp_path, old) == total
    newer = put(cells, tmp_path, catalog)
    assert folders.versions(tmp_path, "nk") == [new.folder, newer.folder]
    assert sorted(each.name for each in (tmp_path / "nk").iterdir()) == [
        each.folder.rpartition("/")[2] for each in (new, newer)
    ]


def test_a_file_that_cannot_be_ingested_changes_nothing(cells: Path, tmp_path: Path, catalog: ListedCatalog) -> None:
    with pytest.raises(AtlasUnusable, match="There is no file"):
        put(tmp_path / "none.h5ad", tmp_path, catalog)
    assert list(tmp_path.iterdir()) == []
    entry = put(cells, tmp_path, catalog)
    with pytest.raises(AtlasUnusable, match="There is no file"):
        put(tmp_path / "none.h5ad", tmp_path, catalog)
    assert catalog.entries == {"nk": entry}
    assert folders.versions(tmp_path, "nk") == [entry.folder]


def test_an_atlas_that_the_catalog_lost_is_not_deleted(cells: Path, tmp_path: Path, catalog: ListedCatalog) -> None:
    lost = put(cells, tmp_path, catalog)
    catalog.entries.clear()
    found = put(cells, tmp_path, catalog)
    assert folders.versions(tmp_path, "nk") == [lost.folder, found.folder]


def test_a_removed_atlas_leaves_nothing_and_others_stay(cells: Path, tmp_path: Path, catalog: ListedCatalog) -> None:
    put(cells, tmp_path, catalog)
    other = replacement.replace("other", tmp_path, catalog, lambda: ingest("other", cells, tmp_path))
    for _ in range(2):
        replacement.remove("nk", tmp_path, catalog)
    assert catalog.entries == {"other": other}
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


def test_who_reads_a_removed_atlas_is_told(cells: Path, tmp_path: Path, catalog: ListedCatalog) -> None:
    entry = put(cells, tmp_path, catalog)
    atlas = Atlas(tmp_path / entry.folder)
    rows = atlas.rows(atlas.groups[0], 3, np.random.default_rng(0))
    replacement.remove("nk", tmp_path, catalog)
    for read in (lambda: atlas.counts(rows), lambda: atlas.profile(atlas.groups[:1])):
        with pytest.raises(AtlasUnusable, match="was removed while it was read"):
            read()


def test_two_ingests_of_one_dataset_do_not_meet(cells: Path, tmp_path: Path, catalog: ListedCatalog) -> None:
    with replacement.exclusive(tmp_path, "nk"):
        with pytest.raises(AtlasUnusable, match="Another process is ingesting nk"):
            put(cells, tmp_path, catalog)
        with pytest.raises(AtlasUnusable, match="Another process is ingesting nk"):
            replacement.remove("nk", tmp_path, catalog)
    assert put(cells, tmp_path, catalog).name == "nk"


class Command:
    """Ingests in processes of their own, stopped at a step, into an atlas folder with a SQLite catalog."""

    def __init__(self, folder: Path, cells: Path) -> None:
        self.root, self._path, self._cells = folder / "atlases", folder / "catalog.db", cells
        settings = {"PROJECT": "p", "REGION": "r", "RESULTS_BUCKET": "b", "STORE": "sqlite"}
        paths = {"SQLITE_PATH": str(self._path), "ATLAS_DIR": str(self.root)}
        self._said = (folder / "said.txt").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", stopped_ingest.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, **settings, **paths},
        )

    def run(self, number: int, step: int, title: str) -> int:
        """Ingest and return the exit code, negative for the signal that killed it."""
        assert self._process.stdin
        assert self._process.stdout
        arguments = ["nk", str(self._cells), "--title", title]
        self._process.stdin.write(json.dumps([number, step, str(self.root), arguments]) + "\n")
        self._process.stdin.flush()
        return os.waitstatus_to_exitcode(int(self._process.stdout.readline()))

    def said(self) -> str:
        """Return what the ingests have printed since the last call."""
        self._said.seek(0)
        text = self._said.read()
        self._said.seek(0)
        self._said.truncate()
        return text

    def entry(self) -> DatasetEntry:
        """Return the only entry of the catalog, whose atlas must be complete."""
        database = SqliteDatabase(self._path)

        async def load() -> DatasetEntry:
            (entry,) = await SqliteCatalog(database).load()
            await database.close()
            return entry

        entry = asyncio.run(load())
        assert folders.is_complete(self.root, entry.folder)
        return entry

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._said.close()


@pytest.fixture
def command(tmp_path: Path, cells: Path) -> Iterator[Command]:
    command = Command(tmp_path, cells)
    yield command
    command.close()


# More steps than an ingest has; it ends by itself when it has fewer.
MANY = 100


def test_an_ingest_that_is_killed_at_any_step_leaves_an_atlas_that_can_be_used(command: Command) -> None:
    assert command.run(signal.SIGKILL, MANY, "old") == 0
    old = command.entry()
    total = sum_of_counts(command.root, old)
    killed = 0
    while (code := command.run(signal.SIGKILL, killed + 1, f"new {killed}")) != 0:
        assert code == -signal.SIGKILL
        killed += 1
        entry = command.entry()
        assert entry.title in {"old", *(f"new {number}" for number in range(killed))}
        assert sum_of_counts(command.root, entry) == total
        # What the killed ones left is deleted by the next: nothing piles up.
        assert len(folders.versions(command.root, "nk")) <= 4
        assert killed < MANY
    assert killed >= 10
    assert command.entry().title == f"new {killed}"
    assert len(folders.versions(command.root, "nk")) == 2
    files = {
        file.name for version in folders.versions(command.root, "nk") for file in (command.root / version).iterdir()
    }
    assert files == {"counts.h5", "groups.npz", "profiles.h5", "dataset.json"}


def test_ctrl_c_is_one_sentence_and_changes_nothing(command: Command) -> None:
    assert command.run(signal.SIGINT, MANY, "old") == 0
    old = command.entry()
    command.said()
    for step in (2, 4, 6):
        assert command.run(signal.SIGINT, step, "new") == 130
        assert command.said().split()[-11:] == [
            "Stopped.",
            "The",
            "catalog",
            "and",
            "its",
            "atlases",
            "are",
            "as",
            "they",
            "were",
            "before.",
        ]
        assert command.entry() == old
    assert command.run(signal.SIGINT, MANY, "new") == 0
    assert set(folders.versions(command.root, "nk")) == {old.folder, command.entry().folder}


def test_the_first_ingest_that_is_killed_leaves_no_atlas(command: Command) -> None:
    assert command.run(signal.SIGKILL, 4, "first") == -signal.SIGKILL
    assert list(folders.newest(command.root)) == []
    assert command.run(signal.SIGKILL, MANY, "second") == 0
    assert folders.versions(command.root, "nk") == [command.entry().folder]
    shutil.rmtree(command.root)
