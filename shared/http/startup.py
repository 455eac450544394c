"""Prepare a function's process for its first response.

Modules, models and the catalog live as long as the process. A garbage collector that scans them repeatedly while they are created
takes a twentieth of the CPU time of a cold start (measured: docs/performance.md), so it pauses until the first response.
"""

import gc

from shared import logs


def begin() -> None:
    """Configure the log and pause the garbage collector; call it when a function's module has been imported."""
    logs.configure()
    gc.disable()


def finish() -> None:
    """Exempt all existing objects from garbage collection and resume it, after the first response; idempotent."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
