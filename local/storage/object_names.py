"""Which object names the stand-in takes, and where an upload says its own.

fake-gcs-server joins a name to its folder as it comes: who can reach the port, on a shared machine everybody, could write `../../.bashrc`
by it. Cloud Storage keeps names and no folders, and takes them all.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

METADATA_LIMIT: Final = 64 * 1024
"""How far into an upload its name is looked for."""


class NameRefused(Exception):
    """A name that would lead out of a folder or end a header, or an upload without one."""


@dataclass(frozen=True)
class Upload:
    """The start of an upload, as it may be handed on.

    Attributes:
        query: with the object's name, which counts before any that the body has, so that no other reading of the body matters.
        body: whole.
    """

    query: bytes
    body: AsyncIterator[bytes]


def check(text: str) -> None:
    """Let a decoded path, a name or a header's value pass.

    Raises:
        NameRefused: it has a part `.` or `..`, or a control character.
    """
    if {".", ".."} & set(text.split("/")) or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise NameRefused("No part of a name is . or .., and no name has control characters.")


async def upload(request: Request) -> Upload:
    """The start of an upload, its name found and checked.

    Raises:
        NameRefused: the name may not be, or is not found.
    """
    head, stream = b"", request.stream()
    parameters = dict(request.query_params)
    if not parameters.get("name"):
        head = await _head(stream)
        parameters["name"] = _name(head)
    check(parameters["name"])
    return Upload(urlencode(parameters).encode(), _whole(head, stream))


async def _head(stream: AsyncIterator[bytes]) -> bytes:
    head = b""
    async for chunk in stream:
        head += chunk
        if len(head) >= METADATA_LIMIT:
            break
    return head


async def _whole(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def _name(head: bytes) -> str:
    """The name in an upload's metadata: a JSON object, alone or as the first part of a multipart body."""
    metadata = head.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0] if head.startswith(b"--") else head
    try:
        name = json.loads(metadata)["name"]
    except (ValueError, RecursionError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name:
        raise NameRefused("An upload names its object, in the query or in its metadata.")
    return name
