"""All benchmarks, one after another: `python -m benchmarks`, or `make bench`.

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

from benchmarks import atlas_scale, cold_start, growth, memory, runtime, warm
from benchmarks.section import Section
from benchmarks.stand import ROOT, Stand, standing

DOCUMENT: Final = ROOT / "docs" / "performance.md"
CELLS: Final = 100_000
"""The atlas that fits into the time; `python -m benchmarks.atlas_scale` takes a million, too."""


async def grown(_: Stand) -> Section:
    """How lists grow, on databases of their own."""
    return await growth.measure()


async def job(stand: Stand) -> Section:
    """The job and the ingest on an atlas."""
    return await asyncio.to_thread(atlas_scale.measure, stand.scratch / "atlases", (CELLS,))


BENCHMARKS: Final[tuple[Callable[[Stand], Awaitable[Section]], ...]] = (
    cold_start.measure,
    warm.measure,
    memory.measure,
    runtime.measure,
    grown,
    job,
)


async def main() -> int:
    """Measure all, print and write. Gives the exit code."""
    began, missed = time.monotonic(), 0
    async with standing() as stand:
        for measure in BENCHMARKS:
            started = time.monotonic()
            section = await measure(stand)
            print(f"\n## {section.name}, {time.monotonic() - started:.0f} s\n\n{section.text}", flush=True)
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
