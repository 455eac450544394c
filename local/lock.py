"""The lock of a data folder: only one process at a time may run a service on it, or build its atlas."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel

LOCK_FILE: Final = "service.lock"


class Owner(BaseModel):
    """The process that holds a lock; `url` and `store` are those of a service, and empty until it has started."""

    pid: int
    url: str = ""
    store: str = ""


class FolderInUse(Exception):
    """Another process uses the data folder."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        where = f"the service at {owner.url} (process {owner.pid})" if owner.url else f"process {owner.pid}"
        super().__init__(f"{where} uses {folder}. Stop it with Ctrl-C, or choose another folder with --data-dir.")
        self.owner = owner


@contextmanager
def locked(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """Hold the lock of a data folder, and yield a function that writes the URL and the store of a service into it.

    The kernel releases the lock when the process ends, however it ends. The file itself stays and means nothing.

    Raises:
        FolderInUse: another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(folder, _owner(file)) from None

        def describe(url: str, store: str) -> None:
            file.truncate(0)  # in append mode, writing starts at the end
            file.write(Owner(pid=os.getpid(), url=url, store=store).model_dump_json())
            file.flush()

        describe("", "")
        yield describe


def owner_of(folder: Path) -> Owner | None:
    """Return the process that holds the lock of a data folder, or None."""
    try:
        with locked(folder):
            return None
    except FolderInUse as error:
        return error.owner


def _owner(file: IO[str]) -> Owner:
    file.seek(0)
    return Owner.model_validate_json(file.read() or '{"pid": 0}')
