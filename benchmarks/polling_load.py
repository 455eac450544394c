"""What polling and writing load does as the service grows: `python -m benchmarks.polling_load`.

Runs arrive at random through a busy stretch of the day. Each goes through the job's phases, with the job's writes and heartbeats, and is
followed by one client in one of three ways. Every second counts its requests, its Firestore reads and writes, the requests held open, and
the runs on a machine. Seeded: the same figures each time. `docs/scale.md` shows what it prints and says what follows from it.
"""

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

from shared.http.responses import WHEN_PENDING, WHEN_RUNNING
from shared.routes import SPECS
from shared.runs.states import Phase

SEED: Final = 20250601
RUNS_AN_HOUR: Final = 91
"""The busiest hour of 10,000 runs a month: 22 days, a fifth of a day's runs in it."""
SCALES: Final = (1, 10, 100, 1000)
WARM_UP, MEASURED = 1200, 600  # seconds; a run is over in less than the warm-up, but for a few

PENDING: Final = (45.0, 120.0)
"""Seconds until the job's machine has come and pulled its image."""
PENDING_HINT, OTHER_HINT = float(WHEN_PENDING), float(WHEN_RUNNING[None])
FIRST: Final = (8.0, float(WHEN_RUNNING[Phase.QUERY_ANALYSIS]))
PHASES: Final = (
    (12.0, float(WHEN_RUNNING[Phase.PROMPT_GENERATION])),
    (90.0, float(WHEN_RUNNING[Phase.INFERENCE])),
    (25.0, float(WHEN_RUNNING[Phase.EVALUATION])),
)
LAST: Final = (15.0, float(WHEN_RUNNING[Phase.OUTPUT_GENERATION]))
"""Median seconds of query analysis, of an iteration's phases, of writing the output; and what `Retry-After` says meanwhile."""
SPREAD: Final = 0.4
"""Sigma of a phase's log-normal duration."""
ANOTHER_ITERATION: Final = 0.55
MOST_ITERATIONS: Final = 5
HEARTBEAT: Final = 60.0
CREATE_READS, CREATE_WRITES, RESULT_READS = 2, 2, 1


class Way(Enum):
    """How a client follows a run."""

    STUBBORN = "every second"
    RETRY_AFTER = "`Retry-After`"
    WAIT = "`?wait=20`, ETag"


class Load:
    """What happens in each second.

    Args:
        seconds: how many of them.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.requests, self.reads, self.writes, self.held, self.running = ([0] * (seconds + 1) for _ in range(5))

    def add(self, counter: list[int], at: float, amount: int = 1) -> None:
        """Count something at a moment."""
        if at < self.seconds:
            counter[int(at)] += amount

    def span(self, counter: list[int], start: float, end: float) -> None:
        """Note that something begins and ends; `levels` makes of it how much there is at a time."""
        if start < self.seconds:
            counter[int(start)] += 1
            counter[min(int(end), self.seconds)] -= 1

    def levels(self) -> None:
        """Sum up what begins and ends."""
        self.held, self.running = list(accumulate(self.held)), list(accumulate(self.running))


@dataclass(frozen=True)
class Run:
    """The moments at which a run's document changes so that its owner sees it, the first and the last included."""

    created: float
    changes: tuple[float, ...]
    hints: tuple[float, ...]  # what `Retry-After` says before the first change and from each change on

    @property
    def beats(self) -> Iterator[float]:
        """The job's heartbeats, which its owner does not see."""
        at = self.changes[0] + HEARTBEAT
        while at < self.changes[-1]:
            yield at
            at += HEARTBEAT

    @property
    def notices(self) -> tuple[float, ...]:
        """Batch's notifications that the job is scheduled, runs, and is over; its owner does not see these writes either."""
        return (self.created + self.changes[0]) / 2, self.changes[0], self.changes[-1]


def make_run(created: float, chance: random.Random) -> Run:
    """A run with phases of random length, each with what `Retry-After` says meanwhile."""
    iterations = 1
    while iterations < MOST_ITERATIONS and chance.random() < ANOTHER_ITERATION:
        iterations += 1
    at = created + chance.uniform(*PENDING)
    changes, hints = [at], [PENDING_HINT, OTHER_HINT]
    for median, hint in (FIRST, *PHASES * iterations, LAST):
        changes.append(at)
        hints.append(hint)
        at += chance.lognormvariate(0, SPREAD) * median
    return Run(created, (*changes, at), tuple(hints))


def simulate(scale: int, way: Way, seconds: int = WARM_UP + MEASURED) -> Load:
    """The load of one way of following, at so many times the first scale's runs."""
    chance = random.Random(SEED)  # noqa: S311  # a simulation
    load, at = Load(seconds), 0.0
    while (at := at + chance.expovariate(RUNS_AN_HOUR * scale / 3600)) < seconds:
        run = make_run(at, chance)
        _work(run, load)
        _follow(run, way, load)
    load.levels()
    return load


def _work(run: Run, load: Load) -> None:
    """What the functions and the job read and write: before each write a read, and the job's watch sees each write by one more."""
    load.add(load.requests, run.created)
    load.add(load.reads, run.created, CREATE_READS)
    load.add(load.writes, run.created, CREATE_WRITES)
    load.add(load.reads, run.changes[0])  # the watch begins
    for at in (*run.changes, *run.beats):
        load.add(load.reads, at, 2)
        load.add(load.writes, at)
    for at in run.notices:
        load.add(load.requests, at)
        load.add(load.reads, at, 2)
        load.add(load.writes, at)
    load.span(load.running, run.created, run.changes[-1])
    load.add(load.requests, run.changes[-1])
    load.add(load.reads, run.changes[-1], RESULT_READS)


def _follow(run: Run, way: Way, load: Load) -> None:
    """What the client asks: one read a request, and one more for each write that a held request sees."""
    if way is Way.WAIT:
        _hold(run, load)
        return
    at, seen = run.created, 0
    while at < run.changes[-1]:
        load.add(load.requests, at)
        load.add(load.reads, at)
        while seen < len(run.changes) and run.changes[seen] <= at:
            seen += 1
        at += 1.0 if way is Way.STUBBORN else run.hints[seen]
    load.add(load.requests, at)
    load.add(load.reads, at)


def _hold(run: Run, load: Load) -> None:
    at, unseen = run.created, (*run.beats, *run.notices)
    for change in run.changes:
        while at < change:
            end = min(at + 20.0, change)
            load.add(load.requests, at)
            load.add(load.reads, at)
            load.span(load.held, at, end)
            for write in unseen:
                if at <= write < end:
                    load.add(load.reads, write)
            at = end
        load.add(load.reads, change)


def table(scales: Sequence[int] = SCALES) -> str:
    """The figures of the measured stretch, as the document shows them."""
    lines = [
        "| scale | followed by | requests/s | reads/s | most writes/s | held open | instances for these | runs under way |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for scale in scales:
        for way in Way:
            load = simulate(scale, way)
            requests, reads, writes, held, running = (
                counter[WARM_UP:-1] for counter in (load.requests, load.reads, load.writes, load.held, load.running)
            )
            instances = math.ceil(max(held) / SPECS["status"].concurrency) or "–"
            lines.append(
                f"| {scale}× | {way.value} | {statistics.mean(requests):,.1f} | {statistics.mean(reads):,.1f} | {max(writes):,} "
                f"| {statistics.mean(held):,.0f} | {instances} | {max(running):,} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
