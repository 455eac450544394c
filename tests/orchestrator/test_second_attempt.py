"""A run that loses its machine starts over, and delivers what one machine would have delivered."""

import json
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ingest.build import ingest
from orchestrator.main import Exit, Ports, run_job
from shared.runs.jobs import JobState
from shared.runs.ports import RunStore
from shared.runs.records import Run
from shared.runs.states import Phase, RunState
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore
from tests.support.builders import make_reconciler
from tests.support.fakes import FakeBatch
from tests.support.orchestrator import small_atlas
from tests.support.orchestrator.delivered import delivered
from tests.support.orchestrator.jobs import settings, start, wait_for_line
from tests.support.orchestrator.world import FolderFiles, MemoryRuns, World

AnswerFrom = Callable[..., World]
Clock = Callable[[], datetime]

CONDITIONS = {"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)}
LIMITS = {"score_threshold": 10, "max_iterations": 3}
PREEMPTED = 50001
ITERATION_PHASES = {Phase.PROMPT_GENERATION, Phase.INFERENCE, Phase.EVALUATION}


class MachineLost(BaseException):
    """The process ends here, without any further write."""


def lost_at(phase: Phase, iteration: int) -> Callable[[Run], Run]:
    """Lose the machine at the first write after the beginning of this phase."""

    def lose(run: Run) -> Run:
        if (run.current_phase, run.current_iteration) == (phase, iteration):
            raise MachineLost
        return run

    return lose


async def second_attempt(run_id: str, store: RunStore, batch: FakeBatch, clock: Clock) -> None:
    """Report the loss of the machine by Batch; the reconciler submits another job."""
    run = await store.get(run_id)
    assert run is not None
    batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(PREEMPTED,))
    run = await make_reconciler(store, batch, clock).reconcile(run)
    assert (run.status, run.compute.attempt) == (RunState.RUNNING, 2)


def predicted_iterations(log: str) -> list[int]:
    """Return the iterations whose prediction began, in order, from the job's log lines."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line["iteration"] for line in lines if line.get("phase") == "inference"]


@pytest.fixture(scope="module")
def cache() -> dict[str, Any]:
    """Holds the result of an undisturbed run for `expected`."""
    return {}


@pytest.fixture
async def expected(cache: dict[str, Any], answer_from: AnswerFrom) -> dict[str, Any]:
    """What a run delivers that does not lose its machine."""
    if not cache:
        here = answer_from(CONDITIONS, **LIMITS)
        assert await run_job(here.run_id, here.ports) is Exit.DONE
        cache |= delivered(here)
    return cache


@pytest.mark.parametrize(
    ("phase", "iteration"), [(Phase.INFERENCE, 1), (Phase.EVALUATION, 2), (Phase.OUTPUT_GENERATION, 3)]
)
async def test_a_second_attempt_starts_over_and_delivers_the_same(
    *,
    phase: Phase,
    iteration: int,
    expected: dict[str, Any],
    answer_from: AnswerFrom,
    batch: FakeBatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = answer_from(CONDITIONS, **LIMITS)
    here.store.before = lost_at(phase, iteration)
    with pytest.raises(MachineLost):
        await run_job(here.run_id, here.ports)
    here.store.before = lambda run: run
    await second_attempt(here.run_id, here.store, batch, here.ports.clock)
    assert (here.run.iterations, here.run.current_phase) == ([], None)
    stored: list[tuple[Phase | None, int, int]] = []

    def observe(run: Run) -> Run:
        stored.append((run.current_phase, run.current_iteration, len(run.iterations)))
        return run

    here.store.before = observe
    capsys.readouterr()
    assert await run_job(here.run_id, here.ports, attempt=2) is Exit.DONE
    assert predicted_iterations(capsys.readouterr().err) == [1, 2, 3]
    assert [each.number for each in here.run.iterations] == [1, 2, 3]
    within = [(current, finished) for phase, current, finished in stored if phase in ITERATION_PHASES]
    assert all(finished == current - 1 for current, finished in within), "an iteration of the first attempt is visible"
    assert delivered(here) == expected


async def test_a_killed_process_is_followed_by_one_that_starts_over(
    *,
    tmp_path: Path,
    sqlite: SqliteDatabase,
    expected: dict[str, Any],
    make_run: Callable[..., Run],
    batch: FakeBatch,
    ticking: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small_atlas.write(tmp_path / "cells.h5ad", CONDITIONS)
    entry = ingest("small", tmp_path / "cells.h5ad", tmp_path)
    store, catalog = SqliteRunStore(sqlite), SqliteCatalog(sqlite)
    run = make_run("How would CD14 monocytes respond to IFN-beta?", **LIMITS)
    await store.create(run)
    await catalog.put(entry)
    job = await start(settings(tmp_path, tmp_path) | {"RUN_ID": run.run_id})
    await wait_for_line(job, '"inference", "iteration": 2')
    job.send_signal(signal.SIGKILL)
    assert await job.wait() == -signal.SIGKILL
    await second_attempt(run.run_id, store, batch, ticking)
    ports = Ports(store, catalog, FolderFiles(tmp_path), ticking, tmp_path)
    assert await run_job(run.run_id, ports, attempt=2) is Exit.DONE
    assert predicted_iterations(capsys.readouterr().err) == [1, 2, 3]
    done = await store.get(run.run_id)
    assert done is not None
    assert [each.number for each in done.iterations] == [1, 2, 3]
    assert delivered(World(ports, MemoryRuns({run.run_id: done}), tmp_path, run.run_id)) == expected
