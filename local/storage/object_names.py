"""The object names that the storage gateway accepts, and the name in an upload's metadata; pure.

fake-gcs-server joins a name to its folder unchecked: anyone who can reach the port, on a shared machine everybody, could write
`../../.bashrc`. Cloud Storage has no folders and accepts every name.
"""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

# The part of an upload that is searched for its name.
METADATA_LIMIT: Final = 64 * 1024


class NameRefused(Exception):
    """A name that would leave the folder or end a header, or an upload without a name."""


def check(text: str) -> None:
    """Check a decoded path, a name or the value of a header.

    Raises:
        NameRefused: it has a part `.` or `..`, or a control character.
    """
    if {".", ".."} & set(text.split("/")) or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise NameRefused("A name must have no part . or .. and no control character.")


def named_query(parameters: Mapping[str, str], body: bytes) -> bytes:
    """Return the query of an upload with the object's checked name.

    A name in the query takes precedence over any name in the body, however fake-gcs-server parses the body.

    Raises:
        NameRefused: the name is missing or not allowed.
    """
    name = parameters.get("name") or _name(body[:METADATA_LIMIT])
    check(name)
    return urlencode({**parameters, "name": name}).encode()


def _name(head: bytes) -> str:
    """Return the name in an upload's metadata: a JSON object, alone or as the first part of a multipart body."""
    metadata = head.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0] if head.startswith(b"--") else head
    try:
        name = json.loads(metadata)["name"]
    except (ValueError, RecursionError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name:
        raise NameRefused("An upload must name its object in the query or in its metadata.")
    return name
