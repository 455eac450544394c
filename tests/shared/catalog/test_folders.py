"""The folders of versions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.catalog import folders
from shared.catalog.folders import ENTRY_FILE, PROFILES_FILE
from tests.support.catalogs import small_pbmc

NOW = datetime(2026, 11, 27, 20, 15, 30, 123456, tzinfo=UTC)


def write(root: Path, version: str, *files: str) -> None:
    (root / version).mkdir(parents=True, exist_ok=True)
    for file in files:
        text = small_pbmc().model_copy(update={"atlas": version}).model_dump_json() if file == ENTRY_FILE else "x"
        (root / version / file).write_text(text)


def test_later_versions_sort_behind_earlier_ones_and_know_their_time(tmp_path: Path) -> None:
    moments = [NOW + timedelta(microseconds=step) for step in (0, 1, 10**6, 10**11, 10**14)]
    names = [folders.new_version("pbmc", moment) for moment in moments]
    assert names[0] == "pbmc/v20261127t201530123456"
    assert names == sorted(names)
    assert [folders.ingested_at(tmp_path, name) for name in names] == moments


def test_an_entry_names_a_version_and_nothing_else() -> None:
    version = folders.new_version("small_pbmc", NOW)
    fields = small_pbmc().model_dump()
    assert type(small_pbmc()).model_validate({**fields, "atlas": version}).folder == version
    for other in ("small_pbmc/", "small_pbmc/x", f"{version}/..", f"{version}\n", f"../{version}", "small_pbmc/v1"):
        with pytest.raises(ValidationError):
            type(small_pbmc()).model_validate({**fields, "atlas": other})


def test_the_newest_complete_version_counts(tmp_path: Path) -> None:
    old, new, unfinished = (folders.new_version("small_pbmc", NOW + timedelta(days=day)) for day in range(3))
    write(tmp_path, "small_pbmc", ENTRY_FILE, PROFILES_FILE)
    assert folders.newest_version(tmp_path, "small_pbmc") == "small_pbmc"
    write(tmp_path, old, ENTRY_FILE, PROFILES_FILE)
    write(tmp_path, new, ENTRY_FILE, PROFILES_FILE)
    write(tmp_path, unfinished, PROFILES_FILE)
    write(tmp_path, "other", "notes.txt")
    assert folders.versions(tmp_path, "small_pbmc") == ["small_pbmc", old, new, unfinished]
    ((name, entry),) = folders.newest(tmp_path)
    assert entry is not None
    assert (name, entry.folder) == ("small_pbmc", new)
    (tmp_path / new / PROFILES_FILE).unlink()
    assert list(folders.newest(tmp_path)) == [("small_pbmc", None)]


def test_other_versions_are_deleted_and_other_files_stay(tmp_path: Path) -> None:
    old, new = (folders.new_version("small_pbmc", NOW + timedelta(days=day)) for day in range(2))
    for version in ("small_pbmc", old, new):
        write(tmp_path, version, ENTRY_FILE, PROFILES_FILE)
    (tmp_path / "small_pbmc" / "mine").mkdir()
    folders.keep_versions(tmp_path, "small_pbmc", {new})
    assert folders.versions(tmp_path, "small_pbmc") == [new]
    assert (tmp_path / "small_pbmc" / "mine").exists()
    assert folders.size_on_disk(tmp_path, new)
    assert folders.size_on_disk(tmp_path, old) is None


def test_where_there_are_no_atlases_nothing_is_found(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert list(folders.newest(nowhere)) == []
    assert folders.versions(nowhere, "pbmc") == []
    assert folders.ingested_at(nowhere, "pbmc") is None
    folders.keep_versions(nowhere, "pbmc", ())
