"""The folders of ingested atlases: below `Settings.atlas_dir`, a folder for each dataset with a folder for each of its versions.

An ingest writes a new version beside the old one, and the catalog entry, which names a version, is what switches to it. No folder is ever
renamed, because Cloud Storage renames the files of a folder one by one. A version is complete once it has its entry file, which is written
last. Atlases from before there were versions have their files in the dataset's folder itself.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.catalog.entries import DatasetEntry
from shared.catalog.packing import parse

# The catalog entry beside an atlas: the last file that the ingest writes, and the source for restoring a lost catalog.
ENTRY_FILE: Final = "dataset.json"
# Of an ingested atlas; atlases from before there were profiles lack it and must be ingested again.
PROFILES_FILE: Final = "profiles.h5"
_VERSION: Final = "v%Y%m%dt%H%M%S%f"
_IS_VERSION: Final = re.compile(r"v\d{8}t\d{12}")


def new_version(dataset: str, now: datetime) -> str:
    """Return the folder of a new version of a dataset, relative to the atlas folder; later versions sort behind earlier ones."""
    return f"{dataset}/{now.astimezone(UTC).strftime(_VERSION)}"


def ingested_at(root: Path, atlas: str) -> datetime | None:
    """Return when a version was ingested; None if it has no versions and is not in this folder."""
    name = atlas.rpartition("/")[2]
    if _IS_VERSION.fullmatch(name):
        return datetime.strptime(name, _VERSION).replace(tzinfo=UTC)
    with suppress(FileNotFoundError):
        return datetime.fromtimestamp((root / atlas / ENTRY_FILE).stat().st_mtime, UTC)
    return None


def versions(root: Path, dataset: str) -> list[str]:
    """Return the versions of a dataset, complete or not, oldest first, relative to the atlas folder."""
    folder = root / dataset
    found = sorted(f"{dataset}/{each.name}" for each in folder.glob("v*") if _IS_VERSION.fullmatch(each.name))
    return [dataset, *found] if any(each.is_file() for each in folder.glob("*")) else found


def is_complete(root: Path, atlas: str) -> bool:
    """Return whether a version has all its files."""
    return (root / atlas / ENTRY_FILE).exists()


def newest_version(root: Path, dataset: str) -> str:
    """Return the newest complete version of a dataset, relative to the atlas folder; the dataset's own folder if it has none."""
    complete = [each for each in versions(root, dataset) if is_complete(root, each)]
    return complete[-1] if complete else dataset


def keep_versions(root: Path, dataset: str, kept: Collection[str]) -> None:
    """Delete the other versions of a dataset; what cannot be deleted now is deleted the next time."""
    for version in versions(root, dataset):
        if version in kept:
            continue
        # First the file that makes it complete, so that what a crash leaves is no atlas.
        (root / version / ENTRY_FILE).unlink(missing_ok=True)
        if version == dataset:
            for file in (root / dataset).glob("*"):
                if file.is_file():
                    file.unlink(missing_ok=True)
        else:
            shutil.rmtree(root / version, ignore_errors=True)


def size_on_disk(root: Path, atlas: str) -> int | None:
    """Return the bytes of a version; None if it is not in this folder."""
    sizes = [file.stat().st_size for file in (root / atlas).glob("*") if file.is_file()]
    return sum(sizes) if sizes else None


def newest(root: Path) -> Iterator[tuple[str, DatasetEntry | None]]:
    """Yield the entry of the newest complete version of each dataset, by name; None if that version lacks its profiles."""
    for folder in sorted(each for each in root.glob("*") if each.is_dir()):
        version = root / newest_version(root, folder.name)
        if (version / ENTRY_FILE).exists():
            has_profiles = (version / PROFILES_FILE).exists()
            yield folder.name, parse((version / ENTRY_FILE).read_bytes()) if has_profiles else None
