"""How lists grow with what is kept: `python -m benchmarks.growth [--sqlite RUNS ...] [--sqlite-others RUNS] [--firestore RUNS ...]`.

One database holds users with so many runs each, mixed among the runs of others. In turn, each of these users asks for the first page, for
the middle one by token and by number, and for the count. Told are medians in milliseconds, and what Firestore bills, taken from the wire.

SQLite meets the bar of latency. The emulator cannot: for each query it looks at every document of the collection, whosever it is, so
that its latency says nothing of Firestore, which walks an index (`tests/functions/test_operations.py` holds each query to have one).
There, what is billed must be flat.
"""

import argparse
import asyncio
import math
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore

from benchmarks import made_runs
from benchmarks.section import Section
from benchmarks.verdicts import Verdict
from benchmarks.verdicts import table as verdict_table
from local import firestore_emulator
from local.firestore_emulator import FirestoreEmulator
from shared.fields import rfc3339
from shared.runs.ports import Cursor, RunFilter, RunStore
from shared.runs.records import Run, RunSummary
from tests.firestore_recorder import Recorder

T = TypeVar("T")
Ask = Callable[[], Awaitable[Sequence[RunSummary] | int]]
Fill = Callable[[Iterable[Run]], Awaitable[None]]

PAGE: Final = 20
FLAT: Final = 1.2
TOKEN, OFFSET = "middle page by token", "middle page by `page=`"
ENTRIES_A_READ: Final = 1000
"""Index entries that a count gets for the price of one read."""
PATIENCE: Final = 120.0
"""Seconds for a call: with 100,000 runs the emulator needs some for each query."""
ROWS_AT_ONCE, CREATES_AT_ONCE = 2_500, 64


@dataclass(frozen=True)
class Size:
    """How much is measured: the users' runs, the runs of others, and how often each question is asked."""

    users: tuple[int, ...]
    others: int
    rounds: int


SQLITE: Final = Size((1_000, 10_000, 100_000), others=100_000, rounds=201)
FIRESTORE: Final = Size((1_000, 10_000), others=2_000, rounds=9)


@dataclass(frozen=True)
class Grown:
    """What each question took and, on Firestore, what it bills; by the number of the asker's runs.

    `alone` is what the smallest user waited before anybody else had runs.
    """

    size: Size
    alone: Mapping[str, float]
    milliseconds: Mapping[str, Mapping[int, float]]
    reads: Mapping[str, Mapping[int, int]]


async def on_sqlite(size: Size, folder: Path) -> Grown:
    """Measure on a database file in a folder."""
    database = SqliteDatabase(folder / "growth.db")

    async def fill(runs: Iterable[Run]) -> None:
        rows = (
            (run.run_id, run.user_email, run.status.value, rfc3339(run.created_at), None, run.model_dump_json())
            for run in runs
        )
        into = "insert into runs (run_id, user_email, status, created_at, check_at, body) values (?, ?, ?, ?, ?, ?)"
        while some := list(islice(rows, ROWS_AT_ONCE)):
            await database.write(lambda connection, some=some: connection.executemany(into, some))  # type: ignore[misc]  # mypy knows no default

    grown = await _grow(SqliteRunStore(database), fill, made_runs.completed(), size)
    await database.close()
    return grown


async def on_firestore(size: Size, folder: Path, heap: str) -> Grown:
    """Measure on the emulator.

    The runs just wait: in the emulator a completed one takes 180 kB of memory, and what is billed does not depend on it.
    """
    async with _emulator(folder, heap) as (direct, recorder, watched):

        async def fill(runs: Iterable[Run]) -> None:
            left = iter(runs)
            while some := list(islice(left, CREATES_AT_ONCE)):
                await asyncio.gather(*(direct.create(run) for run in some))

        grown = await _grow(direct, fill, made_runs.waiting(), size)
        reads: dict[str, dict[int, int]] = {}
        for runs in size.users:
            for name, ask in (await _questions(watched, runs)).items():
                reads.setdefault(name, {})[runs] = await _billed(ask, recorder)
    return replace(grown, reads=reads)


@asynccontextmanager
async def _emulator(folder: Path, heap: str) -> AsyncIterator[tuple[RunStore, Recorder, RunStore]]:
    """A store on an emulator of its own; and the same store through a recorder."""
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise SystemExit(f"no Firestore emulator: {found}")
    emulator = FirestoreEmulator(found, folder / "emulator.log", heap=heap)
    recorder = Recorder(await emulator.start())
    await recorder.start()
    direct, watched = (
        FirestoreDatabase("growth", "(default)", host, deadline=PATIENCE) for host in (emulator.host, recorder.host)
    )
    try:
        yield FirestoreRunStore(direct), recorder, FirestoreRunStore(watched)
    finally:
        await direct.close()
        await watched.close()
        await recorder.stop()
        await emulator.stop()


async def _grow(store: RunStore, fill: Fill, pattern: Run, size: Size) -> Grown:
    chance = random.Random(0)  # noqa: S311  # mixes the runs, no secret
    smallest = min(size.users)
    owners = [_owner(runs) for runs in size.users for _ in range(runs)]
    owners += [f"other-{i % 500}@example.com" for i in range(size.others)]
    chance.shuffle(owners)
    for first in (True, False):
        await fill(
            made_runs.belonging(pattern, owner, number, chance)
            for number, owner in enumerate(owners)
            if (owner == _owner(smallest)) is first
        )
        if first:
            alone = await _waits(store, (smallest,), size.rounds)
    waits = await _waits(store, size.users, size.rounds)
    return Grown(size, {name: of[smallest] for name, of in alone.items()}, waits, {})


def _owner(runs: int) -> str:
    return f"user-of-{runs}@example.com"


async def _questions(store: RunStore, runs: int) -> Mapping[str, Ask]:
    """What the user with so many runs asks."""
    wanted, middle = RunFilter(_owner(runs)), runs // 2
    (before,) = await store.page(wanted, limit=1, offset=middle - 1)
    place = Cursor(before.created_at, before.run_id)
    return {
        "first page": lambda: store.page(wanted, limit=PAGE),
        TOKEN: lambda: store.page(wanted, limit=PAGE, after=place),
        OFFSET: lambda: store.page(wanted, limit=PAGE, offset=middle),
        "count": lambda: store.count(wanted),
    }


async def _waits(store: RunStore, users: Sequence[int], rounds: int) -> dict[str, dict[int, float]]:
    """Medians, with the users taking turns so that what else the machine does hits all alike. The first round is not counted."""
    asked = {runs: await _questions(store, runs) for runs in users}
    took: dict[str, dict[int, list[float]]] = {}
    for _ in range(1 + rounds):
        for runs, questions in asked.items():
            for name, ask in questions.items():
                started = time.perf_counter()
                await ask()
                took.setdefault(name, {}).setdefault(runs, []).append(1000 * (time.perf_counter() - started))
    return {name: {runs: statistics.median(each[1:]) for runs, each in of.items()} for name, of in took.items()}


async def _billed(ask: Ask, recorder: Recorder) -> int:
    """The reads that Firestore bills: documents that came, documents that were skipped, and entries that were counted."""
    recorder.forget()
    answer = await ask()
    skipped = sum(query.offset for query in recorder.queries)
    counted = math.ceil(answer / ENTRIES_A_READ) if isinstance(answer, int) else 0
    return recorder.operations["read"] + skipped + recorder.operations["aggregation"] * counted


def verdicts(sqlite: Grown, firestore: Grown) -> list[Verdict]:
    """The bars: pages are as fast on SQLite, and cost as much on Firestore, however many runs there are."""
    paged = ("first page", TOKEN)
    return [
        *(
            Verdict(f"SQLite, {name}: time of the slowest / of the smallest", _spread(sqlite.milliseconds[name]), FLAT)
            for name in paged
        ),
        *(
            Verdict(f"Firestore, {name}: most reads / of the smallest", _spread(firestore.reads[name]), 1.0)
            for name in paged
        ),
    ]


def _spread(by_runs: Mapping[int, float]) -> float:
    """The most, over that of the smallest user."""
    return max(by_runs.values()) / by_runs[min(by_runs)]


def tables(sqlite: Grown, firestore: Grown) -> str:
    """All that was measured."""
    parts = []
    for title, grown in (("SQLite", sqlite), ("the emulator", firestore)):
        told = [*grown.size.users]
        parts.append(f"{title}, ms; beside the users' own runs, {grown.size.others:,} of others")
        lines = [f"{name} | {grown.alone[name]:.1f} | " + _cells(of, ".1f") for name, of in grown.milliseconds.items()]
        parts.append(_table([f"{min(told):,} runs, nobody else", *(f"{runs:,} runs" for runs in told)], lines))
    parts.append("Firestore, reads billed")
    lines = [f"{name} | " + _cells(of, ",") for name, of in firestore.reads.items()]
    parts.append(_table([f"{runs:,} runs" for runs in firestore.size.users], lines))
    return "\n\n".join(parts)


def _cells(by_runs: Mapping[int, float], form: str) -> str:
    return " | ".join(format(each, form) for each in by_runs.values())


def _table(columns: Sequence[str], lines: Iterable[str]) -> str:
    head = [f"| | {' | '.join(columns)} |", "|--" + "|--:" * len(columns) + "|"]
    return "\n".join([*head, *(f"| {line} |" for line in lines)])


async def measure(sqlite: Size = SQLITE, firestore: Size = FIRESTORE, heap: str = "1g") -> Section:
    """Fill both stores, ask them, and tell what they took."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        found = await on_sqlite(sqlite, Path(folder)), await on_firestore(firestore, Path(folder), heap)
    told = verdicts(*found)
    return Section("growth", f"{tables(*found)}\n\n{verdict_table(told)}", tuple(told))


def main() -> None:
    """Measure, and print the figures and the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    for name, size in (("sqlite", SQLITE), ("firestore", FIRESTORE)):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=size.users, metavar="RUNS")
        parser.add_argument(f"--{name}-others", type=int, default=size.others, metavar="RUNS")
    parser.add_argument("--heap", default="1g", help="of the emulator; 200,000 runs need 6g")
    given = parser.parse_args()
    found = asyncio.run(
        measure(
            Size(tuple(given.sqlite), given.sqlite_others, SQLITE.rounds),
            Size(tuple(given.firestore), given.firestore_others, FIRESTORE.rounds),
            given.heap,
        )
    )
    print(found.text)


if __name__ == "__main__":
    main()
