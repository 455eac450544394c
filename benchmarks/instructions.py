"""What a cold start takes in instructions: `python -m benchmarks.instructions`. Needs valgrind.

The same starts as in `benchmarks.cold_start`, once each, counted and not timed: a machine that is shared with others moves times by a
twentieth, and counts by half a hundredth (those of the hello world, which answers in a thread, by more). Counted is the process that
answers, with what its parent had done before it forked, if it has one, up to its answer. Waiting costs nothing here, and an instruction
is not a nanosecond: this tells what a change saves, not whether a bar holds.
"""

import asyncio
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import cold_start
from benchmarks.server import Command, Request, running
from benchmarks.stand import Stand, standing

COUNTED: Final = re.compile(r"I +refs: +([\d,]+)")
LONGEST_END: Final = 60.0


async def measure(stand: Stand) -> dict[str, int]:
    """Instructions of each service from its start to its first answer.

    Raises:
        RuntimeError: there is no valgrind, or a service did not start or end.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind is not installed: it counts the instructions")
    found = {}
    for command, request in await cold_start.first_requests(stand):
        folder = stand.scratch / "counts" / command.name
        folder.mkdir(parents=True)
        counter = (valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
        counted = replace(
            command,
            arguments=(*counter, f"--log-file={folder}/%p", *command.arguments),
            environment={**command.environment, "PYTHONHASHSEED": "0"},
        )
        found[command.name] = await _count(counted, request, stand, folder)
    return found


async def _count(command: Command, request: Request, stand: Stand, folder: Path) -> int:
    async with running(command, request, stand.log) as service:
        # Nobody handles this signal, so that no interpreter tidies up, which would be counted.
        os.killpg(service.pid, signal.SIGALRM)
        return await asyncio.to_thread(_counted, folder)


def _counted(folder: Path) -> int:
    """The highest of the processes' counts, as soon as all have ended."""
    ends = time.monotonic() + LONGEST_END
    while time.monotonic() < ends:
        counts = [COUNTED.findall(log.read_text()) for log in folder.iterdir()]
        if all(counts):
            return max(int(count.replace(",", "")) for (count,) in counts)
        time.sleep(0.1)
    raise RuntimeError(f"it did not end in {LONGEST_END:.0f} s")


async def main() -> None:
    """Measure and print."""
    async with standing() as stand:
        found = await measure(stand)
    print("| first answer of | million instructions |\n|--|--:|")
    for name, count in found.items():
        print(f"| {name} | {count / 1e6:,.0f} |")


if __name__ == "__main__":
    asyncio.run(main())
