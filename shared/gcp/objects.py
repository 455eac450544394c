"""Cloud Storage behind the `Objects` port."""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import google.auth
import requests
from google.api_core.exceptions import Forbidden as ForbiddenByGoogle
from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
from google.api_core.exceptions import NotFound as NotFoundByGoogle
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from shared.catalog.objects import OnBytes, StoredObject
from shared.errors import Forbidden, NotFound, Unavailable
from shared.gcp.sessions import TIMEOUT, storage_client
from shared.settings import Settings

# All attempts of one request together.
DEADLINE: Final = 120.0
# Large files are uploaded in pieces of this size, each held in memory once.
CHUNK_BYTES: Final = 16 * 1024 * 1024

_ERRORS: Final = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, requests.RequestException)


class GoogleObjects:
    """The port `Objects` on Cloud Storage; the client is created at the first use.

    Args:
        settings: project and storage_emulator_host.
        deadline: seconds for all attempts of one request.
    """

    def __init__(self, settings: Settings, *, deadline: float = DEADLINE) -> None:
        self._project, self._endpoint = settings.project, settings.storage_emulator_host.rstrip("/")
        # Writes may be repeated, because the same bytes go to the same name, or a generation guards them.
        self._retry = DEFAULT_RETRY.with_timeout(deadline)
        self._client: storage.Client | None = None
        self._lock = threading.Lock()

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """See `Objects.find`."""
        with _domain_errors(bucket):
            blob = self._bucket(bucket).get_blob(name, timeout=TIMEOUT, retry=self._retry)
        return None if blob is None else _found(bucket, blob)

    def below(self, bucket: str, prefix: str) -> Sequence[StoredObject]:
        """See `Objects.below`."""
        with _domain_errors(bucket):
            blobs = self._bucket(bucket).list_blobs(prefix=prefix, timeout=TIMEOUT, retry=self._retry)
            return sorted((_found(bucket, blob) for blob in blobs), key=lambda found: found.name)

    def download(self, found: StoredObject, path: Path, on_bytes: OnBytes) -> None:
        """See `Objects.download`; a broken connection continues where it stopped."""
        with _domain_errors(found.bucket), path.open("wb") as file:
            self._bucket(found.bucket).blob(found.name).download_to_file(
                _Counted(file, on_bytes),
                # Not `generation=`, whose error could not be told from a missing bucket.
                if_generation_match=found.generation,
                checksum="crc32c",
                timeout=TIMEOUT,
                retry=self._retry,
            )

    def upload(self, path: Path, bucket: str, name: str) -> None:
        """See `Objects.upload`."""
        with _domain_errors(bucket):
            blob = self._bucket(bucket).blob(name, chunk_size=CHUNK_BYTES)
            blob.upload_from_filename(str(path), checksum="crc32c", timeout=TIMEOUT, retry=self._retry)

    def read(self, bucket: str, name: str) -> tuple[bytes, int] | None:
        """See `Objects.read`."""
        with _domain_errors(bucket):
            blob = self._bucket(bucket).get_blob(name, timeout=TIMEOUT, retry=self._retry)
            if blob is None:
                return None
            generation = int(blob.generation)
            try:
                content = blob.download_as_bytes(if_generation_match=generation, timeout=TIMEOUT, retry=self._retry)
            except (NotFoundByGoogle, PreconditionFailed):  # replaced between the two requests
                return self.read(bucket, name)
        return content, generation

    def write(self, content: bytes, bucket: str, name: str, *, generation: int) -> int | None:
        """See `Objects.write`."""
        with _domain_errors(bucket):
            blob = self._bucket(bucket).blob(name)
            try:
                blob.upload_from_string(
                    content,
                    content_type="application/json",
                    if_generation_match=generation,
                    checksum="crc32c",
                    timeout=TIMEOUT,
                    retry=self._retry,
                )
            except PreconditionFailed:
                # The answer to an earlier attempt of this very write may have been lost.
                stored = self.read(bucket, name)
                return stored[1] if stored is not None and stored[0] == content else None
        return int(blob.generation)

    def delete(self, bucket: str, name: str) -> None:
        """See `Objects.delete`."""
        with _domain_errors(bucket):
            try:
                self._bucket(bucket).blob(name).delete(timeout=TIMEOUT, retry=self._retry)
            except NotFoundByGoogle:
                return

    def _bucket(self, name: str) -> storage.Bucket:
        with self._lock:
            if self._client is None:
                credentials = AnonymousCredentials() if self._endpoint else _own_credentials()
                self._client = storage_client(self._project, credentials, self._endpoint)
            bucket: storage.Bucket = self._client.bucket(name)
            return bucket


class _Counted:
    """A file that reports how many bytes are written to it."""

    def __init__(self, file: BinaryIO, on_bytes: OnBytes) -> None:
        self._file, self._on_bytes = file, on_bytes

    def write(self, content: bytes) -> int:
        written = self._file.write(content)
        self._on_bytes(written)
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def _own_credentials() -> Credentials:
    credentials, _ = google.auth.default(scopes=storage.Client.SCOPE)
    return credentials


def _found(bucket: str, blob: storage.Blob) -> StoredObject:
    return StoredObject(bucket, str(blob.name), int(blob.size or 0), int(blob.generation or 0))


@contextmanager
def _domain_errors(bucket: str) -> Iterator[None]:
    try:
        yield
    except ForbiddenByGoogle as error:
        raise Forbidden(f"This account may not do this in gs://{bucket}. Grant it access to the bucket.") from error
    except NotFoundByGoogle as error:
        raise NotFound(f"gs://{bucket} or the object in it does not exist. Check its name.") from error
    except PreconditionFailed as error:
        raise NotFound(f"An object in gs://{bucket} was replaced while it was read. Try again.") from error
    except _ERRORS as error:
        raise Unavailable("Cloud Storage") from error
