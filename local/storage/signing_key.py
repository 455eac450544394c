"""The key that stands in for Google's: made at each start, it signs URLs and OpenID Connect tokens of the local service."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOCAL_ACCOUNT: Final = "haystack-runs@local.iam.gserviceaccount.com"
CERTIFICATE_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True)
class SigningKey:
    """An RSA key of a service account.

    Attributes:
        email: the service account.
        key_id: names the key, as `kid` does in a token.
        private_key: never printed.
    """

    email: str
    key_id: str
    private_key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls, email: str = LOCAL_ACCOUNT) -> Self:
        """A fresh key."""
        return cls(email, os.urandom(20).hex(), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """What signatures are checked with."""
        return self.private_key.public_key()

    def private_pem(self) -> str:
        """The private key as unencrypted PKCS #8."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def certificate_pem(self) -> str:
        """A self-signed X.509 certificate: the form in which Google publishes the keys of its tokens."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "haystack local signing key")])
        begin = datetime.now(UTC) - timedelta(minutes=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + CERTIFICATE_LIFETIME)
            .sign(self.private_key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM).decode()

    def write(self, path: Path) -> None:
        """Write the service-account file that Google's libraries load, readable by its owner only from the first byte on."""
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
