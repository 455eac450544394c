"""One question, from asking to the files on this disk, told to a person as it goes."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

from client import progress, show
from client.api import Api
from client.failures import ExitCode, Failure
from client.terminal import Terminal
from local import atlas, processes
from local.processes import Child

QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
READY_SECONDS: Final = 60.0


def run(body: Mapping[str, object], *, data_dir: Path, store: str | None, results_dir: Path) -> int:
    """Make the atlas, start the service, ask, wait, fetch the results.

    Args:
        body: the request to create a run.
        data_dir: where the service keeps its data.
        store: `firestore`, `sqlite`, or None for what there is.
        results_dir: the result files go into a folder of the run's id below it.

    Returns:
        0 only if the run completed; else 1.
    """
    terminal = Terminal()
    try:
        atlas.make(data_dir)
        # The service is a child process; only what starts and stops it is asynchronous.
        with asyncio.Runner() as runner:
            service = runner.run(_start(data_dir, store))
            try:
                url = runner.run(_ready(service, terminal))
                return _ask(url, body, results_dir, terminal)
            finally:
                runner.run(service.stop(grace_seconds=20.0))
    except Failure as failure:
        for line in (failure.message, *failure.details):
            terminal.line(line, "red")
        return 1
    except KeyboardInterrupt:
        terminal.line("stopped")
        return 1


def _ask(url: str, body: Mapping[str, object], results_dir: Path, terminal: Terminal) -> int:
    with Api(url, say=terminal.warn) as api:
        run = api.submit(body, key=uuid4().hex)
        terminal.line(run["query"], "bold")
        terminal.line(f"{url}/api/v1/runs/{run['run_id']}")
        run = progress.watch(terminal, api, run["run_id"])
        show.outcome(terminal, run)
        if run["status"] != "completed":
            return 1
        result = api.result(run["run_id"])
    show.result(terminal, result)
    terminal.line("results, downloaded through their signed URLs:")
    progress.download(terminal, result, results_dir / run["run_id"])
    return 0


async def _start(data_dir: Path, store: str | None) -> Child:
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--data-dir", str(data_dir)]
    if store:
        command += ["--store", store]
    return await processes.start(command, log=data_dir / "logs" / "service.log")


async def _ready(service: Child, terminal: Terminal) -> str:
    """Wait until the service prints where it is, and pass on what it says of its parts."""
    began = time.monotonic()
    told = 0
    with terminal.people.status("starting the local service"):
        while time.monotonic() - began < READY_SECONDS and service.running:
            lines = service.log.read_text().splitlines()
            for line in lines[told:]:
                if line.startswith("local: "):
                    terminal.line(line.removeprefix("local: "), "dim")
            told = len(lines)
            for line in lines:
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ")
            await asyncio.sleep(0.1)
    raise Failure(
        ExitCode.UNAVAILABLE, f"the local service did not get ready; the end of {service.log}:", service.tail()
    )
