"""The key of the local service account, new at each start: it signs URLs and OpenID Connect tokens in place of Google's keys."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

LOCAL_ACCOUNT: Final = "haystack-runs@local.iam.gserviceaccount.com"


@dataclass(frozen=True)
class SigningKey:
    """An RSA key of a service account; `key_id` is the `kid` of its tokens."""

    email: str
    key_id: str
    private_key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls, email: str = LOCAL_ACCOUNT) -> Self:
        """Return a new key."""
        return cls(email, os.urandom(20).hex(), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """The key that verifies signatures."""
        return self.private_key.public_key()

    def private_pem(self) -> str:
        """Return the private key as unencrypted PKCS #8."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def write(self, path: Path) -> None:
        """Write the service-account file that Google's libraries load, created with access for its owner only."""
        content = {
            "type": "service_account",
            "project_id": "local",
            "private_key_id": self.key_id,
            "private_key": self.private_pem(),
            "client_email": self.email,
            "client_id": "0",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
