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
from tools.benchmarks.harness import Harness
from tools.benchmarks.report import Section, Verdict, progress, table
from tools.benchmarks.service import Command, Service

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

    def add(self, name: str, value: float) -> float:
        """Add the value of a round, and return it."""
        self._values[name].append(value)
        return value

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

        async def start(command: Command, request: Request) -> Service:
            return await stack.enter_async_context(harness.running(command, request))

        headers = harness.headers(OWNER)
        polls = [Request("GET", f"{API}/{run.run_id}", headers) for run in completed[:20]]
        page, questions = Request("GET", f"{API}?page_size=20", headers), _questions(headers)
        ours, peer = await start(harness.function("status"), polls[0]), await start(harness.peer(), polls[0])
        if ours.body != peer.body:
            raise RuntimeError(f"the response of the peer differs:\n{ours.body!r}\n{peer.body!r}")
        lists = await start(harness.function("list"), page)
        validate = await start(harness.function("validate"), questions[0])
        for number in progress("warm", rounds + 1):
            found = Figures() if number == 1 else figures  # the first round warms up
            await _unchanged(ours, polls[0], found)
            await _status(ours, peer, polls, found)
            pages = [await service.load([page], count=LISTS, concurrency=1) for service in (lists, peer)]
            ours_p50, peer_p50 = (
                found.add(name, each.percentile(0.5)) for name, each in zip(("list", "peer's list"), pages, strict=True)
            )
            found.add("list / peer", ours_p50 / peer_p50)
            validations = await validate.load(questions, count=VALIDATIONS, concurrency=1)
            found.add("validate", validations.percentile(0.5))
            found.add("validate p95", validations.percentile(0.95))
    return _section(figures)


async def _unchanged(service: Service, poll: Request, figures: Figures) -> None:
    """Compare a 304 with a 200, one request at a time."""
    unchanged = Request(poll.method, poll.path, {**poll.headers, "If-None-Match": "*"}, status=304)
    # Alternating requests: the difference is smaller than the fluctuation of the machine from second to second.
    both = await service.load([poll, unchanged], count=2 * REQUESTS[1], concurrency=1)
    changed_p50, unchanged_p50 = (1000 * statistics.median(both.latencies[start::2]) for start in (0, 1))
    figures.add("status", changed_p50)
    figures.add("304", unchanged_p50)
    figures.add("304 / 200", unchanged_p50 / changed_p50)


async def _status(ours: Service, peer: Service, polls: Sequence[Request], figures: Figures) -> None:
    """Compare the throughput, the latencies and the CPU time of status with those of the peer."""
    for concurrency, count in REQUESTS.items():
        rates, cpu = [], []
        for name, service in (("status", ours), ("peer", peer)):
            before = service.cpu_seconds()
            responses = await service.load(polls, count=count, concurrency=concurrency)
            spent = 1000 * (service.cpu_seconds() - before) / count
            cpu.append(figures.add(f"{name} CPU {concurrency}", spent))
            rates.append(figures.add(f"{name}/s {concurrency}", count / responses.seconds))
            p50, p99 = (
                figures.add(f"{name} p{percent} {concurrency}", responses.percentile(percent / 100))
                for percent in (50, 99)
            )
            figures.add(f"{name} p99 / p50 {concurrency}", p99 / p50)
            figures.add(f"generator CPU {concurrency}", 1000 * responses.cpu_seconds / count)
        figures.add(f"throughput {concurrency}", rates[0] / rates[1])
        figures.add(f"CPU {concurrency}", cpu[0] / cpu[1])


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
            Verdict(f"requests/s / peer at concurrency {each}", figures[f"throughput {each}"], bar, at_least=True)
            for each, bar in THROUGHPUT.items()
        ),
        Verdict("CPU per request / peer at concurrency 8", figures["CPU 8"], 0.65),
        Verdict("p99 / p50 at concurrency 8", figures["status p99 / p50 8"], 3),
        Verdict("list / peer", figures["list / peer"], 0.65),
        Verdict("304 / 200", figures["304 / 200"], 1),
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
    async with harness.running(harness.function("status"), requests[0]) as service:
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
