"""Objects in Cloud Storage, as a port: the files that an ingest on Batch reads and writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class StoredObject(NamedTuple):
    """An object as it was found; another write of the same name has another generation."""

    bucket: str
    name: str
    size: int
    generation: int

    @property
    def uri(self) -> str:
        """Its address, `gs://bucket/name`."""
        return f"gs://{self.bucket}/{self.name}"


# Receives the number of bytes that were transferred since the last call.
OnBytes = Callable[[int], None]


class Objects(Protocol):
    """Cloud Storage. The methods block: call them in a thread.

    Every method may raise `Unavailable`, `Forbidden` (this account may not) and `NotFound` (no such bucket).
    """

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """Return the object of this name, or None."""

    def below(self, bucket: str, prefix: str) -> Sequence[StoredObject]:
        """Return the objects whose names start with a prefix, by name."""

    def download(self, found: StoredObject, path: Path, on_bytes: OnBytes) -> None:
        """Write an object to a file, and verify its checksum.

        Raises:
            NotFound: the object changed or was deleted.
            OSError: the file cannot be written, for example because the disk is full.
        """

    def upload(self, path: Path, bucket: str, name: str) -> None:
        """Upload a file, replace an earlier object, and verify the checksum."""

    def read(self, bucket: str, name: str) -> tuple[bytes, int] | None:
        """Return the content and the generation of a small object, or None if there is none."""

    def write(self, content: bytes, bucket: str, name: str, *, generation: int) -> int | None:
        """Replace a small object, and return its new generation; None if it changed meanwhile, and nothing was written.

        Args:
            generation: that of the object to replace; 0: there must be none.
        """

    def delete(self, bucket: str, name: str) -> None:
        """Delete an object; a missing one is not an error."""
