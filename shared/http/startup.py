"""The garbage collector and what lives as long as the process: modules, models, the catalog.

All of that is made before the first answer is out, and none of it is ever garbage. A collector that goes through it again and again makes
the start longer.
"""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector out of a block that makes what lives as long as the process, and have it leave all that alone, for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class FirstAnswer:
    """The first answer of a process, which brings in what every later one uses.

    The collector stays away from when this is made, while the server is being started, until that answer is out.
    """

    def __init__(self) -> None:
        self._begun = False
        gc.disable()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep the collector out of the first such block, and out of no other."""
        if self._begun:
            yield
            return
        self._begun = True
        with undisturbed():
            yield


# FOLDED from server_lines.py: """What the server says of itself: errors only, since this service's own lines say the rest, and say it in fields. Uvicorn has a line for each request, with the client's address in it, and sets its levels and handlers anew when it starts; a filter stays. """  # noqa: E501
def only_errors() -> None:
    """Keep what is less than an error out of the server's log; again and again is as once."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
