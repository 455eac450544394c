"""Latency of lists by the number of stored runs, on SQLite.

One database has users with different numbers of runs among the runs of other users. Each of these users in turn requests the
first page, the middle page by token and by number, and the count. The figures are medians.

The Firestore emulator cannot show this: it scans the whole collection for each query, where Firestore walks an index.
`tests/functions/test_operations.py` counts the reads that Firestore bills.
"""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from shared.fields import rfc3339
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunSummary
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tools.benchmarks import runs
from tools.benchmarks.report import Section, Verdict, table

USERS: Final = (1_000, 10_000, 100_000)
OTHERS: Final = 100_000
ROUNDS: Final = 201
PAGE: Final = 20
# Upper bound of the time for the most runs, in multiples of the time for the fewest.
FLAT: Final = 1.2
INSERT: Final = "insert into runs (run_id, user_email, status, created_at, check_at, body) values (?, ?, ?, ?, ?, ?)"
FLAT_REQUESTS: Final = ("first page", "middle page by token")
Send = Callable[[], Awaitable[Sequence[RunSummary] | int]]


async def measure(scratch: Path, rounds: int = ROUNDS) -> Section:
    """Fill a database and measure the requests."""
    database = SqliteDatabase(scratch / "growth.db")
    await _fill(database)
    found = await _medians(SqliteRunStore(database), rounds)
    await database.close()
    verdicts = [
        Verdict(f"{name}: slowest / fewest runs", max(found[name].values()) / found[name][min(USERS)], FLAT)
        for name in FLAT_REQUESTS
    ]
    columns = (f"SQLite, ms, among {OTHERS:,} runs of others", *(f"{count:,} runs" for count in USERS))
    rows = [(name, *(f"{time:.1f}" for time in times.values())) for name, times in found.items()]
    return Section("growth", table(columns, rows), verdicts)


def _owner(count: int) -> str:
    return f"user-of-{count}@example.com"


async def _fill(database: SqliteDatabase) -> None:
    rng = random.Random(0)  # noqa: S311  # shuffles runs
    owners = [_owner(count) for count in USERS for _ in range(count)]
    owners += [f"other-{number % 500}@example.com" for number in range(OTHERS)]
    rng.shuffle(owners)
    template = runs.completed()
    rows = (_row(runs.owned(template, owner, number, rng)) for number, owner in enumerate(owners))
    await database.write(lambda connection: connection.executemany(INSERT, rows))


def _row(run: Run) -> tuple[str | None, ...]:
    return run.run_id, run.owner, run.status.value, rfc3339(run.created_at), None, run.model_dump_json()


async def _medians(store: SqliteRunStore, rounds: int) -> Mapping[str, Mapping[int, float]]:
    """Return medians in ms by request and number of runs; users take turns, so that other load affects all alike."""
    requests = {count: await _requests(store, count) for count in USERS}
    times: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(-1, rounds):
        for count, named in requests.items():
            for name, send in named.items():
                started = time.perf_counter()
                await send()
                if number >= 0:  # the first round warms up
                    times[name][count].append(1000 * (time.perf_counter() - started))
    return {name: {count: statistics.median(each) for count, each in of.items()} for name, of in times.items()}


async def _requests(store: SqliteRunStore, count: int) -> Mapping[str, Send]:
    """Return the named requests of the user with so many runs."""
    own, middle = RunFilter((_owner(count),)), count // 2
    (before,) = await store.page(own, limit=1, offset=middle - 1)
    cursor = Cursor(before.created_at, before.run_id)
    return {
        "first page": lambda: store.page(own, limit=PAGE),
        "middle page by token": lambda: store.page(own, limit=PAGE, after=cursor),
        "middle page by `page=`": lambda: store.page(own, limit=PAGE, offset=middle),
        "count": lambda: store.count(own),
    }
