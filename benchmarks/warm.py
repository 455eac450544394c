"""How fast warm services answer, and at what cost: `python -m benchmarks.warm [ROUNDS]`.

In each round both sides of a comparison are measured, one right after the other. A ratio is the median of the rounds' ratios, so that what
else the machine does meanwhile meets both sides alike. The load comes from a process of its own (`benchmarks/load.py`).
"""

import asyncio
import csv
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import made_runs
from benchmarks.load import Answers, load
from benchmarks.section import Section
from benchmarks.server import Command, Request, Service, running
from benchmarks.stand import Stand, standing
from benchmarks.verdicts import Verdict, table
from shared.runs.records import Run

ROUNDS: Final = 9
OWNER: Final = "grace@example.com"
"""Whose runs are asked for, all completed: nobody of the other benchmarks, so that a page is the same whatever ran before."""
WAITING: Final = "mary@example.com"
"""Whose runs are all pending."""
AMONG: Final = 200
"""Runs of each of them, and as many of others."""
CALLS: Final = {1: 200, 8: 400, 32: 600}
"""Requests a round, by concurrency."""
LISTS: Final = 30
THROUGHPUT: Final = {1: 1.3, 8: 1.6, 32: 1.8}
"""Bars: how many times as many requests a second as the peer's, by concurrency."""
QUESTIONS: Final = Path("tests/shared/resolver/blind_questions.tsv")
RUNS: Final = "/api/v1/runs"
Loop = Callable[[str, str, int], Awaitable[list[float]]]


@dataclass
class Figures:
    """What the rounds found: milliseconds, requests a second or megabytes by name; and ratios by name."""

    values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ratios: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, name: str) -> float:
        """The median of a figure."""
        return statistics.median(self.values[name])

    def compare(self, ratio: str, ours: tuple[str, float], theirs: tuple[str, float]) -> None:
        """Take in two figures, each with its name, and their ratio."""
        for name, value in (ours, theirs):
            self.values[name].append(value)
        self.ratios[ratio].append(ours[1] / theirs[1])

    def ratio(self, name: str) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios[name])


async def measure(stand: Stand, rounds: int = ROUNDS) -> Section:
    """Status against the client's own loop and against the peer; list against the plain query; validate alone."""
    finished = [await stand.keep(made_runs.completed(), owner=OWNER, number=number) for number in range(AMONG)]
    for number in range(AMONG):
        await stand.keep(made_runs.completed(), owner="eve@example.com", number=number)
        await stand.keep(made_runs.waiting(), owner=WAITING, number=number)
    figures = Figures()
    async with AsyncExitStack() as stack:

        async def start(command: Command, request: Request) -> Service:
            return await stack.enter_async_context(running(command, request, stand.log))

        # Every service answers well before anything is measured, and the two sides the same.
        status, page = (Request("GET", path, stand.headers(OWNER)) for path in (f"{RUNS}/{finished[0].run_id}", RUNS))
        ours, peer = await start(stand.function("status"), status), await start(stand.peer(), status)
        lists = await start(stand.function("list"), page)
        validate = await start(stand.function("validate"), _questions(stand)[0])
        loop = await stack.enter_async_context(_looping(stand))
        if ours.body != peer.body:
            raise RuntimeError(f"the peer answers something else:\n{ours.body!r}\n{peer.body!r}")
        for number in range(-1, rounds):
            found = Figures() if number < 0 else figures  # the first round warms up
            await _documents(stand, finished, ours, loop, found)
            await _against_the_peer(stand, finished, ours, peer, found)
            await _lists(stand, lists, loop, found)
            answers = await load(validate, _questions(stand), count=300, concurrency=1)
            found.values["validate p50"].append(_p(answers.latencies, 0.5))
            found.values["validate p95"].append(_p(answers.latencies, 0.95))
    return _section(figures)


async def _documents(stand: Stand, finished: Sequence[Run], ours: Service, loop: Loop, figures: Figures) -> None:
    """Status against `doc.get()`, and a 304 against a 200, one request at a time."""
    path = f"{RUNS}/{finished[0].run_id}"
    fresh = Request("GET", path, stand.headers(OWNER))
    known = Request("GET", path, {**stand.headers(OWNER), "If-None-Match": "*"}, status=304)
    documents = await loop("document", finished[0].run_id, CALLS[1])
    # In turn with each other, request by request: their difference is smaller than what the machine changes from second to second.
    both = await load(ours, [known, fresh], count=2 * CALLS[1], concurrency=1)
    figures.compare(
        "status p50 / doc.get() p50", ("status", _p(both.latencies[0::2], 0.5)), ("doc.get()", _p(documents, 0.5))
    )
    figures.compare("304 p50 / 200 p50", ("304", _p(both.latencies[1::2], 0.5)), ("200", _p(both.latencies[0::2], 0.5)))


async def _against_the_peer(
    stand: Stand, finished: Sequence[Run], ours: Service, peer: Service, figures: Figures
) -> None:
    requests = [Request("GET", f"{RUNS}/{run.run_id}", stand.headers(OWNER)) for run in finished[:20]]
    for concurrency, count in CALLS.items():
        found: dict[str, Answers] = {}
        cpu: dict[str, float] = {}
        for name, service in (("status", ours), ("peer", peer)):
            before = service.cpu_seconds()
            found[name] = await load(service, requests, count=count, concurrency=concurrency)
            cpu[name] = 1000 * (service.cpu_seconds() - before) / count
        mine, theirs = found["status"], found["peer"]
        at = f"at {concurrency}"
        figures.compare(f"throughput {at}", (f"status/s {at}", mine.per_second), (f"peer/s {at}", theirs.per_second))
        figures.compare(f"cpu {at}", (f"status CPU ms {at}", cpu["status"]), (f"peer CPU ms {at}", cpu["peer"]))
        for name, answers in found.items():
            for share in (0.5, 0.99):
                figures.values[f"{name} p{100 * share:.0f} {at}"].append(_p(answers.latencies, share))
        figures.ratios[f"p99 / p50 {at}"].append(_p(mine.latencies, 0.99) / _p(mine.latencies, 0.5))
        figures.values[f"generator CPU ms {at}"].append(1000 * mine.cpu_seconds / count)


async def _lists(stand: Stand, lists: Service, loop: Loop, figures: Figures) -> None:
    """A page of finished runs, whose outcomes the plain query fetches too, and one of runs that have none yet."""
    for owner, of in ((OWNER, "finished"), (WAITING, "pending")):
        plain = await loop("query", owner, LISTS)
        page = Request("GET", f"{RUNS}?page_size=20", stand.headers(owner))
        ours = await load(lists, [page], count=LISTS, concurrency=1)
        pair = (f"list of {of} runs", _p(ours.latencies, 0.5)), (f"plain query of {of} runs", _p(plain, 0.5))
        figures.compare(f"list of {of} runs", *pair)


@asynccontextmanager
async def _looping(stand: Stand) -> AsyncIterator[Loop]:
    """Firestore's own client: asked for a loop by its kind, its object and a count, it gives the seconds of each call."""
    command, pipe = stand.loops(), asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command.arguments, cwd=command.folder, env=dict(command.environment), stdin=pipe, stdout=pipe
    )
    asked, told = process.stdin, process.stdout
    assert asked is not None
    assert told is not None

    async def loop(what: str, whose: str, count: int) -> list[float]:
        asked.write(f"{what} {whose} {count}\n".encode())
        seconds: list[float] = json.loads(await told.readuntil())
        return seconds

    try:
        yield loop
    finally:
        asked.close()
        await process.wait()


def _questions(stand: Stand) -> list[Request]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        asked = [row["question"] for row in rows if len(row["question"]) >= 10]  # as the contract has it
    path, headers = f"{RUNS}/validate-control-strategy", stand.headers(OWNER)
    return [Request("POST", path, headers, json.dumps({"query": question}).encode()) for question in asked]


def _p(seconds: Sequence[float], share: float) -> float:
    """A percentile, in milliseconds."""
    return 1000 * sorted(seconds)[int(share * (len(seconds) - 1))]


def _section(figures: Figures) -> Section:
    value, ratio = figures.median, figures.ratio
    single = ["| one request at a time | p50 |", "|--|--:|"]
    single += [
        f"| {name} | {value(name):.2f} ms |"
        for name in (
            "doc.get()",
            "status",
            "200",
            "304",
            "plain query of finished runs",
            "list of finished runs",
            "plain query of pending runs",
            "list of pending runs",
        )
    ]
    single += [f"| validate | {value('validate p50'):.2f} ms, p95 {value('validate p95'):.2f} ms |"]
    load_lines = [
        "| status at concurrency | requests/s | peer | p50 | p99 | peer p50 | peer p99 | CPU a request | peer | generator |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for each in CALLS:
        at = f"at {each}"
        load_lines.append(
            f"| {each} | {value(f'status/s {at}'):.0f} | {value(f'peer/s {at}'):.0f} "
            f"| {value(f'status p50 {at}'):.2f} ms | {value(f'status p99 {at}'):.2f} ms "
            f"| {value(f'peer p50 {at}'):.2f} ms | {value(f'peer p99 {at}'):.2f} ms "
            f"| {value(f'status CPU ms {at}'):.2f} ms | {value(f'peer CPU ms {at}'):.2f} ms "
            f"| {value(f'generator CPU ms {at}'):.2f} ms |"
        )
    verdicts = [Verdict("status p50 / `doc.get()` p50", ratio("status p50 / doc.get() p50"), 0.95)]
    verdicts += [
        Verdict(f"requests/s {each} at a time / peer", ratio(f"throughput at {each}"), bar, at_least=True)
        for each, bar in THROUGHPUT.items()
    ]
    verdicts += [
        Verdict("CPU a request / peer, 8 at a time", ratio("cpu at 8"), 0.65),
        Verdict("p99 / p50, 8 at a time", ratio("p99 / p50 at 8"), 3),
        *(
            Verdict(f"list of 20 {of} runs with count p50 / plain query p50", ratio(f"list of {of} runs"), 0.65)
            for of in ("finished", "pending")
        ),
        Verdict("304 p50 / 200 p50", ratio("304 p50 / 200 p50"), 1),
        Verdict("validate p95, ms", value("validate p95"), 5),
    ]
    text = "\n\n".join(["\n".join(single), "\n".join(load_lines), table(verdicts)])
    return Section("warm", text, tuple(verdicts))


async def main() -> None:
    """Measure and print."""
    async with standing() as stand:
        print((await measure(stand, int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)).text)


if __name__ == "__main__":
    asyncio.run(main())
