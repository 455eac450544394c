"""How much memory a process takes over time, and whether that grows."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

EVERY_SECONDS: Final = 1.0
Sample = tuple[float, float]
"""Seconds since the process was first seen, and its memory in MiB."""


def proportional_mib(pid: int) -> float | None:
    """A process's proportional set size, as Linux counts it; None where it has ended."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    lines = [line.split() for line in told.splitlines()]
    return next((int(line[1]) / 1024 for line in lines if line[0] == "Pss:"), None)


async def watch(pid: Callable[[], int | None], samples: defaultdict[int, list[Sample]]) -> None:
    """Take samples until cancelled, by process id."""
    first: dict[int, float] = {}
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now, current = time.monotonic(), pid()
        if current is None or (mib := proportional_mib(current)) is None:
            continue
        samples[current].append((now - first.setdefault(current, now), mib))


def slope(samples: Sequence[Sample]) -> float:
    """MiB a minute, by least squares."""
    return statistics.linear_regression(*zip(*samples, strict=True)).slope * 60
