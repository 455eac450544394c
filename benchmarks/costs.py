"""What a month costs: `python -m benchmarks.costs`.

Operations are those that `tests/functions/test_operations.py` counts on the wire, and the job's writes; everything else is an assumption,
stated here once. `docs/deploy.md` shows the table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.routes import SPECS

RUNS: Final = (100, 10_000, 1_000_000)
PRICE_DATE: Final = "June 2025"
"""List prices of Oregon (us-west1), regional, in US dollars, without discounts. An assumption: look them up before you rely on them."""

# Prices, each after the free amount of a month.
READ, WRITE = 0.03 / 100_000, 0.09 / 100_000
FREE_READS, FREE_WRITES = 50_000 * 30, 20_000 * 30
FIRESTORE_GIB, FREE_FIRESTORE_GIB = 0.15, 1.0
REQUEST, FREE_REQUESTS = 0.40 / 1_000_000, 2_000_000
CPU_SECOND, FREE_CPU_SECONDS = 0.000024, 180_000
GIB_SECOND, FREE_GIB_SECONDS = 0.0000025, 360_000
WARM_CPU_SECOND, WARM_GIB_SECOND = 0.0000025, 0.0000025
MACHINE_HOUR = 0.134012 + 30 * 0.10 / 730  # e2-standard-4 and its disk of 30 GB
STORED_GB, DOWNLOADED_GB = 0.020, 0.12
BALANCER_HOUR, BALANCED_GB = 0.025, 0.008
LOGGED_GIB, FREE_LOGGED_GIB = 0.50, 50.0
FIXED: Final = 0.06 + 0.10 * 2.0  # a secret's version; the images of the job, 2 GB
SECONDS, HOURS = 730 * 3600, 730
BUSY_SECONDS: Final = 22 * 8 * 3600  # work is done in office hours

# A run, as assumed.
ITERATIONS: Final = 2
PENDING_SECONDS, RUNNING_SECONDS = 80, 330
MACHINE_SECONDS: Final = RUNNING_SECONDS + 60  # the machine boots and pulls before, and is deleted after
WAIT_SECONDS: Final = 20  # a client holds a request open for so long, as `haystack` does
NOTIFICATIONS: Final = 3  # Batch tells that the job is scheduled, runs, and is over
LISTS, PAGE = 2, 20
OTHER_REQUESTS: Final = 6  # preflights, validate, metadata, the result
REQUEST_SECONDS: Final = 0.05
DOCUMENT_KIB, RESULT_MB, DOWNLOADS = 12, 30, 1
LOGGED_KIB: Final = 1.0  # a request
RUN_LOG_KIB: Final = 20


@dataclass(frozen=True)
class Operations:
    """What so many runs ask of the cloud."""

    reads: int
    writes: int
    requests: int
    held_seconds: int


def operations(runs: int) -> Operations:
    """Firestore operations and requests of a month."""
    changes = 4 + 3 * ITERATIONS  # begin, query analysis, three phases an iteration, output, the end
    beats = RUNNING_SECONDS // 60
    waits = math.ceil((PENDING_SECONDS + RUNNING_SECONDS) / WAIT_SECONDS) + changes
    written = changes + beats + NOTIFICATIONS  # after create
    reads = (
        (1 + 1)  # create: the owner's gate, and the count of active runs
        + (changes + beats)  # the job reads before it writes
        + (1 + written)  # and watches for a cancel: that reads once, and once for each change
        + 1  # the job loads the catalog
        + (waits + written)  # so does a wait
        + LISTS * (PAGE + 1)
        + 1  # the result
        + 2 * NOTIFICATIONS
    )
    sweeps = 60 * HOURS
    return Operations(
        reads=runs * reads + sweeps,
        writes=runs * (2 + written),  # create writes the run and its owner's gate
        requests=runs * (1 + waits + LISTS + OTHER_REQUESTS + NOTIFICATIONS) + sweeps,
        held_seconds=runs * (PENDING_SECONDS + RUNNING_SECONDS),
    )


def busy_instance_seconds(held_seconds: float) -> float:
    """How long instances of status are paid for: while they hold a request, up to their concurrency at a time.

    How many requests are held at a moment of the office hours follows a Poisson distribution.
    """
    mean, capacity = held_seconds / BUSY_SECONDS, SPECS["status"].concurrency
    most = int(mean + 12 * math.sqrt(mean) + 12)
    chances = [math.exp(held * math.log(mean) - mean - math.lgamma(held + 1)) for held in range(most)]
    return BUSY_SECONDS * sum(chance * math.ceil(held / capacity) for held, chance in enumerate(chances))


def costs(runs: int) -> Mapping[str, float]:
    """Dollars of a month by what they are paid for."""
    done = operations(runs)
    memory = SPECS["status"].memory_mib / 1024
    processing = (
        busy_instance_seconds(done.held_seconds) + (done.requests - done.held_seconds // WAIT_SECONDS) * REQUEST_SECONDS
    )
    results = runs * RESULT_MB / 1000
    logged = (done.requests * LOGGED_KIB + runs * RUN_LOG_KIB) / 1024**2
    return {
        "Batch machines": runs * MACHINE_SECONDS / 3600 * MACHINE_HOUR,
        "Firestore reads": _after(FREE_READS, done.reads) * READ,
        "Firestore writes": _after(FREE_WRITES, done.writes) * WRITE,
        "Firestore storage": _after(FREE_FIRESTORE_GIB, runs * DOCUMENT_KIB / 1024**2) * FIRESTORE_GIB,
        "functions": _after(FREE_REQUESTS, done.requests) * REQUEST
        + _after(FREE_CPU_SECONDS, processing) * CPU_SECOND
        + _after(FREE_GIB_SECONDS, processing * memory) * GIB_SECOND,
        "results: kept a month, downloaded once": results * STORED_GB + results * DOWNLOADS * DOWNLOADED_GB,
        "load balancer": BALANCER_HOUR * HOURS + (done.requests * 2e-6) * BALANCED_GB,
        "logs": _after(FREE_LOGGED_GIB, logged) * LOGGED_GIB,
        "images, secret": FIXED,
    }


def production_extra() -> float:
    """Dollars a month of the instances that `--production` keeps warm."""
    return sum(
        spec.warm_instances * SECONDS * (WARM_CPU_SECOND + spec.memory_mib / 1024 * WARM_GIB_SECOND)
        for spec in SPECS.values()
    )


def table() -> str:
    """The costs as the document shows them."""
    done, paid = [operations(runs) for runs in RUNS], [costs(runs) for runs in RUNS]
    rows = [
        ("runs a month", *(f"{runs:,}" for runs in RUNS)),
        ("---", *("---:" for _ in RUNS)),
        ("Firestore reads", *(f"{each.reads:,}" for each in done)),
        ("Firestore writes", *(f"{each.writes:,}" for each in done)),
        ("requests", *(f"{each.requests:,}" for each in done)),
        ("machine hours", *(f"{runs * MACHINE_SECONDS / 3600:,.0f}" for runs in RUNS)),
        *((f"{name}, $", *(f"{each[name]:,.2f}" for each in paid)) for name in paid[0]),
        ("**together, $**", *(f"**{sum(each.values()):,.2f}**" for each in paid)),
        ("a run, $", *(f"{sum(each.values()) / runs:,.4f}" for each, runs in zip(paid, RUNS, strict=True))),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _after(free: float, used: float) -> float:
    return max(0.0, used - free)


if __name__ == "__main__":
    print(table())
    print(f"\nPrices of {PRICE_DATE}. `--production` adds ${production_extra():.2f} a month for instances kept warm.")
