"""Files into a bucket of Cloud Storage, through its own client; blocking, for threads."""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import requests
from google.api_core.exceptions import ClientError, GoogleAPIError
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from shared.errors import Unavailable
from shared.runs.records import StoredFile
from shared.settings import Settings

CHUNK_BYTES: Final = 16 * 1024 * 1024
"""Large files go up in pieces of this size, each held in memory once."""
SHOWN_INLINE: Final = frozenset({"text/html", "text/plain", "application/json"})

_SESSION_LOST: Final = frozenset({404, 410})
"""The session of an upload in pieces is not there any more (https://cloud.google.com/storage/docs/resumable-uploads)."""
_FAILURES: Final = (
    GoogleAPIError,
    GoogleAuthError,
    DataCorruption,
    InvalidResponse,
    requests.RequestException,
    TimeoutError,
)


class Uploads:
    """Uploads into the results bucket. The client is made at the first one.

    Args:
        settings: project, bucket, and whether a stand-in takes the cloud's place.
        credentials: gives who asks; not called where a stand-in is asked.
        deadline: seconds that one request of an upload may take with all its retries.
        timeout: seconds to connect and to wait for an answer, for each try of a request.
        pause: seconds until the second try, about; each further pause is twice as long.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Callable[[], Credentials],
        *,
        deadline: float,
        timeout: tuple[float, float],
        pause: float,
    ) -> None:
        self._settings = settings
        self._endpoint = settings.storage_emulator_host.rstrip("/")
        self._credentials = credentials
        # Safe to repeat: the same bytes go to the same name.
        self._retry = DEFAULT_RETRY.with_timeout(deadline).with_delay(initial=pause)
        self._timeout = timeout
        self._client: storage.Client | None = None
        self._lock = threading.Lock()

    def put(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        """See `ResultFiles.upload`.

        Raises:
            Unavailable: Cloud Storage refused, did not answer, or stored something else than was sent.
        """
        try:
            return self._put(run_id, path, media_type)
        except ClientError as error:
            if error.code not in _SESSION_LOST:
                raise Unavailable("Cloud Storage") from error
        except _FAILURES as error:
            raise Unavailable("Cloud Storage") from error
        try:  # as after a last piece whose answer was lost: then all pieces are sent again
            return self._put(run_id, path, media_type)
        except _FAILURES as error:
            raise Unavailable("Cloud Storage") from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _put(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        blob = self._bucket().blob(f"runs/{run_id}/{path.name}", chunk_size=CHUNK_BYTES)
        blob.content_disposition = disposition(path.name, media_type)
        blob.upload_from_filename(
            str(path), content_type=media_type, checksum="crc32c", timeout=self._timeout, retry=self._retry
        )
        return StoredFile(
            name=path.name, object_name=blob.name, media_type=media_type, size=blob.size, crc32c=blob.crc32c
        )

    def _bucket(self) -> storage.Bucket:
        with self._lock:
            if self._client is None:
                self._client = storage.Client(
                    project=self._settings.project,
                    credentials=AnonymousCredentials() if self._endpoint else self._credentials(),
                    client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
                )
            bucket: storage.Bucket = self._client.bucket(self._settings.results_bucket)
            return bucket


def disposition(name: str, media_type: str) -> str:
    """Reports and logs open in the browser, everything else is downloaded (RFC 6266)."""
    kind = "inline" if media_type.partition(";")[0].strip().lower() in SHOWN_INLINE else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
