"""Run benchmarks and print their figures: `python -m tools.benchmarks [NAME ...] [--rounds N] [--write]`.

Without names, all benchmarks run and `docs/performance.md` is updated (`make bench`, about ten minutes).
Exit code: 2 if a bar is missed.
"""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tools import ROOT
from tools.benchmarks import atlas_scale, cold_start, growth, warm
from tools.benchmarks.harness import harness
from tools.benchmarks.report import Section

DOCUMENT: Final = ROOT / "docs" / "performance.md"
Benchmarks = Mapping[str, Callable[..., Awaitable[Section]]]
OF_SERVICES: Final[Benchmarks] = {"cold_start": cold_start.measure, "warm": warm.measure, "memory": warm.memory}
ALONE: Final[Benchmarks] = {"growth": growth.measure, "atlas_scale": atlas_scale.measure}


async def run(names: Collection[str], options: Mapping[str, int], *, write: bool) -> int:
    """Run benchmarks, and return the number of missed bars."""
    missed, began = 0, time.monotonic()

    async def report(benchmarks: Benchmarks, place: Any) -> None:  # noqa: ANN401  # a harness or a folder
        nonlocal missed
        for name in filter(names.__contains__, benchmarks):
            started = time.monotonic()
            section = await benchmarks[name](place, **options)
            print(f"\n## {name}, {time.monotonic() - started:.0f} s\n\n{section.text}\n", flush=True)
            missed += sum(not verdict.holds for verdict in section.verdicts)
            if write:
                section.write(DOCUMENT)

    if not OF_SERVICES.keys().isdisjoint(names):
        print("installing the services and starting the emulators", file=sys.stderr)
        async with harness() as services:
            await report(OF_SERVICES, services)
    with tempfile.TemporaryDirectory(prefix="haystack_benchmarks_") as folder:
        await report(ALONE, Path(folder))
    minutes = (time.monotonic() - began) / 60
    if write:
        Section("machine", f"{_machine()}, {datetime.now(UTC):%Y-%m-%d}, in {minutes:.1f} minutes.").write(DOCUMENT)
    print(f"{minutes:.1f} minutes; {missed or 'no'} bars missed")
    return missed


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{len(os.sched_getaffinity(0))} CPUs ({model}), Python {platform.python_version()}, load at the end {load}"


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*OF_SERVICES, *ALONE]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(known)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each benchmark (default: as documented)")
    parser.add_argument("--write", action="store_true", help="update docs/performance.md also for named benchmarks")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown benchmarks: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    rounds = {} if options.rounds is None else {"rounds": options.rounds}
    missed = asyncio.run(run(options.names or known, rounds, write=options.write or not options.names))
    return 2 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
