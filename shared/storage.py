"""The results bucket in Cloud Storage; what blocks is done in threads."""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import Unavailable
from shared.runs.records import StoredFile
from shared.settings import Settings
from shared.signed_urls import ENDPOINT, signed_url

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport import Request

    from shared.signing import Signing
    from shared.upload import Uploads

LONGEST_EXPIRY: Final = timedelta(days=7)
"""Cloud Storage accepts no V4 signature that holds longer."""
SIGN_DEADLINE: Final = 15.0
"""Seconds for all the URLs of a request together."""
UPLOAD_DEADLINE: Final = 120.0
"""Seconds that one request of an upload may take with all its retries."""
UPLOAD_TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect and to wait for an answer, for each try of a request."""
UPLOAD_PAUSE: Final = 1.0
"""Seconds until the second try, about; each further pause is twice as long."""

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


class GoogleResultFiles:
    """`ResultFiles` on Cloud Storage. Clients are made at the first use.

    Args:
        settings: project, bucket, and whether a stand-in or a key file takes the cloud's place.
        credentials: who asks; the default is the process's own.
        transport: how IAM and the token server are called; the default is HTTP by `requests`.
        upload_deadline: instead of `UPLOAD_DEADLINE`.
        upload_timeout: instead of `UPLOAD_TIMEOUT`.
        upload_pause: instead of `UPLOAD_PAUSE`.
        sign_deadline: instead of `SIGN_DEADLINE`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: "Credentials | None" = None,
        transport: "Request | None" = None,
        upload_deadline: float = UPLOAD_DEADLINE,
        upload_timeout: tuple[float, float] = UPLOAD_TIMEOUT,
        upload_pause: float = UPLOAD_PAUSE,
        sign_deadline: float = SIGN_DEADLINE,
    ) -> None:
        self._settings = settings
        self._endpoint = settings.storage_emulator_host.rstrip("/")
        self._credentials = credentials
        self._transport = transport
        self._upload_deadline, self._upload_timeout, self._upload_pause = upload_deadline, upload_timeout, upload_pause
        self._sign_deadline = sign_deadline
        self._signing: Signing | None = None
        self._uploads: Uploads | None = None
        self._lock = threading.RLock()

    async def upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        """Put a file at `runs/{run_id}/{path.name}`, in the place of an earlier one, checksum verified.

        Size and CRC32C are those that Cloud Storage reports of what it stored.

        Raises:
            Unavailable: Cloud Storage refused, did not answer, or stored something else than was sent.
        """
        return await asyncio.to_thread(lambda: self._ready_uploads().put(run_id, path, media_type))

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """A V4-signed GET URL for each file, in order, that holds until `expires_at`.

        Raises:
            ValueError: `expires_at` is past, or more than seven days away.
            Unavailable: IAM, which signs, refused or did not answer in time.
        """
        if not timedelta(0) < expires_at - datetime.now(UTC) <= LONGEST_EXPIRY:
            raise ValueError(f"a signed URL holds for at most seven days from now, not until {expires_at.isoformat()}")
        try:
            async with asyncio.timeout(self._sign_deadline):
                signing = await asyncio.to_thread(self._ready_signing)
                calls = (asyncio.to_thread(self._sign, file, expires_at, signing) for file in files)
                return await asyncio.gather(*calls)
        except TimeoutError as error:
            raise Unavailable("Cloud Storage") from error

    def close(self) -> None:
        """Close the connections."""
        if self._uploads is not None:
            self._uploads.close()

    def _sign(self, file: StoredFile, expires_at: datetime, signing: "Signing") -> str:
        return signed_url(
            self._settings.results_bucket,
            file.object_name,
            signer=signing.signer_email,
            sign=signing.sign_bytes,
            now=datetime.now(UTC),
            expires_at=expires_at,
            endpoint=self._endpoint or ENDPOINT,
        )

    def _ready_uploads(self) -> "Uploads":
        # A function never uploads, and should not import for it.
        from shared.upload import Uploads  # noqa: PLC0415

        with self._lock:
            if self._uploads is None:
                self._uploads = Uploads(
                    self._settings,
                    self._own_credentials,
                    deadline=self._upload_deadline,
                    timeout=self._upload_timeout,
                    pause=self._upload_pause,
                )
            return self._uploads

    def _ready_signing(self) -> "Signing":
        with self._lock:
            if self._signing is None:
                self._signing = self._make_signing()
            self._signing.ready()
            return self._signing

    def _make_signing(self) -> "Signing":
        # Each is imported by who uses it: Google's library for credentials is much, and a key file needs none of it.
        if self._settings.signing_key_file:
            from shared.signing import KeySigning  # noqa: PLC0415

            return KeySigning(Path(self._settings.signing_key_file))
        from shared.iam_signing import IamSigning  # noqa: PLC0415

        return IamSigning(self._own_credentials(), self._transport or _by_http(), self._settings.signer_email)

    def _own_credentials(self) -> "Credentials":
        if self._credentials is None:
            import google.auth  # noqa: PLC0415
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

            try:
                self._credentials, _ = google.auth.default(scopes=_SCOPES)
            except GoogleAuthError as error:
                raise Unavailable("Cloud Storage") from error
        return self._credentials


def _by_http() -> "Request":
    from google.auth.transport.requests import Request as HttpRequest  # noqa: PLC0415

    return HttpRequest()
