"""How much one user who waits with many requests slows down the lists of another.

    python -m tools.benchmarks.fairness [--waits 800] [--seconds 10] [--rounds 3]

Both use the local service, whose single process serves all functions; in production each function has its own. The waiting user's clients
pause as `Retry-After` asks, and ask again. The same load is measured without limits. The exit code is 2 if the bar is missed.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.report import Section, Verdict, progress, table

API: Final = "/api/v1/runs"
ONE, OTHER = "mallory@example.com", "ada@example.com"
LISTED: Final = 20
# Pause of the listing user between two lists.
THINK_SECONDS: Final = 0.05
# Until all connections of the waiting user are open and their first requests are answered.
SETTLE_SECONDS: Final = 3.0
# Upper bound of the median of a list while the other user waits, in multiples of the quiet one.
BAR: Final = 2.0
NO_LIMITS: Final = {"MAX_WAITING_REQUESTS": "0", "MAX_REQUESTS_PER_MINUTE": "0"}
HEADER: Final = re.compile(rb"^(etag|retry-after|content-length): *(.*?)\r$", re.IGNORECASE | re.MULTILINE)


class Answer(NamedTuple):
    """Status and some headers of a response, by their names in lower case."""

    status: int
    headers: Mapping[str, str]


class Client:
    """One connection of a user."""

    def __init__(self, user: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._user, self._reader, self._writer = user, reader, writer

    async def get(self, path: str, **headers: str) -> Answer:
        """Send a request, and return its answer."""
        sent = {"Host": "benchmark", "X-Goog-Authenticated-User-Email": self._user, **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = {name.decode().lower(): value.decode() for name, value in HEADER.findall(head)}
        await self._reader.readexactly(int(found.get("content-length", 0)))
        return Answer(int(head[9:12]), found)


class Figures(NamedTuple):
    """Medians of a list in milliseconds, and the answers to the waiting user."""

    quiet: float
    loaded: float
    answers: Counter[int]


async def measure(waits: int, seconds: float, rounds: int) -> Section:
    """Measure with the limits of production, and without limits."""
    rows, ratios = [], []
    for name, settings in (("limits of production", {}), ("no limits", NO_LIMITS)):
        with tempfile.TemporaryDirectory(prefix="haystack_benchmarks_") as folder:
            path = await _fill(Path(folder))
            async with _service(Path(folder), settings) as address:
                found = [await _round(address, path, waits, seconds) for _ in progress(name, rounds)]
        quiet, loaded = (statistics.median(each) for each in list(zip(*found, strict=True))[:2])
        ratios.append(statistics.median(each.loaded / each.quiet for each in found))
        answers = sum((each.answers for each in found), Counter())
        refused = answers[429] / max(1, answers.total())
        rows.append([name, f"{quiet:.1f}", f"{loaded:.1f}", f"{ratios[-1]:.2f}", f"{refused:.0%}"])
    columns = (f"{waits} waits of one user", "quiet list, ms", "list meanwhile, ms", "ratio", "waits refused")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    content = f"{table(columns, rows)}\n\nMedians of {rounds} rounds; load at the end {load}."
    return Section("fairness", content, [Verdict("list meanwhile / quiet list", ratios[0], BAR)])


async def _fill(folder: Path) -> str:
    """Store runs of both users; return the path of the one that the waiting user waits for."""
    database = SqliteDatabase(folder / "runs.db")
    store, chance = SqliteRunStore(database), random.SystemRandom()
    for number in range(LISTED):
        await store.create(runs.owned(runs.completed(), OTHER, number, chance))
    waited = runs.owned(runs.pending(), ONE, 0, chance)
    await store.create(waited)
    await database.close()
    return f"{API}/{waited.run_id}"


@asynccontextmanager
async def _service(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[str]:
    """Run the local service, and yield its `host:port`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "up", "--port", "0", "--data-dir", str(folder)),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while not (line := (await process.stdout.readline()).decode()).startswith("ready: "):
            if not line:
                raise RuntimeError("the local service did not start")
        yield urlsplit(line.split()[1]).netloc
    finally:
        process.terminate()
        await process.communicate()


async def _round(address: str, path: str, waits: int, seconds: float) -> Figures:
    """Measure lists without and with the waiting user."""
    listing, answers = await _connect(address, OTHER), Counter[int]()
    await _list(listing, 1.0)
    quiet = await _list(listing, seconds)
    waiting = [asyncio.create_task(_wait(address, path, answers)) for _ in range(waits)]
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        loaded = await _list(listing, seconds)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(SETTLE_SECONDS)
    return Figures(quiet, loaded, answers)


async def _connect(address: str, user: str) -> Client:
    host, _, port = address.partition(":")
    return Client(user, *await asyncio.open_connection(host, int(port)))


async def _list(client: Client, seconds: float) -> float:
    """List for so many seconds, and return the median time in milliseconds."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        answer = await client.get(f"{API}?page_size={LISTED}")
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"a list of {OTHER} got {answer.status}")
        await asyncio.sleep(THINK_SECONDS)
    return 1000 * statistics.median(times)


async def _wait(address: str, path: str, answers: Counter[int]) -> None:
    """Send waiting requests for the run, one after another; repeat a refused one after its pause."""
    client, etag = await _connect(address, ONE), ""
    while True:
        answer = await client.get(f"{path}?wait=30", **({"If-None-Match": etag} if etag else {}))
        answers[answer.status] += 1
        etag = answer.headers.get("etag", etag)
        await asyncio.sleep(float(answer.headers["retry-after"]) if answer.status == 429 else 0)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.fairness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--waits", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    section = asyncio.run(measure(options.waits, options.seconds, options.rounds))
    print(section.text)
    raise SystemExit(0 if all(verdict.holds for verdict in section.verdicts) else 2)


if __name__ == "__main__":
    main()
