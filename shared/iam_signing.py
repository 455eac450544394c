"""Signing by IAM, for who has no private key.

Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob.
"""

# google-auth carries no types.
# mypy: allow-untyped-calls

from functools import partial
from typing import Final

from google.auth import iam
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport import Request

from shared.errors import SettingsInvalid, Unavailable

IAM_TIMEOUT: Final = 10.0
"""Seconds that one call to IAM may take."""


class IamSigning:
    """Signs by IAM's `signBlob`, one HTTP call a signature.

    Args:
        credentials: who asks; must hold `iam.serviceAccounts.signBlob` on the signing account. Not refreshed here: see `ready`.
        transport: how HTTP requests are made.
        email: the account that signs; empty: the one that asks.
    """

    def __init__(self, credentials: Credentials, transport: Request, email: str = "") -> None:
        self._credentials = credentials
        self._transport = partial(transport, timeout=IAM_TIMEOUT)
        self._email = email

    @property
    def signer_email(self) -> str:
        """The account that signs."""
        return self._email

    def ready(self) -> None:
        """Have a token that is valid. Called once before many signatures, so that threads do not each fetch one.

        Raises:
            Unavailable: no token can be had.
            SettingsInvalid: nobody said which account signs, and the credentials have none.
        """
        if not self._credentials.valid:
            try:
                self._credentials.refresh(self._transport)
            except GoogleAuthError as error:
                raise Unavailable("Cloud Storage") from error
        # On Cloud Run the account's name is known only after the first refresh; until then it is "default".
        self._email = self._email or getattr(self._credentials, "service_account_email", "")
        if "@" not in self._email:
            raise SettingsInvalid(["SIGNER_EMAIL is missing, and these credentials belong to no service account"])

    def sign_bytes(self, message: bytes) -> bytes:
        """The RSA-SHA256 signature of a message.

        Raises:
            Unavailable: IAM refused or did not answer.
        """
        try:
            signature: bytes = iam.Signer(self._transport, self._credentials, self._email).sign(message)
        except GoogleAuthError as error:
            raise Unavailable("Cloud Storage") from error
        return signature
