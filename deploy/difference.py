"""Whether what there is already is what is wanted, so that a second run changes only what changed."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

RESOURCE: Final = re.compile(r"https?://[^/]+/.*?(projects/.+)")
"""A resource's full URL; wanted resources are often named from `projects/` on."""


def covers(actual: object, wanted: object) -> bool:
    """Whether everything that is wanted is there, as wanted; what the cloud adds by itself does not matter.

    Mappings are compared by what is wanted of them, sequences item by item, and URLs of resources from `projects/` on.
    """
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(covers(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(actual, Sequence)
            and not isinstance(actual, str)
            and len(actual) == len(wanted)
            and all(covers(one, other) for one, other in zip(actual, wanted, strict=True))
        )
    if isinstance(wanted, str) and isinstance(actual, str):
        return _short(actual) == _short(wanted)
    return actual == wanted


def last_segment(name: object) -> str:
    """The last segment of a resource's name or URL."""
    return str(name).rpartition("/")[2]


def _short(text: str) -> str:
    found = RESOURCE.fullmatch(text)
    return found[1] if found else text
