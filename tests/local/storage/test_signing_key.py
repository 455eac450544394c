"""Google's libraries accept the local key as a service account's, and nobody else can read it."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.oauth2 import service_account

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.storage.signing_key import SigningKey


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate("signer@example.iam.gserviceaccount.com")


def test_google_takes_the_file_and_signs_with_its_key(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    key.write(path)
    credentials = service_account.Credentials.from_service_account_file(str(path))
    assert credentials.signer_email == key.email
    key.public_key.verify(credentials.sign_bytes(b"message"), b"message", padding.PKCS1v15(), hashes.SHA256())


def test_only_its_owner_may_read_the_file_whatever_lay_there_before(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("older")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        key.write(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_is_not_written_through_a_link(key: SigningKey, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("mine")
    (tmp_path / "key.json").symlink_to(target)
    key.write(tmp_path / "key.json")
    assert target.read_text() == "mine"


def test_printing_a_key_shows_no_secret(key: SigningKey) -> None:
    assert "private" not in repr(key).lower()


def test_every_key_is_another(key: SigningKey) -> None:
    other = SigningKey.generate(key.email)
    assert other.key_id != key.key_id
    assert other.public_key != key.public_key
