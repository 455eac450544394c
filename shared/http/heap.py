"""The garbage collector and what lives as long as the process: modules, models, the catalog.

All of that is made before the first answer is out, and none of it is ever garbage. A collector that goes through it again and again makes
the start longer; and in a worker it writes to pages that are shared with the process it was forked from, which makes them its own.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector out of a block that makes what lives as long as the process, and have it leave all that alone, for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@cache
def share_with_workers() -> None:
    """Have the collector leave alone, for good, what is there when this process forks; and have it work in a process that forked.

    That one only watches over its workers: no answer is ever its first.
    """
    os.register_at_fork(before=gc.freeze, after_in_parent=gc.enable)


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
