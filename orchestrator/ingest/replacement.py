"""Replace an atlas: write a new version, switch the catalog to it, and delete the versions that no run can be reading.

Whatever ends an ingest, and whenever, the catalog names a complete version. What a stopped ingest leaves behind, the next one deletes.
The version that was replaced stays until the next ingest, because a run that has begun with it reads it until its end.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest import interruption
from shared.catalog import folders
from shared.catalog.cache import Catalog
from shared.catalog.entries import DatasetEntry


def replace(dataset: str, atlas_root: Path, catalog: Catalog, write: Callable[[], DatasetEntry]) -> DatasetEntry:
    """Return the entry of the version that `write` writes, once the catalog has it.

    Raises:
        AtlasUnusable: another process ingests the dataset, or an error of `write`.
        HaystackError: the catalog does not answer, or has no room.
    """
    with asyncio.Runner() as runner, exclusive(atlas_root, dataset):
        # Read first: who cannot reach the catalog should not learn it after hours of writing.
        entries = {entry.name: entry for entry in runner.run(catalog.load())}
        old = _current(atlas_root, dataset, entries.get(dataset))
        complete = [each for each in folders.versions(atlas_root, dataset) if folders.is_complete(atlas_root, each)]
        folders.keep_versions(atlas_root, dataset, {*complete, *old})
        entry = write()
        with interruption.ignored():
            runner.run(catalog.put(entry))
            folders.keep_versions(atlas_root, dataset, {entry.folder, *old})
    return entry


def remove(dataset: str, atlas_root: Path, catalog: Catalog) -> None:
    """Remove a dataset from the catalog, then delete its files; a run that is reading them fails.

    Raises:
        AtlasUnusable: another process ingests the dataset.
        HaystackError: the catalog does not answer.
    """
    with exclusive(atlas_root, dataset), interruption.ignored():
        asyncio.run(catalog.remove(dataset))
        folders.keep_versions(atlas_root, dataset, ())


@contextmanager
def exclusive(atlas_root: Path, dataset: str) -> Iterator[None]:
    """Keep other processes of this machine from ingesting or removing a dataset; the kernel ends the lock with the process.

    Raises:
        AtlasUnusable: another process has the lock.
    """
    folder = atlas_root / dataset
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AtlasUnusable(f"Another process is ingesting {dataset}. Wait for it to end, or stop it.") from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
    finally:
        os.close(held)


def _current(atlas_root: Path, dataset: str, entry: DatasetEntry | None) -> list[str]:
    """Return the version that the catalog names; the newest one if it names none, because the catalog may have been lost."""
    if entry is not None:
        return [entry.folder]
    return [folders.newest_version(atlas_root, dataset)]
