"""A result file from its signed URL to the disk: it gets its name only once it is known to be what was stored."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

import google_crc32c
import httpx

from client import problems
from client.api import LOOPBACK, Json
from client.failures import ExitCode, Failure, Unavailable
from client.patience import Say, patiently

CHUNK: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 60.0
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""The names of files that are taken: none that leaves the folder, hides in it, or means something to a terminal."""

Advance = Callable[[int], None]
"""Takes how many bytes of the file have arrived."""


def fetch(file: Json, folder: Path, *, advance: Advance, say: Say) -> Path:
    """Download a file, check its size and checksum, and put it in place; one of the same name is replaced.

    Args:
        file: an entry of a result's `files`.
        folder: where to put it; made if it is not there.
        advance: as the bytes arrive.
        say: takes a line for a person when an attempt is repeated.

    Returns:
        Where it is.

    Raises:
        Unavailable: it cannot be had, or it did not arrive as it was stored.
        Failure: it cannot be written.
    """
    name = str(file["name"])
    if not NAME.fullmatch(name):
        raise Unavailable(f"The service names a file {name!r}, which is not put into {folder}.", worth_repeating=False)
    partial = folder / f".{name}.{uuid4().hex}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            patiently(lambda: _receive(file, partial, advance), say)
            return partial.replace(folder / name)  # of a link, the link is replaced, never what it leads to
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(ExitCode.REFUSED, f"{folder / name} cannot be written: {error.strerror}.") from error


def _receive(file: Json, path: Path, advance: Advance) -> None:
    checksum, size = 0, 0
    local = httpx.URL(file["url"]).host in LOOPBACK
    try:
        # A client of its own: the identity that the service is asked with is not for the store.
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=not local) as client,
            client.stream("GET", file["url"], headers={"Accept-Encoding": "identity"}) as response,
            path.open("wb") as target,
        ):
            if not response.is_success:
                raise _refusal(file, response)
            for chunk in response.iter_bytes(CHUNK):
                size += len(chunk)
                if size > file["size"]:
                    raise _differs(file)
                checksum = google_crc32c.extend(checksum, chunk)
                target.write(chunk)
                advance(size)
    except httpx.TransportError as error:
        raise Unavailable(
            f"The download of {file['name']} broke: {str(error) or type(error).__name__}.",
            worth_repeating=not isinstance(error, httpx.UnsupportedProtocol),
        ) from error
    if size != file["size"] or base64.b64encode(checksum.to_bytes(4)).decode() != file["crc32c"]:
        raise _differs(file)


def _refusal(file: Json, response: httpx.Response) -> Failure:
    return Unavailable(
        f"{file['name']} cannot be downloaded: its URL answers {response.status_code}.",
        "A signed URL holds for an hour; ask for the result again.",
        worth_repeating=response.status_code in problems.PASSING,
        retry_after=problems.retry_after(response),
    )


def _differs(file: Json) -> Unavailable:
    return Unavailable(
        f"{file['name']} did not arrive as it was stored (size or CRC32C differ), so it was thrown away.",
        worth_repeating=False,
    )
