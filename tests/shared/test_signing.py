"""A key file signs as Google's library would with it, and what is none is told."""

import json
from pathlib import Path

import pytest

# google-auth carries no types.
# mypy: allow-untyped-calls
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2 import service_account

from local.storage.signing_key import SigningKey
from shared.errors import SettingsInvalid
from shared.signing import KeySigning


def test_a_key_file_signs_as_googles_library_does(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    SigningKey.generate("signer@example.com").write(file)
    googles = service_account.Credentials.from_service_account_file(str(file))
    signing = KeySigning(file)
    signing.ready()
    assert signing.signer_email == googles.signer_email == "signer@example.com"
    assert signing.sign_bytes(b"a message") == googles.sign_bytes(b"a message")


def curve_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '"text"',
        '{"client_email": "a@b.c", "private_key": 1}',
        '{"client_email": "a", "private_key": "b"}',
    ],
)
def test_a_file_that_is_no_key_file_is_a_setting_that_is_wrong(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(SettingsInvalid, match="SIGNING_KEY_FILE"):
        KeySigning(file)


def test_a_key_that_cannot_sign_urls_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"client_email": "a@b.c", "private_key": curve_key()}))
    with pytest.raises(SettingsInvalid, match="no RSA key"):
        KeySigning(file)
    with pytest.raises(SettingsInvalid, match="SIGNING_KEY_FILE"):
        KeySigning(tmp_path / "none.json")
