"""Who signs URLs: in the cloud IAM does, because a function has no private key; with a key file it is done on the spot.

Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob.
"""

# google-auth and google-cloud-storage carry no types.
# mypy: allow-untyped-calls

from functools import partial
from typing import Final

from google.auth import iam
from google.auth.credentials import Credentials, Signing
from google.auth.transport import Request

from shared.errors import SettingsInvalid

IAM_TIMEOUT: Final = 10.0
"""Seconds that one call to IAM may take."""


class IamSigning(Signing):
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

    def ready(self) -> None:
        """Have a token that is valid. Called once before many signatures, so that threads do not each fetch one.

        Raises:
            google.auth.exceptions.GoogleAuthError: no token can be had.
            SettingsInvalid: nobody said which account signs, and the credentials have none.
        """
        if not self._credentials.valid:
            self._credentials.refresh(self._transport)
        # On Cloud Run the account's name is known only after the first refresh; until then it is "default".
        self._email = self._email or getattr(self._credentials, "service_account_email", "")
        if "@" not in self._email:
            raise SettingsInvalid(["SIGNER_EMAIL is missing, and these credentials belong to no service account"])

    def sign_bytes(self, message: bytes) -> bytes:
        """The RSA-SHA256 signature of a message.

        Raises:
            google.auth.exceptions.GoogleAuthError: IAM refused or did not answer.
        """
        signature: bytes = self.signer.sign(message)
        return signature

    @property
    def signer_email(self) -> str:
        """The account that signs."""
        return self._email

    @property
    def signer(self) -> iam.Signer:
        """A signer for this account."""
        return iam.Signer(self._transport, self._credentials, self._email)
