"""A run that loses its machine goes on where it was: nothing is done twice, and the result is what one machine would have delivered."""

import json
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ingest import ingest
from orchestrator.main import Exit, Ports, run_job
from shared.runs.jobs import JobState
from shared.runs.ports import RunStore
from shared.runs.records import Iteration, Run
from shared.runs.states import Phase, RunState
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore
from tests.orchestrator import small_atlas
from tests.orchestrator.delivered import delivered
from tests.orchestrator.jobs import settings, start, told
from tests.orchestrator.world import FolderFiles, MemoryRuns, World
from tests.support.builders import make_reconciler
from tests.support.fakes import FakeBatch

AnswerFrom = Callable[..., World]
Clock = Callable[[], datetime]

CONDITIONS = {"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)}
LIMITS = {"score_threshold": 10, "max_iterations": 3}
PREEMPTED = 50001


class MachineLost(BaseException):
    """The process ends here; nothing of it is heard again."""


def lost_at(phase: Phase, iteration: int) -> Callable[[Run], Run]:
    """The machine is lost at the first write after this phase has begun."""

    def lose(run: Run) -> Run:
        if (run.current_phase, run.current_iteration) == (phase, iteration):
            raise MachineLost
        return run

    return lose


async def another_attempt(run_id: str, store: RunStore, batch: FakeBatch, clock: Clock) -> None:
    """Batch tells that the machine was taken away, and the reconciler has the run done by another job."""
    run = await store.get(run_id)
    assert run is not None
    batch.put(run.compute.job_id, JobState.FAILED, exit_codes=(PREEMPTED,))
    run = await make_reconciler(store, batch, clock).reconcile(run)
    assert (run.status, run.compute.attempt) == (RunState.RUNNING, 2)


async def lose_the_machine(here: World, phase: Phase, iteration: int, batch: FakeBatch) -> None:
    here.store.before = lost_at(phase, iteration)
    with pytest.raises(MachineLost):
        await run_job(here.run_id, here.ports)
    here.store.before = lambda run: run
    await another_attempt(here.run_id, here.store, batch, here.ports.clock)


def predictions(said: str) -> list[int]:
    """The iterations whose prediction began, in order, as the job's log lines tell."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [line["iteration"] for line in lines if line.get("phase") == "inference"]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What an undisturbed run delivered, kept by `expected` from the first test that asks."""
    return {}


@pytest.fixture
async def expected(undisturbed: dict[str, Any], answer_from: AnswerFrom) -> dict[str, Any]:
    """What a run that keeps its machine delivers."""
    if not undisturbed:
        here = answer_from(CONDITIONS, **LIMITS)
        assert await run_job(here.run_id, here.ports) is Exit.DONE
        undisturbed |= delivered(here)
        assert undisturbed["log"]["best_iteration"] == 1
    return undisturbed


@pytest.mark.parametrize(
    ("phase", "iteration", "afterwards"),
    [
        (Phase.INFERENCE, 1, [1, 2, 3]),
        (Phase.EVALUATION, 2, [2, 3]),
        (Phase.OUTPUT_GENERATION, 3, []),
    ],
)
async def test_a_second_attempt_goes_on_at_the_iteration_that_was_reached_and_delivers_the_same(
    *,
    phase: Phase,
    iteration: int,
    afterwards: list[int],
    expected: dict[str, Any],
    answer_from: AnswerFrom,
    batch: FakeBatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = answer_from(CONDITIONS, **LIMITS)
    await lose_the_machine(here, phase, iteration, batch)
    seen: list[tuple[int, int]] = []

    def look(run: Run) -> Run:
        seen.append((run.current_iteration, len(run.iterations)))
        return run

    here.store.before = look
    capsys.readouterr()
    assert await run_job(here.run_id, here.ports, attempt=2) is Exit.DONE
    assert predictions(capsys.readouterr().err) == afterwards
    assert [each.number for each in here.run.iterations] == [1, 2, 3]
    assert seen == sorted(seen), "its owner saw the run fall back"
    assert delivered(here) == expected


def made_elsewhere(kept: Iteration) -> Iteration:
    return kept.model_copy(update={"made_from": "another image"})


def scored_otherwise(kept: Iteration) -> Iteration:
    return kept.model_copy(update={"score": 10})


@pytest.mark.parametrize("change", [made_elsewhere, scored_otherwise])
async def test_where_it_would_not_find_the_same_the_second_attempt_begins_anew_and_says_so(
    change: Callable[[Iteration], Iteration],
    expected: dict[str, Any],
    answer_from: AnswerFrom,
    batch: FakeBatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = answer_from(CONDITIONS, **LIMITS)
    await lose_the_machine(here, Phase.INFERENCE, 3, batch)
    first, *others = here.run.iterations
    here.store.runs[here.run_id] = here.run.model_copy(update={"iterations": [change(first), *others]})
    capsys.readouterr()
    assert await run_job(here.run_id, here.ports, attempt=2) is Exit.DONE
    said = capsys.readouterr().err
    assert predictions(said) == [1, 2, 3]
    assert "the search begins anew" in said
    assert delivered(here) == expected


async def test_a_killed_process_is_followed_by_one_that_goes_on(
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
    await told(job, '"inference", "iteration": 3')
    job.send_signal(signal.SIGKILL)
    assert await job.wait() == -signal.SIGKILL
    await another_attempt(run.run_id, store, batch, ticking)
    ports = Ports(store, catalog, FolderFiles(tmp_path), ticking, tmp_path)
    assert await run_job(run.run_id, ports, attempt=2) is Exit.DONE
    assert predictions(capsys.readouterr().err)[0] >= 3
    done = await store.get(run.run_id)
    assert done is not None
    assert [each.number for each in done.iterations] == [1, 2, 3]
    assert delivered(World(ports, MemoryRuns({run.run_id: done}), tmp_path, run.run_id)) == expected
