"""Ctrl-C during an ingest.

Python turns it into an exception wherever the program is, and loses it inside a finalizer. An ingest may end at any moment without harm
(`replacement`), so here it ends the process at once, with one sentence.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

# What a shell makes of a process that SIGINT ended.
INTERRUPTED: Final = 130
STOPPED: Final = "Stopped. The catalog and its atlases are as they were before."


def end_on_ctrl_c() -> None:
    """Let Ctrl-C end this process from now on; call it in the main thread."""
    signal.signal(signal.SIGINT, _end)


def raise_on_ctrl_c() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt` again, for what must not end at once."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore Ctrl-C in the block, which is short, if it would end this process."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature of a handler
    os.write(2, f"\n{STOPPED}\n".encode())
    os._exit(INTERRUPTED)
