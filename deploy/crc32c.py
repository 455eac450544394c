"""The CRC32C checksum, with which Cloud Storage describes files; Python has the polynomial of zlib only."""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Final

# The polynomial of Castagnoli, with its bits reversed.
POLYNOMIAL: Final = 0x82F63B78
SLICE: Final = 8


def encoded(content: bytes) -> str:
    """Return the checksum as Cloud Storage writes it: big-endian, in base64."""
    return base64.b64encode(checksum(content).to_bytes(4, "big")).decode()


def checksum(content: bytes) -> int:
    """Return the checksum, computed from eight bytes at a time: results have some tens of megabytes."""
    one, two, three, four, five, six, seven, eight = tables()
    crc, end = 0xFFFFFFFF, len(content) - len(content) % SLICE
    for start in range(0, end, SLICE):
        word = int.from_bytes(content[start : start + SLICE], "little") ^ crc
        crc = (
            eight[word & 0xFF]
            ^ seven[word >> 8 & 0xFF]
            ^ six[word >> 16 & 0xFF]
            ^ five[word >> 24 & 0xFF]
            ^ four[word >> 32 & 0xFF]
            ^ three[word >> 40 & 0xFF]
            ^ two[word >> 48 & 0xFF]
            ^ one[word >> 56]
        )
    for byte in content[end:]:
        crc = one[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def tables() -> Sequence[Sequence[int]]:
    """Return for each byte value its contribution, followed by 0 to 7 zero bytes."""
    first = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL * (crc & 1)
        first.append(crc)
    found = [first]
    for _ in range(SLICE - 1):
        found.append([crc >> 8 ^ first[crc & 0xFF] for crc in found[-1]])
    return found
