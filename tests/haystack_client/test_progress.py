"""Following a run: lines or a bar, Ctrl-C, and how often the service is polled."""

import asyncio
import json
import os
import signal
from asyncio import StreamReader
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from haystack_client.progress import PHASES, describe, fraction, moving
from shared import wiring
from shared.fields import utc_now
from shared.runs.states import Phase, WaitingReason
from shared.runs.waiting import sentence
from tests.haystack_client.conftest import QUESTION, Haystack, Script, complete, ended, fail, problem
from tests.support.builders import lease

QUEUED = f"pending: {sentence(WaitingReason.QUEUE)}"
RUN: dict[str, Any] = {
    "run_id": "run_0123456789ab",
    "done": False,
    "status": "pending",
    "query": QUESTION,
    "max_iterations": 5,
    "current_iteration": 0,
    "current_phase": None,
    "grounding_scores": [],
    "failure": None,
    "error_message": None,
}


@contextmanager
def terminal() -> Iterator[tuple[int, Callable[[], str]]]:
    """Open a pseudo-terminal: a stream for a command, and a function that returns what it shows."""
    master, slave = os.openpty()
    try:
        yield slave, lambda: os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)


async def line_of(process: Process) -> str:
    """Return the next line that a command prints."""
    stream = process.stdout
    assert isinstance(stream, StreamReader)
    return (await asyncio.wait_for(stream.readline(), 40)).decode().strip()


async def test_a_watch_without_a_terminal_prints_a_line_for_each_phase(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    process = await haystack.start("watch", run_id)
    assert await line_of(process) == QUEUED
    store = wiring.container().run_store
    await lease(run_id, store=store, clock=utc_now).begin()
    assert await line_of(process) == "running"
    await lease(run_id, store=store, clock=utc_now).progress(phase=Phase.INFERENCE, iteration=1)
    assert await line_of(process) == "inference · iteration 1/5"
    await complete(run_id, tmp_path)
    done = await ended(process)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[-4:] == [
        "completed · iteration 1/5 · scores 8",
        "status: completed",
        "grounding scores: 8",
        f"To see the result: haystack result {run_id}",
    ]


async def test_watch_with_json_prints_the_last_status(haystack: Haystack) -> None:
    run_id = await haystack.submit()
    await haystack("cancel", run_id)
    done = await haystack("watch", "last", "--json")
    assert done.code == 1
    assert (done.json["run_id"], done.json["status"]) == (run_id, "cancelled")
    assert "cancelled" in done.err


async def test_a_failed_run_shows_its_reason_and_exits_with_1(haystack: Haystack) -> None:
    process = await haystack.start("submit", QUESTION, "--watch")
    while not (line := await line_of(process)).startswith("run: "):
        assert line
    await fail(line.removeprefix("run: "))
    done = await ended(process)
    assert done.code == 1
    assert "The machine was preempted.\nPREEMPTED: Submit the question again.\n" in done.out


async def test_ctrl_c_stops_watching_and_leaves_the_run_alone(haystack: Haystack) -> None:
    run_id = await haystack.submit()
    process = await haystack.start("watch", run_id)
    assert await line_of(process) == QUEUED
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    assert done.code == 130
    assert f"Stopped watching. {run_id} continues to run." in done.err
    assert f"haystack watch {run_id}" in done.err
    assert "Traceback" not in done.err
    assert (await haystack("status", run_id, "--json")).json["status"] == "pending"


async def test_a_terminal_shows_a_bar(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    with terminal() as (slave, drawn):
        process = await haystack.start("watch", run_id, stdout=slave, env={"TERM": "xterm", "COLUMNS": "80"})
        assert (await ended(process)).code == 0
        shown = drawn()
    assert "━" in shown
    assert "100%" in shown


@pytest.mark.parametrize("both", [True, False])
async def test_a_retry_is_reported_above_the_bar_or_on_a_redirected_standard_error(both: bool) -> None:
    done = Response(json.dumps(RUN | {"done": True, "status": "completed"}), media_type="application/json")
    away = problem(503, "Firestore is not available.", **{"Retry-After": "0"})
    with terminal() as (slave, drawn):
        async with Script(away, done).served() as haystack:
            process = await haystack.start(
                *("watch", RUN["run_id"]),
                stdout=slave,
                stderr=slave if both else PIPE,
                env={"TERM": "xterm", "COLUMNS": "80"},
            )
            printed = (await ended(process)).err
        shown = drawn()
    assert "100%" in shown
    assert ("Retrying in 0 s." in shown) is both
    assert ("Retrying in 0 s." in printed) is not both


async def test_polling_waits_at_the_service_and_sends_the_entity_tag() -> None:
    unchanged = Response(status_code=304, headers={"ETag": '"one"', "Retry-After": "1"})
    first = Response(json.dumps(RUN), media_type="application/json", headers={"ETag": '"one"', "Retry-After": "1"})
    last = Response(json.dumps(RUN | {"done": True, "status": "completed"}), media_type="application/json")
    script = Script(first, unchanged, last)
    async with script.served() as haystack:
        began = asyncio.get_running_loop().time()
        assert (await haystack("watch", "run_0123456789ab")).code == 0
        seconds = asyncio.get_running_loop().time() - began
    asked = [(request.query_params["wait"], request.headers.get("if-none-match")) for request in script.requests]
    assert asked == [("0", None), ("20", '"one"'), ("20", '"one"')]
    assert seconds >= 1.0  # the service did not wait, so the command paused as Retry-After asked


async def test_a_program_that_waits_for_too_many_runs_polls_instead() -> None:
    first = Response(json.dumps(RUN), media_type="application/json", headers={"ETag": '"one"', "Retry-After": "1"})
    full = problem(429, "20 of your requests wait.", "too_many_waiting_requests", **{"Retry-After": "5"})
    unchanged = Response(status_code=304, headers={"ETag": '"one"', "Retry-After": "1"})
    last = Response(json.dumps(RUN | {"done": True, "status": "completed"}), media_type="application/json")
    script = Script(first, full, unchanged, full, last)
    async with script.served() as haystack:
        began = asyncio.get_running_loop().time()
        done = await haystack("watch", "run_0123456789ab")
        seconds = asyncio.get_running_loop().time() - began
    assert (done.code, "20 of your requests" in done.err) == (0, False)
    assert [request.query_params.get("wait") for request in script.requests] == ["0", "20", None, "20", None]
    assert seconds >= 1.0


@pytest.mark.parametrize(
    ("status", "phase", "iteration", "least", "most"),
    [
        ("pending", None, 0, 0.0, 0.04),
        ("running", "query_analysis", 0, 0.05, 0.05),
        ("running", "inference", 3, 0.4, 0.6),
        ("running", "output_generation", 5, 0.95, 0.99),
    ],
)
def test_the_bar_moves_with_the_phases(
    status: str, phase: str | None, iteration: int, least: float, most: float
) -> None:
    run = {"status": status, "current_phase": phase, "current_iteration": iteration, "max_iterations": 5}
    assert least <= fraction(run) <= most


def test_a_run_is_described_in_a_few_words() -> None:
    run = {"status": "running", "current_phase": "prompt_generation", "current_iteration": 2, "max_iterations": 5}
    assert describe({**run, "grounding_scores": [6]}) == "prompt generation · iteration 2/5 · scores 6"
    assert describe({**run, "grounding_scores": [None, 6]}) == "prompt generation · iteration 2/5 · scores – 6"
    assert describe(run | {"phase_progress": 0.42, "grounding_scores": []}) == "prompt generation 42% · iteration 2/5"


@pytest.mark.parametrize(
    ("waiting_for", "said"),
    [
        (
            {"reason": "quota", "text": "All CPUs of the project are in use."},
            "pending: All CPUs of the project are in use.",
        ),
        (None, "pending: waiting for a machine"),
        ({"reason": "machine"}, "pending: waiting for a machine"),
        ("soon", "pending: waiting for a machine"),
    ],
)
def test_a_queued_run_says_what_it_waits_for(waiting_for: object, said: str) -> None:
    assert describe(RUN) == "pending: waiting for a machine"  # a service without the field
    assert describe(RUN | {"waiting_for": waiting_for}) == said


@given(
    phase=st.sampled_from([None, *PHASES, "output_generation"]),
    iteration=st.integers(1, 10),
    lasted=st.lists(st.floats(0, 1e4), min_size=2).map(sorted),
    share=st.none() | st.floats(0, 1),
)
def test_a_bar_grows_within_a_phase_and_stays_below_the_next(
    phase: str | None, iteration: int, lasted: list[float], share: float | None
) -> None:
    run = RUN | {"status": "running", "current_phase": phase, "current_iteration": iteration, "max_iterations": 10}
    run["phase_progress"] = share
    shown = [moving(run, seconds) for seconds in lasted]
    assert shown == sorted(shown)
    if phase in PHASES:
        later = [*PHASES, "prompt_generation"][PHASES.index(phase) + 1]
        following = run | {"current_phase": later, "current_iteration": iteration + (phase == "evaluation")}
        assert fraction(run) <= shown[0] <= shown[-1] < fraction(following)
    assert shown[-1] < 1


def test_the_bar_moved_on_a_busy_machine() -> None:
    """It stayed at 17 % for 18 s, because an evaluation took so long."""
    run = RUN | {"status": "running", "current_phase": "evaluation", "current_iteration": 1}
    percents = [round(100 * moving(run, seconds)) for seconds in (0, 6, 18)]
    assert percents == [17, 20, 22]


def test_the_bar_shows_what_the_job_reports_of_a_phase() -> None:
    run = RUN | {"status": "running", "current_phase": "evaluation", "current_iteration": 1}
    percents = [round(100 * moving(run | {"phase_progress": share}, 60)) for share in (0.0, 0.5, 0.9, 1.0)]
    assert percents == [18, 20, 23, 23]


async def test_a_terminal_counts_the_seconds_of_a_phase(haystack: Haystack) -> None:
    run_id = await haystack.submit()
    with terminal() as (slave, shown):
        process = await haystack.start("watch", run_id, stdout=slave, stderr=slave)
        text = ""
        while " 1 s" not in text:
            text += await asyncio.to_thread(shown)
        process.send_signal(signal.SIGINT)
        await process.wait()
    assert "pending: The run waits" in text
