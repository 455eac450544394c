"""How many waiting runs one sweep can see to: `python -m benchmarks.sweep_rate`.

The real sweep on the SQLite store; Batch is a fake that answers as late as the real one is assumed to, and so is the store.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.auth.identity import Caller
from shared.runs import reconciler, submission
from shared.runs.jobs import JobReport
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.fakes import FakeBatch, TestClock

BATCH_SECONDS: Final = 0.08
STORE_SECONDS: Final = 0.01
WAITING: Final = (400, 1000, 2000)
QUESTION: Final = CreateRunRequest(query="How would CD14 monocytes respond to IFN-gamma?")


class LateBatch(FakeBatch):
    """Batch, one round trip away."""

    async def describe(self, job_id: str) -> JobReport | None:
        """See `BatchJobs.describe`."""
        await asyncio.sleep(BATCH_SECONDS)
        return await super().describe(job_id)


class LateStore(SqliteRunStore):
    """The store, one round trip away."""

    async def due(self, now: datetime, *, limit: int) -> list[Run]:
        """See `RunStore.due`."""
        await asyncio.sleep(STORE_SECONDS)
        return list(await super().due(now, limit=limit))

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        """See `RunStore.update`: a read and a write."""
        await asyncio.sleep(2 * STORE_SECONDS)
        return await super().update(run_id, change)


async def measure(waiting: int) -> tuple[int, float]:
    """How many of so many waiting runs a sweep looks at, and in how many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        database, jobs, clock = SqliteDatabase(Path(folder) / "runs.db"), LateBatch(), TestClock()
        plain, late = SqliteRunStore(database), LateStore(database)
        for number in range(waiting):
            await submission.create(
                QUESTION, Caller(f"{number}@example.com"), max_active_runs=0, store=plain, jobs=jobs, clock=clock
            )
        clock.move(minutes=3)
        started = time.perf_counter()
        report = await reconciler.sweep(max_run_seconds=3600, store=late, jobs=jobs, clock=clock)
        seconds = time.perf_counter() - started
        await database.close()
    return report.looked_at, seconds


def main() -> None:
    """Print the table of `docs/scale.md`."""
    print("| runs that wait | looked at | seconds |\n|---|---|---|")
    for waiting in WAITING:
        looked_at, seconds = asyncio.run(measure(waiting))
        print(f"| {waiting:,} | {looked_at:,} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
