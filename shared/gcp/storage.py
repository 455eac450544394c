"""The results bucket in Cloud Storage. Calls of Google's client block, so they run in threads."""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import asyncio
import base64
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

import google.auth
import google_crc32c
import requests
from google.api_core.exceptions import ClientError, GoogleAPIError, NotFound, PreconditionFailed
from google.auth import iam
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request as HttpRequest
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2 import service_account

from shared.errors import SettingsInvalid, Unavailable
from shared.gcp.sessions import TIMEOUT, RepeatedRequest, storage_client
from shared.runs.records import StoredFile
from shared.settings import Settings

# Cloud Storage accepts no V4 signature that is valid longer.
MAX_LIFETIME: Final = timedelta(days=7)
# For all URLs of a request together.
SIGN_DEADLINE: Final = 15.0
# For all files of a run: as long as a person at a browser waits.
DELETE_DEADLINE: Final = 20.0
# For one request to IAM or to the token server, which is made twice at most.
IAM_TIMEOUT: Final = 5.0
# For one request of an upload with all its retries. The library's own retries have none.
UPLOAD_DEADLINE: Final = 120.0
# Longest pause before the second attempt; later ones double.
UPLOAD_PAUSE: Final = 1.0
# Large files are uploaded in pieces of this size, each held in memory once.
CHUNK_BYTES: Final = 16 * 1024 * 1024
SHOWN_INLINE: Final = frozenset({"text/html", "text/plain", "application/json"})

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
# The session of a resumable upload is gone (https://cloud.google.com/storage/docs/resumable-uploads).
_SESSION_LOST: Final = frozenset({404, 410})
_UPLOAD_ERRORS: Final = (
    GoogleAPIError,
    GoogleAuthError,
    DataCorruption,
    InvalidResponse,
    requests.RequestException,
    TimeoutError,
)


class GoogleResultFiles:
    """The port `ResultFiles` on Cloud Storage. The client and the signer are created at the first use.

    Args:
        settings: project, results_bucket, storage_emulator_host, signing_key_file and signer_email.
        credentials: instead of the default credentials of the process.
        transport: makes HTTP requests to IAM and to the token server.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Credentials | None = None,
        transport: HttpRequest | None = None,
        upload_deadline: float = UPLOAD_DEADLINE,
        upload_timeout: tuple[float, float] = TIMEOUT,
        upload_pause: float = UPLOAD_PAUSE,
        sign_deadline: float = SIGN_DEADLINE,
        delete_deadline: float = DELETE_DEADLINE,
    ) -> None:
        self._settings = settings
        self._endpoint = settings.storage_emulator_host.rstrip("/")
        self._credentials = credentials
        self._request = RepeatedRequest(transport or HttpRequest(), timeout=IAM_TIMEOUT)
        # An upload may be repeated: the precondition lets only one of the attempts write.
        self._retry = DEFAULT_RETRY.with_timeout(upload_deadline).with_delay(initial=upload_pause)
        self._upload_timeout = upload_timeout
        self._sign_deadline, self._delete_deadline = sign_deadline, delete_deadline
        self._client: storage.Client | None = None
        self._signer: Credentials | None = None
        self._lock = threading.RLock()

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        """See `ResultFiles.upload`; the size and the CRC32C are those that Cloud Storage reports."""
        return await asyncio.to_thread(self._upload, folder, path, media_type)

    async def delete(self, run_id: str) -> None:
        """See `ResultFiles.delete`; after `Unavailable`, some files may be deleted."""
        try:
            async with asyncio.timeout(self._delete_deadline):
                await asyncio.to_thread(self._delete, run_id)
        except TimeoutError as error:
            raise Unavailable("Cloud Storage") from error

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """See `ResultFiles.sign`.

        Raises:
            ValueError: `expires_at` is past, or more than seven days away.
        """
        if not timedelta(0) < expires_at - datetime.now(UTC) <= MAX_LIFETIME:
            raise ValueError(
                f"signed URLs are valid for at most seven days from now, not until {expires_at.isoformat()}"
            )
        try:
            async with asyncio.timeout(self._sign_deadline):
                sign = await asyncio.to_thread(self._ready_to_sign, expires_at)
                return await asyncio.gather(*(asyncio.to_thread(sign, file.object_name) for file in files))
        except (GoogleAuthError, TimeoutError) as error:
            raise Unavailable("Cloud Storage") from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        try:
            try:
                return self._upload_once(folder, path, media_type)
            except ClientError as error:
                if error.code not in _SESSION_LOST:
                    raise
                # For example because the answer to the last piece was lost: upload all pieces again.
                return self._upload_once(folder, path, media_type)
        except _UPLOAD_ERRORS as error:
            raise Unavailable("Cloud Storage") from error

    def _delete(self, run_id: str) -> None:
        options = {"timeout": self._upload_timeout, "retry": self._retry}
        try:
            for blob in list(self._bucket().list_blobs(prefix=f"runs/{run_id}/", **options)):
                with suppress(NotFound):  # another request deleted it
                    blob.delete(**options)
        except _UPLOAD_ERRORS as error:
            raise Unavailable("Cloud Storage") from error

    def _bucket(self) -> storage.Bucket:
        with self._lock:
            if self._client is None:
                self._client = self._new_client(AnonymousCredentials() if self._endpoint else self._own_credentials())
            return cast("storage.Bucket", self._client.bucket(self._settings.results_bucket))

    def _upload_once(self, folder: str, path: Path, media_type: str) -> StoredFile:
        bucket = self._bucket()
        blob = bucket.blob(f"runs/{folder}/{path.name}", chunk_size=CHUNK_BYTES)
        blob.content_disposition = disposition(path.name, media_type)
        try:
            blob.upload_from_filename(
                str(path),
                content_type=media_type,
                if_generation_match=0,  # must not exist
                checksum="crc32c",
                timeout=self._upload_timeout,
                retry=self._retry,
            )
        except PreconditionFailed:
            # The answer to an earlier attempt of this very upload may have been lost.
            blob.reload(timeout=self._upload_timeout, retry=self._retry)
            if blob.crc32c != _crc32c(path):
                raise
        return StoredFile(
            name=path.name, object_name=blob.name, media_type=media_type, size=blob.size, crc32c=blob.crc32c
        )

    def _new_client(self, credentials: Credentials) -> storage.Client:
        return storage_client(self._settings.project, credentials, self._endpoint)

    def _ready_to_sign(self, expires_at: datetime) -> Callable[[str], str]:
        """Return a function that signs the URL of an object, with the key file or else with IAM, because functions have no private key."""
        with self._lock:
            if not self._settings.signing_key_file and not self._own_credentials().valid:
                self._own_credentials().refresh(self._request)  # once, not in each thread that signs
            if self._signer is None:
                self._signer = self._key_file_signer() if self._settings.signing_key_file else self._iam_signer()
            signer = self._signer
        bucket = self._new_client(AnonymousCredentials()).bucket(self._settings.results_bucket)

        def sign(object_name: str) -> str:
            # Not with `access_token`: the library then signs with IAM over a new transport and with unbounded retries (it hung for 108 s).
            blob = bucket.blob(object_name)
            return cast("str", blob.generate_signed_url(version="v4", expiration=expires_at, credentials=signer))

        return sign

    def _iam_signer(self) -> Credentials:
        own = self._own_credentials()
        # On Cloud Run the account's name is "default" until the first refresh.
        email = self._settings.signer_email or getattr(own, "service_account_email", "")
        if "@" not in email:
            raise SettingsInvalid(["SIGNER_EMAIL is missing, and these credentials belong to no service account"])
        return service_account.Credentials(iam.Signer(self._request, own, email), email, token_uri="")

    def _key_file_signer(self) -> Credentials:
        try:
            signer = service_account.Credentials.from_service_account_file(self._settings.signing_key_file)
            signer.sign_bytes(b"")  # fails for a key that is not an RSA key
            return cast("Credentials", signer)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SettingsInvalid(["SIGNING_KEY_FILE is not a readable key file of a service account"]) from error

    def _own_credentials(self) -> Credentials:
        if self._credentials is None:
            self._credentials, _ = google.auth.default(scopes=_SCOPES)
        return self._credentials


def _crc32c(path: Path) -> str:
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        for _ in checksum.consume(file, CHUNK_BYTES):
            pass
    return base64.b64encode(checksum.digest()).decode()


def disposition(name: str, media_type: str) -> str:
    """Return the Content-Disposition header: reports and logs open in the browser, everything else is downloaded (RFC 6266)."""
    kind = "inline" if media_type.partition(";")[0].strip().lower() in SHOWN_INLINE else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
