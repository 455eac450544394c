"""An atlas in Cloud Storage: one object, or the objects of a folder (`.mtx`, `.zarr`)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.atlas.errors import AtlasUnusable
from shared.catalog.objects import Objects, StoredObject

URI: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^/\r\n][^\r\n]*)")


@dataclass(frozen=True)
class CloudSource:
    """The objects of an atlas; `name` is that of the file or folder."""

    name: str
    objects: tuple[StoredObject, ...]

    @property
    def size(self) -> int:
        """Number of bytes of all objects."""
        return sum(each.size for each in self.objects)

    def download(self, storage: Objects, folder: Path, on_bytes: Callable[[int], None]) -> Path:
        """Write the objects below a folder, and return the path of the file or folder; may raise what `Objects` raises."""
        path = folder / PurePosixPath(self.name).name
        for each in self.objects:
            below = PurePosixPath(each.name).relative_to(self.name)
            if ".." in below.parts:
                raise AtlasUnusable(f"{each.uri} leaves its folder. Rename it.")
            target = path / below
            target.parent.mkdir(parents=True, exist_ok=True)
            storage.download(each, target, on_bytes)
        return path


def find_source(uri: str, storage: Objects) -> CloudSource:
    """Return the atlas at an address; may raise what `Objects` raises.

    Raises:
        AtlasUnusable: the address is not valid, or nothing is there.
    """
    parts = URI.fullmatch(uri)
    if parts is None:
        raise AtlasUnusable(f"{uri!r} is not the address of a file. Its form is gs://BUCKET/FILE.")
    bucket, name = parts[1], parts[2].rstrip("/")
    found = storage.find(bucket, name)
    if found is not None:
        return CloudSource(name, (found,))
    # A folder that somebody created in the console is an empty object whose name ends with a slash.
    inside = tuple(each for each in storage.below(bucket, f"{name}/") if not each.name.endswith("/"))
    if not inside:
        raise AtlasUnusable(f"There is no file {uri}. See what there is: gcloud storage ls gs://{bucket}")
    return CloudSource(name, inside)
