"""Latency, throughput and memory of warm services.

Each round measures both sides of a comparison one after the other. A ratio is the median of the ratios of the rounds, so
that other load on the machine affects both sides alike.
"""

import asyncio
import csv
import json
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from shared.runs.records import Run
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.harness import Harness
from tools.benchmarks.report import Section, Verdict, percentile, table, verdict_table
from tools.benchmarks.service import Command, Request, Service, running

ROUNDS: Final = 9
# Owners that no other benchmark uses, so that their lists do not depend on previous benchmarks.
COMPLETED, PENDING, OTHER = "grace@example.com", "mary@example.com", "eve@example.com"
RUNS_EACH: Final = 200
# Requests per round, by concurrency.
REQUESTS: Final = {1: 200, 8: 400, 32: 600}
LISTS: Final = 30
# Lower bounds of the throughput, in multiples of the peer, by concurrency.
THROUGHPUT: Final = {1: 1.6, 8: 2.2, 32: 2.4}
QUESTIONS: Final = ROOT / "tests" / "shared" / "resolver" / "blind_questions.tsv"
MEMORY_STEPS: Final = 20
MEMORY_STEP: Final = 1_000
MEMORY_MIB: Final = 90
# Upper bound of the growth over 19,000 requests; a leak of one small object per request would exceed it.
GROWTH_MIB: Final = 1.0
API: Final = "/api/v1/runs"
Loop = Callable[[str, str, int], Awaitable[list[float]]]


class Figures:
    """Measured values by name, one per round."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, value: float) -> None:
        """Add the value of a round."""
        self._values[name].append(value)

    def compare(self, ratio: str, ours: tuple[str, float], theirs: tuple[str, float]) -> None:
        """Add two named values of a round and their ratio."""
        for name, value in (ours, theirs, (ratio, ours[1] / theirs[1])):
            self.add(name, value)

    def __getitem__(self, name: str) -> float:
        """Return the median of a value."""
        return statistics.median(self._values[name])


async def measure(harness: Harness, rounds: int = ROUNDS) -> Section:
    """Compare status with Firestore's client and with the peer, and list with a plain query; measure validate."""
    completed = [await harness.add(runs.completed(), owner=COMPLETED, number=number) for number in range(RUNS_EACH)]
    for number in range(RUNS_EACH):
        await harness.add(runs.completed(), owner=OTHER, number=number)
        await harness.add(runs.pending(), owner=PENDING, number=number)
    figures, questions = Figures(), _questions(harness)
    async with AsyncExitStack() as stack:

        async def start(command: Command, request: Request) -> Service:
            return await stack.enter_async_context(running(command, request, harness.log))

        headers = harness.iap.headers(COMPLETED)
        status, page = (Request("GET", path, headers) for path in (f"{API}/{completed[0].run_id}", API))
        ours, peer = await start(harness.function("status"), status), await start(harness.peer(), status)
        if ours.body != peer.body:
            raise RuntimeError(f"the response of the peer differs:\n{ours.body!r}\n{peer.body!r}")
        lists = await start(harness.function("list"), page)
        validate = await start(harness.function("validate"), questions[0])
        loop = await stack.enter_async_context(_loops(harness))
        for number in range(-1, rounds):
            found = Figures() if number < 0 else figures  # the first round warms up
            await _documents(harness, completed[0], ours, loop, found)
            await _compare_with_peer(harness, completed, ours, peer, found)
            await _lists(harness, lists, loop, found)
            responses = await validate.load(questions, count=300, concurrency=1)
            found.add("validate p50", percentile(responses.latencies, 0.5))
            found.add("validate p95", percentile(responses.latencies, 0.95))
    return _section(figures)


async def memory(harness: Harness, rounds: int = MEMORY_STEPS) -> Section:
    """Measure the memory of the status function after every thousand requests.

    The growth leaves out the pages of files, because other processes share them.
    """
    requests = [Request("GET", f"{API}/{(await harness.add(runs.completed())).run_id}", harness.iap.headers())]
    totals, growing = [], []
    async with running(harness.function("status"), requests[0], harness.log) as service:
        for _ in range(rounds):
            await service.load(requests, count=MEMORY_STEP, concurrency=8)
            totals.append(service.memory_mib())
            growing.append(service.memory_mib("Pss_Anon"))
    growth = statistics.linear_regression(range(rounds), growing).slope * (rounds - 1) if rounds > 1 else 0.0
    last = f"{rounds * MEMORY_STEP:,} requests"
    text = f"{totals[0]:.1f} MiB after {MEMORY_STEP:,} requests, {totals[-1]:.1f} MiB after {last}."
    verdicts = (
        Verdict(f"MiB after {MEMORY_STEP:,} requests", totals[0], MEMORY_MIB),
        Verdict(f"MiB of growth until {last}, by the slope", growth, GROWTH_MIB),
    )
    return Section("memory", f"{text}\n\n{verdict_table(verdicts)}", verdicts)


async def _documents(harness: Harness, run: Run, ours: Service, loop: Loop, figures: Figures) -> None:
    """Compare status with `doc.get()`, and a 304 with a 200, one request at a time."""
    path, headers = f"{API}/{run.run_id}", harness.iap.headers(COMPLETED)
    changed = Request("GET", path, headers)
    unchanged = Request("GET", path, {**headers, "If-None-Match": "*"}, status=304)
    documents = await loop("document", run.run_id, REQUESTS[1])
    # Alternating requests: the difference is smaller than the fluctuation of the machine from second to second.
    both = await ours.load([changed, unchanged], count=2 * REQUESTS[1], concurrency=1)
    status, not_modified = (percentile(both.latencies[start::2], 0.5) for start in (0, 1))
    figures.compare("status p50 / doc.get() p50", ("status", status), ("doc.get()", percentile(documents, 0.5)))
    figures.compare("304 p50 / 200 p50", ("304", not_modified), ("200", status))


async def _compare_with_peer(
    harness: Harness, completed: Sequence[Run], ours: Service, peer: Service, figures: Figures
) -> None:
    headers = harness.iap.headers(COMPLETED)
    requests = [Request("GET", f"{API}/{run.run_id}", headers) for run in completed[:20]]
    for concurrency, count in REQUESTS.items():
        rates, cpu = [], []
        for name, service in (("status", ours), ("peer", peer)):
            before = service.cpu_seconds()
            responses = await service.load(requests, count=count, concurrency=concurrency)
            cpu.append((f"{name} CPU {concurrency}", 1000 * (service.cpu_seconds() - before) / count))
            rates.append((f"{name}/s {concurrency}", responses.per_second))
            p50, p99 = (percentile(responses.latencies, share) for share in (0.5, 0.99))
            figures.compare(
                f"{name} p99 / p50 {concurrency}",
                (f"{name} p99 {concurrency}", p99),
                (f"{name} p50 {concurrency}", p50),
            )
            figures.add(f"generator CPU {concurrency}", 1000 * responses.cpu_seconds / count)
        figures.compare(f"throughput {concurrency}", *rates)
        figures.compare(f"CPU {concurrency}", *cpu)


async def _lists(harness: Harness, lists: Service, loop: Loop, figures: Figures) -> None:
    """Compare a page of completed runs and a page of pending runs with a plain query, which also fetches the outcomes."""
    for owner, state in ((COMPLETED, "completed"), (PENDING, "pending")):
        plain = await loop("query", owner, LISTS)
        page = Request("GET", f"{API}?page_size=20", harness.iap.headers(owner))
        ours = await lists.load([page], count=LISTS, concurrency=1)
        pair = (f"list, {state}", percentile(ours.latencies, 0.5)), (f"query, {state}", percentile(plain, 0.5))
        figures.compare(f"list / query, {state}", *pair)


@asynccontextmanager
async def _loops(harness: Harness) -> AsyncIterator[Loop]:
    """Yield a function that runs a loop with Firestore's own client and returns the seconds of each call."""
    command, pipe = harness.firestore_loops(), asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command.arguments, cwd=command.folder, env=dict(command.environment), stdin=pipe, stdout=pipe
    )
    requests, output = process.stdin, process.stdout
    assert requests is not None
    assert output is not None

    async def loop(kind: str, target: str, count: int) -> list[float]:
        requests.write(f"{kind} {target} {count}\n".encode())
        seconds: list[float] = json.loads(await output.readuntil())
        return seconds

    try:
        yield loop
    finally:
        requests.close()
        await process.wait()


def _questions(harness: Harness) -> list[Request]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        questions = [row["question"] for row in rows if len(row["question"]) >= 10]  # the minimum of the API
    path, headers = f"{API}/validate-control-strategy", harness.iap.headers(COMPLETED)
    return [Request("POST", path, headers, json.dumps({"query": question}).encode()) for question in questions]


def _section(figures: Figures) -> Section:
    names = ("doc.get()", "status", "304", "query, completed", "list, completed", "query, pending", "list, pending")
    medians = "; ".join(f"{name} {figures[name]:.2f}" for name in (*names, "validate p50"))
    loads = table(
        (
            "concurrency",
            "requests/s",
            "peer",
            "p50, ms",
            "p99",
            "peer p50",
            "peer p99",
            "CPU, ms/request",
            "peer",
            "generator",
        ),
        [
            (
                str(each),
                *(f"{figures[f'{name}/s {each}']:.0f}" for name in ("status", "peer")),
                *(
                    f"{figures[f'{name} {share} {each}']:.2f}"
                    for name in ("status", "peer")
                    for share in ("p50", "p99")
                ),
                *(f"{figures[f'{name} CPU {each}']:.2f}" for name in ("status", "peer", "generator")),
            )
            for each in REQUESTS
        ],
        text_columns=0,
    )
    verdicts = (
        Verdict("status / `doc.get()` p50", figures["status p50 / doc.get() p50"], 0.95),
        *(
            Verdict(f"requests/s / peer at concurrency {each}", figures[f"throughput {each}"], bar, at_least=True)
            for each, bar in THROUGHPUT.items()
        ),
        Verdict("CPU per request / peer at concurrency 8", figures["CPU 8"], 0.65),
        Verdict("p99 / p50 at concurrency 8", figures["status p99 / p50 8"], 3),
        Verdict("list / plain query p50, completed runs", figures["list / query, completed"], 0.65),
        Verdict("list / plain query p50, pending runs", figures["list / query, pending"], 0.65),
        Verdict("304 / 200 p50", figures["304 p50 / 200 p50"], 1),
        Verdict("validate p95, ms", figures["validate p95"], 5),
    )
    return Section(
        "warm", f"One request at a time, p50 in ms: {medians}.\n\n{loads}\n\n{verdict_table(verdicts)}", verdicts
    )
