"""What only SQLite has to take care of: its lock between processes."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.runs.records import Run
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import START, make_run


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    """The same file, as another process opens it."""
    database = SqliteDatabase(tmp_path / "runs.db")
    yield SqliteRunStore(database)
    await database.close()


def count_up(run: Run) -> Run:
    """Change the run."""
    return run.changed(START, current_iteration=run.current_iteration + 1)


async def test_a_change_keeps_other_processes_out_from_the_moment_it_reads(
    sqlite: SqliteDatabase, other: SqliteRunStore
) -> None:
    """Regression: no test noticed a transaction that locks only at its write, and fails if another process wrote after its read."""
    store, run = SqliteRunStore(sqlite), make_run()
    await store.create(run)
    read, rival_wrote = threading.Event(), threading.Event()

    def slowly(old: Run) -> Run:
        read.set()
        rival_wrote.wait(0.5)
        return count_up(old)

    first = asyncio.create_task(store.update(run.run_id, slowly))
    assert await asyncio.to_thread(read.wait, 10)
    second = asyncio.create_task(other.update(run.run_id, count_up))
    second.add_done_callback(lambda _: rival_wrote.set())
    await asyncio.gather(first, second)
    after = await store.get(run.run_id)
    assert after is not None
    assert after.current_iteration == 2
