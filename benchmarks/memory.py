"""What the status function holds in memory, and whether that grows: `python -m benchmarks.memory [REQUESTS]`.

The proportional set size of all its processes, after every thousand requests: what the machine would get back if they ended. Growth is told
without the pages of files, because how much of those is ours depends on who else has them open.
"""

import asyncio
import statistics
import sys
from typing import Final

from benchmarks import made_runs
from benchmarks.load import load
from benchmarks.section import Section
from benchmarks.server import Request, running
from benchmarks.stand import Stand, standing
from benchmarks.verdicts import Verdict, table

REQUESTS: Final = 20_000
STEP: Final = 1_000
CONCURRENCY: Final = 8
MOST_MIB: Final = 90
STRETCH_MIB: Final = 70
GROWTH_MIB: Final = 1.0
"""No growth: what 19,000 requests may add, told by the slope. A leak of one small object a request would add as much."""


async def measure(stand: Stand, requests: int = REQUESTS) -> Section:
    """The memory of the status function over so many requests."""
    runs = [await stand.keep(made_runs.completed()) for _ in range(20)]
    first = Request("GET", f"/api/v1/runs/{runs[0].run_id}", stand.headers())
    async with running(stand.function("status"), first, stand.log) as service:
        samples = [(0, service.pss_mib(), service.own_mib())]
        for asked in range(STEP, requests + 1, STEP):
            polls = [Request("GET", f"/api/v1/runs/{run.run_id}", stand.headers()) for run in runs]
            await load(service, polls, count=STEP, concurrency=CONCURRENCY)
            samples.append((asked, service.pss_mib(), service.own_mib()))
    return _section(samples)


def _section(samples: list[tuple[int, float, float]]) -> Section:
    settled = samples[1:]
    requests, _, own = zip(*settled, strict=True)
    slope = statistics.linear_regression(requests, own).slope
    told = [sample for sample in samples if sample[0] in {0, STEP} or sample[0] % (5 * STEP) == 0]
    lines = ["| requests | " + " | ".join(f"{asked:,}" for asked, _, _ in told) + " |", "|--|" + "--:|" * len(told)]
    lines.append("| MiB | " + " | ".join(f"{mib:.1f}" for _, mib, _ in told) + " |")
    lines.append("| of it not files | " + " | ".join(f"{mib:.1f}" for _, _, mib in told) + " |")
    more = requests[-1] - STEP
    verdicts = (
        Verdict(f"MiB after {STEP:,} requests", settled[0][1], MOST_MIB),
        Verdict(f"MiB that {more:,} more requests add, by the slope", slope * more, GROWTH_MIB),
    )
    reached = f"The slope is {1024 * 1000 * slope:.1f} KiB for a thousand requests. The stretch was {STRETCH_MIB} MiB."
    return Section("memory", "\n\n".join(["\n".join(lines), table(verdicts), reached]), verdicts)


async def main() -> None:
    """Measure and print."""
    async with standing() as stand:
        print((await measure(stand, int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)).text)


if __name__ == "__main__":
    asyncio.run(main())
