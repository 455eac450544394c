"""All benchmarks of the functions, one after another on one stand: `python -m benchmarks`, or `make bench`.

Prints what each finds, writes it into `docs/performance.md` between its marks, and leaves with 1 where a bar is missed.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import cold_start, memory, runtime, warm
from benchmarks.section import Section
from benchmarks.stand import ROOT, Stand, standing

DOCUMENT: Final = ROOT / "docs" / "performance.md"
BENCHMARKS: Final[tuple[Callable[[Stand], Awaitable[Section]], ...]] = (
    cold_start.measure,
    warm.measure,
    memory.measure,
    runtime.measure,
)


async def main() -> int:
    """Measure all, print and write. Gives the exit code."""
    began, missed = time.monotonic(), 0
    async with standing() as stand:
        for measure in BENCHMARKS:
            section = await measure(stand)
            print(f"\n## {section.name}\n\n{section.text}", flush=True)
            section.write(DOCUMENT)
            missed += sum(not verdict.holds for verdict in section.verdicts)
    minutes = (time.monotonic() - began) / 60
    Section("machine", f"{_machine()}, {datetime.now(UTC):%Y-%m-%d}, in {minutes:.1f} minutes.", ()).write(DOCUMENT)
    print(f"\n{minutes:.1f} minutes; {missed or 'no'} bars missed; written to {DOCUMENT.relative_to(ROOT)}")
    return 1 if missed else 0


def _machine() -> str:
    """What this ran on."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in told if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{len(os.sched_getaffinity(0))} processors ({model}), Python {platform.python_version()}, load at the end {load}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
