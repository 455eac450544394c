"""The checksum equals that of Google's own library."""

import base64

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st

from deploy import crc32c


@given(st.binary(max_size=2000))
def test_it_is_the_checksum_of_google_s_library(content: bytes) -> None:
    assert crc32c.checksum(content) == google_crc32c.value(content)


def test_it_is_written_as_cloud_storage_writes_it() -> None:
    assert crc32c.encoded(b"123456789") == base64.b64encode(bytes.fromhex("e3069283")).decode()
