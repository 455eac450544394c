"""Who signs URLs: with a key file it is done here; in the cloud a function has no private key, and IAM does it (`iam_signing`)."""

import json
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.errors import SettingsInvalid


class Signing(Protocol):
    """Signs as a service account. Its methods block, and may be called from several threads."""

    @property
    def signer_email(self) -> str:
        """The account that signs; known once it is ready."""

    def ready(self) -> None:
        """Have all that signing needs. Called once before many signatures.

        Raises:
            Unavailable: that cannot be had just now.
            SettingsInvalid: it can never be had so.
        """

    def sign_bytes(self, message: bytes) -> bytes:
        """The RSA-SHA256 signature of a message (PKCS #1 v1.5).

        Raises:
            Unavailable: whoever signs does not answer.
        """


class KeySigning:
    """Signs with the key in a service account's key file.

    Args:
        key_file: the file as Google gives it: JSON with `client_email` and `private_key`.

    Raises:
        SettingsInvalid: there is no such file, or it is none.
    """

    def __init__(self, key_file: Path) -> None:
        try:
            account = json.loads(key_file.read_bytes())
            self._email, key = str(account["client_email"]), load_pem_private_key(account["private_key"].encode(), None)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SettingsInvalid(["SIGNING_KEY_FILE is no service account's key file that can be read"]) from error
        if not isinstance(key, RSAPrivateKey):
            raise SettingsInvalid(["SIGNING_KEY_FILE holds no RSA key"])
        self._key = key

    @property
    def signer_email(self) -> str:
        """The account whose key it is."""
        return self._email

    def ready(self) -> None:
        """It always is."""

    def sign_bytes(self, message: bytes) -> bytes:
        """The RSA-SHA256 signature of a message (PKCS #1 v1.5)."""
        return self._key.sign(message, PKCS1v15(), SHA256())
