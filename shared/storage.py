"""The results bucket in Cloud Storage, through the synchronous client in threads.

Signed URLs are V4: https://cloud.google.com/storage/docs/access-control/signed-urls.
"""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import google.auth
import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import AnonymousCredentials, Credentials, Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport import Request
from google.auth.transport.requests import Request as HttpRequest
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2 import service_account

from shared.errors import Unavailable
from shared.records import StoredFile
from shared.settings import Settings
from shared.signing import IamSigning

LONGEST_EXPIRY: Final = timedelta(days=7)
"""Cloud Storage accepts no V4 signature that holds longer."""
SIGN_DEADLINE: Final = 15.0
"""Seconds for all the URLs of a request together."""
CHUNK_BYTES: Final = 16 * 1024 * 1024
"""Large files go up in pieces of this size, each held in memory once."""
UPLOAD_TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect and to wait for an answer, for each request."""
SHOWN_INLINE: Final = frozenset({"text/html", "text/plain", "application/json"})

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


class GoogleResultFiles:
    """`ResultFiles` on Cloud Storage. Clients are made at the first use.

    Args:
        settings: project, bucket, and whether a stand-in or a key file takes the cloud's place.
        credentials: who asks; the default is the process's own.
        transport: how IAM and the token server are called; the default is HTTP by `requests`.
        upload_deadline: seconds that one request of an upload may take with all its retries.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Credentials | None = None,
        transport: Request | None = None,
        upload_deadline: float = 120.0,
    ) -> None:
        self._settings = settings
        self._endpoint = settings.storage_emulator_host.rstrip("/")
        self._credentials = credentials
        self._transport = transport
        self._upload_deadline = upload_deadline
        self._client: storage.Client | None = None
        self._signing: Signing | None = None
        self._lock = threading.RLock()

    async def upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        """Put a file at `runs/{run_id}/{path.name}`, in the place of an earlier one, checksum verified.

        Size and CRC32C are those that Cloud Storage reports of what it stored.

        Raises:
            Unavailable: Cloud Storage refused, did not answer, or stored something else than was sent.
        """
        with _unavailable_on_failure():
            return await asyncio.to_thread(self._upload, run_id, path, media_type)

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """A V4-signed GET URL for each file, in order, that holds until `expires_at`.

        Raises:
            ValueError: `expires_at` is past, or more than seven days away.
            Unavailable: IAM, which signs, refused or did not answer in time.
        """
        if not timedelta(0) < expires_at - datetime.now(UTC) <= LONGEST_EXPIRY:
            raise ValueError(f"a signed URL holds for at most seven days from now, not until {expires_at.isoformat()}")
        with _unavailable_on_failure():
            async with asyncio.timeout(SIGN_DEADLINE):
                signing = await asyncio.to_thread(self._ready_signing)
                calls = (asyncio.to_thread(self._sign, file, expires_at, signing) for file in files)
                return await asyncio.gather(*calls)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        blob = self._bucket().blob(f"runs/{run_id}/{path.name}", chunk_size=CHUNK_BYTES)
        blob.content_disposition = _disposition(path.name, media_type)
        blob.upload_from_filename(
            str(path),
            content_type=media_type,
            checksum="crc32c",
            timeout=UPLOAD_TIMEOUT,
            # Safe to repeat: the same bytes go to the same name.
            retry=DEFAULT_RETRY.with_timeout(self._upload_deadline),
        )
        return StoredFile(
            name=path.name, object_name=blob.name, media_type=media_type, size=blob.size, crc32c=blob.crc32c
        )

    def _sign(self, file: StoredFile, expires_at: datetime, signing: Signing) -> str:
        url: str = (
            self._bucket()
            .blob(file.object_name)
            .generate_signed_url(
                version="v4",
                method="GET",
                expiration=expires_at,
                credentials=signing,
                api_access_endpoint=self._endpoint or None,
            )
        )
        return url

    def _bucket(self) -> storage.Bucket:
        with self._lock:
            if self._client is None:
                self._client = storage.Client(
                    project=self._settings.project,
                    credentials=AnonymousCredentials() if self._endpoint else self._own_credentials(),
                    client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
                )
            bucket: storage.Bucket = self._client.bucket(self._settings.results_bucket)
            return bucket

    def _ready_signing(self) -> Signing:
        with self._lock:
            if self._signing is None:
                self._signing = self._make_signing()
            if isinstance(self._signing, IamSigning):
                self._signing.ready()
            return self._signing

    def _make_signing(self) -> Signing:
        if self._settings.signing_key_file:
            key: Signing = service_account.Credentials.from_service_account_file(self._settings.signing_key_file)
            return key
        return IamSigning(self._own_credentials(), self._transport or HttpRequest(), self._settings.signer_email)

    def _own_credentials(self) -> Credentials:
        if self._credentials is None:
            self._credentials, _ = google.auth.default(scopes=_SCOPES)
        return self._credentials


@contextmanager
def _unavailable_on_failure() -> Iterator[None]:
    try:
        yield
    except (
        GoogleAPIError,
        GoogleAuthError,
        DataCorruption,
        InvalidResponse,
        requests.RequestException,
        TimeoutError,
    ) as error:
        raise Unavailable("Cloud Storage") from error


def _disposition(name: str, media_type: str) -> str:
    """Reports and logs open in the browser, everything else is downloaded (RFC 6266)."""
    kind = "inline" if media_type.partition(";")[0].strip().lower() in SHOWN_INLINE else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
