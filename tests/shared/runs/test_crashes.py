"""Crash matrix at the ports: any call of any operation may fail or be the last of its process, and the invariants still hold."""

import asyncio
import itertools
from pathlib import Path

import pytest

from shared.errors import HaystackError
from shared.runs import lifecycle
from shared.runs.records import Run
from shared.runs.states import RunState
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA
from tests.support.fakes import FakeBatch
from tests.support.faults import Fault, How, When
from tests.support.invariants import ENDS, Operation, World, create_with_a_key_and_retry_it, live_through


async def run_with(operation: Operation, fault: Fault, path: Path) -> World:
    """Run an operation with a fault, let the world settle, and check the invariants."""
    database = SqliteDatabase(path)
    world = World(SqliteRunStore(database), FakeBatch())
    store, jobs = fault.wrap(world.store, "The run store"), fault.wrap(world.batch, "Batch")
    await live_through(operation, world, store, jobs)
    await database.close()
    return world


@pytest.mark.parametrize("operation", ENDS)
async def test_the_law_holds_whichever_call_fails_or_is_the_last(operation: Operation, tmp_path: Path) -> None:
    clean = Fault()
    await run_with(operation, clean, tmp_path / "clean.db")
    points = range(len(clean.calls))
    assert points
    for at, when, how in itertools.product(points, When, How):
        await run_with(operation, Fault(at, when, how), tmp_path / f"{at}-{when.name}-{how.name}.db")
    print(f"{len(points)} fault points x {len(When) * len(How)} faults at the ports")  # noqa: T201  # `pytest -rP` shows it


async def test_a_keyed_create_is_one_run_whatever_its_first_try_met(tmp_path: Path) -> None:
    clean = Fault()
    await run_with(create_with_a_key_and_retry_it, clean, tmp_path / "clean.db")
    for at, when, how in itertools.product(range(len(clean.calls)), When, How):
        path = tmp_path / f"{at}-{when.name}-{how.name}.db"
        world = await run_with(create_with_a_key_and_retry_it, Fault(at, when, how), path)
        assert len(world.finished) == 1


async def test_a_cancel_that_was_answered_holds_against_a_job_that_finishes_at_the_same_time(tmp_path: Path) -> None:
    for number in range(20):
        database = SqliteDatabase(tmp_path / f"{number}.db")
        world = World(SqliteRunStore(database), FakeBatch())
        run = await world.submitted()

        async def cancel(world: World = world, run: Run = run, turns: int = number) -> bool:
            for _ in range(turns):
                await asyncio.sleep(0)
            try:
                await lifecycle.cancel(run.run_id, ADA, store=world.store, jobs=world.batch, clock=world.clock)
            except HaystackError:
                return False
            return True

        cancelled, _ = await asyncio.gather(cancel(), world.do_job(run.compute.job_id, world.store))
        (settled,) = await world.settle()
        world.check([settled])
        assert settled.status is (RunState.CANCELLED if cancelled else RunState.COMPLETED)
        await database.close()
