"""Latency, throughput and memory of warm services.

Each round measures both sides of a comparison one after the other. A ratio is the median of the ratios of the rounds, so
that other load on the machine affects both sides alike.
"""

import csv
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.generator import Request
from tools.benchmarks.harness import PEER, Harness
from tools.benchmarks.report import Section, Verdict, progress, table
from tools.benchmarks.service import Service

ROUNDS: Final = 9
# Owners that no other benchmark uses, so that their lists do not depend on previous benchmarks.
OWNER, OTHER = "grace@example.com", "eve@example.com"
RUNS_EACH: Final = 200
# Requests per round, by concurrency.
REQUESTS: Final = {1: 200, 8: 400, 32: 600}
LISTS, VALIDATIONS = 30, 300
# Lower bounds of the throughput, in multiples of the peer, by concurrency.
THROUGHPUT: Final = {1: 1.6, 8: 2.2, 32: 2.4}
QUESTIONS: Final = ROOT / "tests" / "shared" / "resolver" / "blind_questions.tsv"
MEMORY_STEPS: Final = 20
MEMORY_STEP: Final = 1_000
MEMORY_MIB: Final = 90
# Upper bound of the growth over 19,000 requests; a leak of one small object per request would exceed it.
GROWTH_MIB: Final = 1.0
API: Final = "/api/v1/runs"


class Figures:
    """Measured values by name, one per round."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, value: float) -> None:
        """Add the value of a round."""
        self._values[name].append(value)

    def compare(self, one: str, other: str) -> None:
        """Add the ratio of the last two values, as `one / other`."""
        self.add(f"{one} / {other}", self._values[one][-1] / self._values[other][-1])

    def __getitem__(self, name: str) -> float:
        """Return the median of a value."""
        return statistics.median(self._values[name])


async def measure(harness: Harness, rounds: int = ROUNDS) -> Section:
    """Compare status and list with the peer, and a 304 with a 200; measure validate."""
    completed = [await harness.add(runs.completed(), owner=OWNER, number=number) for number in range(RUNS_EACH)]
    for number in range(RUNS_EACH):
        await harness.add(runs.completed(), owner=OTHER, number=number)
    figures = Figures()
    async with AsyncExitStack() as stack:

        async def start(name: str, request: Request) -> Service:
            return await stack.enter_async_context(harness.running(name, request))

        headers = harness.headers(OWNER)
        polls = [Request("GET", f"{API}/{run.run_id}", headers) for run in completed[:20]]
        page, questions = Request("GET", f"{API}?page_size=20", headers), _questions(headers)
        ours, peer = await start("status", polls[0]), await start(PEER, polls[0])
        if ours.body != peer.body:
            raise RuntimeError(f"the response of the peer differs:\n{ours.body!r}\n{peer.body!r}")
        lists = await start("list", page)
        validate = await start("validate", questions[0])
        for number in progress("warm", rounds + 1):
            found = Figures() if number == 1 else figures  # the first round warms up
            await _unchanged(ours, polls[0], found)
            await _status(ours, peer, polls, found)
            for name, service in (("list", lists), ("peer's list", peer)):
                pages = await service.load([page], count=LISTS, concurrency=1)
                found.add(name, pages.percentile(0.5))
            found.compare("list", "peer's list")
            validations = await validate.load(questions, count=VALIDATIONS, concurrency=1)
            found.add("validate", validations.percentile(0.5))
            found.add("validate p95", validations.percentile(0.95))
    return _section(figures)


async def _unchanged(service: Service, poll: Request, figures: Figures) -> None:
    """Compare a 304 with a 200, one request at a time."""
    unchanged = Request(poll.method, poll.path, {**poll.headers, "If-None-Match": "*"}, status=304)
    # Alternating requests: the difference is smaller than the fluctuation of the machine from second to second.
    both = await service.load([poll, unchanged], count=2 * REQUESTS[1], concurrency=1)
    for start, name in enumerate(("status", "304")):
        figures.add(name, 1000 * statistics.median(both.latencies[start::2]))
    figures.compare("304", "status")


async def _status(ours: Service, peer: Service, polls: Sequence[Request], figures: Figures) -> None:
    """Compare the throughput, the latencies and the CPU time of status with those of the peer."""
    for at, count in REQUESTS.items():
        for name, service in (("status", ours), ("peer", peer)):
            before = service.cpu_seconds()
            responses = await service.load(polls, count=count, concurrency=at)
            figures.add(f"{name} CPU {at}", 1000 * (service.cpu_seconds() - before) / count)
            figures.add(f"generator CPU {at}", 1000 * responses.cpu_seconds / count)
            figures.add(f"{name}/s {at}", count / responses.seconds)
            figures.add(f"{name} p50 {at}", responses.percentile(0.5))
            figures.add(f"{name} p99 {at}", responses.percentile(0.99))
        figures.compare(f"status/s {at}", f"peer/s {at}")
        figures.compare(f"status CPU {at}", f"peer CPU {at}")
        figures.compare(f"status p99 {at}", f"status p50 {at}")


def _questions(headers: dict[str, str]) -> list[Request]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        questions = [row["question"] for row in rows if len(row["question"]) >= 10]  # the minimum of the API
    path = f"{API}/validate-control-strategy"
    return [Request("POST", path, headers, json.dumps({"query": question}).encode()) for question in questions]


def _section(figures: Figures) -> Section:
    medians = "; ".join(f"{name} {figures[name]:.2f}" for name in ("status", "304", "list", "peer's list", "validate"))
    columns = {  # by column: name of the value, and decimals
        "requests/s": ("status/s", 0),
        "of peer": ("peer/s", 0),
        "p50, ms": ("status p50", 2),
        "p99": ("status p99", 2),
        "peer p50": ("peer p50", 2),
        "peer p99": ("peer p99", 2),
        "CPU, ms/request": ("status CPU", 2),
        "peer CPU": ("peer CPU", 2),
        "generator CPU": ("generator CPU", 2),
    }
    rows = [
        (str(each), *(f"{figures[f'{name} {each}']:.{decimals}f}" for name, decimals in columns.values()))
        for each in REQUESTS
    ]
    verdicts = [
        *(
            Verdict(
                f"requests/s / peer at concurrency {each}",
                figures[f"status/s {each} / peer/s {each}"],
                bar,
                at_least=True,
            )
            for each, bar in THROUGHPUT.items()
        ),
        Verdict("CPU per request / peer at concurrency 8", figures["status CPU 8 / peer CPU 8"], 0.65),
        Verdict("p99 / p50 at concurrency 8", figures["status p99 8 / status p50 8"], 3),
        Verdict("list / peer's list", figures["list / peer's list"], 0.65),
        Verdict("304 / 200", figures["304 / status"], 1),
        Verdict("validate p95, ms", figures["validate p95"], 5),
    ]
    loads = table(("concurrency", *columns), rows)
    return Section("warm", f"One request at a time, p50 in ms: {medians}.\n\n{loads}", verdicts)


async def memory(harness: Harness, rounds: int = MEMORY_STEPS) -> Section:
    """Measure the memory of the status function after every thousand requests.

    The growth leaves out the pages of files, because other processes share them.
    """
    requests = [Request("GET", f"{API}/{(await harness.add(runs.completed())).run_id}", harness.headers())]
    totals, growing = [], []
    async with harness.running("status", requests[0]) as service:
        for _ in progress("memory", rounds):
            await service.load(requests, count=MEMORY_STEP, concurrency=8)
            totals.append(service.memory_mib())
            growing.append(service.memory_mib("Pss_Anon"))
    growth = statistics.linear_regression(range(rounds), growing).slope * (rounds - 1) if rounds > 1 else 0.0
    last = f"{rounds * MEMORY_STEP:,} requests"
    verdicts = (
        Verdict(f"MiB after {MEMORY_STEP:,} requests", totals[0], MEMORY_MIB),
        Verdict(f"MiB of growth until {last}, by the slope", growth, GROWTH_MIB),
    )
    text = f"{totals[0]:.1f} MiB after {MEMORY_STEP:,} requests, {totals[-1]:.1f} MiB after {last}."
    return Section("memory", text, verdicts)
