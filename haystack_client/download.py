"""Download result files from their signed URLs; a file gets its name only after its size and checksum are verified."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import google_crc32c
import httpx

from haystack_client.errors import RequestRefused, RetryPolicy, Unavailable, retry
from haystack_client.transport import TRANSIENT, connect, reason, retry_after

CHUNK_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 60.0
# Excludes names that leave the folder, that are hidden in it, or that a terminal or a shell could act on.
SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")

Json = dict[str, Any]
OnProgress = Callable[[int], object]


def download(
    file: Json, folder: Path, on_progress: OnProgress, retry_policy: RetryPolicy, transport: httpx.BaseTransport | None
) -> Path:
    """Download a file, verify its size and checksum, and move it into place; an existing file of that name is replaced.

    Args:
        file: an entry of `files` in a result.
        folder: created if it does not exist.
        on_progress: receives the number of bytes that have arrived.

    Raises:
        Unavailable: the file cannot be downloaded, or it differs from the stored file.
        RequestRefused: the file cannot be written.
    """
    name = str(file["name"])
    if not SAFE_NAME.fullmatch(name):
        raise Unavailable(
            f"The file name {name!r} is not safe, so the file was not saved to {folder}.", retryable=False
        )
    partial = folder / f".{name}.{uuid4().hex}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            retry(lambda: _receive(file, partial, on_progress, transport), retry_policy)
            return partial.replace(folder / name)  # replaces a symbolic link, never the file that it points to
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RequestRefused(f"{folder / name} cannot be written: {error.strerror}.") from error


def _receive(file: Json, path: Path, on_progress: OnProgress, transport: httpx.BaseTransport | None) -> None:
    checksum, size = 0, 0
    try:
        # A separate connection without the token, which is for the service only.
        with (
            connect(httpx.URL(file["url"]), transport, timeout=TIMEOUT_SECONDS) as http,
            http.stream("GET", file["url"], headers={"Accept-Encoding": "identity"}) as response,
            path.open("wb") as target,
        ):
            if not response.is_success:
                raise Unavailable(
                    f"{file['name']} cannot be downloaded: the server responds with status {response.status_code}.",
                    "Signed URLs expire after an hour. Request the result again to get new ones.",
                    retryable=response.status_code in TRANSIENT,
                    retry_after=retry_after(response),
                )
            for chunk in response.iter_bytes(CHUNK_BYTES):
                size += len(chunk)
                if size > file["size"]:
                    break
                checksum = google_crc32c.extend(checksum, chunk)
                target.write(chunk)
                on_progress(size)
    except httpx.TransportError as error:
        raise Unavailable(
            f"The download of {file['name']} failed: {reason(error)}.",
            retryable=not isinstance(error, httpx.UnsupportedProtocol),
        ) from error
    if size != file["size"] or base64.b64encode(checksum.to_bytes(4)).decode() != file["crc32c"]:
        raise Unavailable(
            f"{file['name']} was discarded: its size or CRC32C checksum differs from the stored file.", retryable=False
        )
