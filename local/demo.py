"""The demo: builds the demo atlas, asks one question, shows its progress, and downloads its results."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from haystack_client import (
    Client,
    HaystackError,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    Unavailable,
    progress,
    reading,
    show,
)
from haystack_client.terminal import Terminal
from local import processes, service
from local.demo_atlas import DATASET
from local.gateway import ROOT
from local.lock import FolderInUse, locked, owner_of
from local.processes import Child
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase

QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
READY_SECONDS: Final = 60.0


def make_atlas(data_dir: Path) -> None:
    """Build and ingest the demo atlas into a data folder, unless it exists.

    Raises:
        SystemExit: a step failed or the folder is in use; the message says what to do.
    """
    atlases = service.atlas_dir(data_dir)
    if any(entry.name == DATASET for entry in service.ingested(atlases)):
        return
    from local.demo_atlas import build  # noqa: PLC0415  # anndata takes two seconds to import, and only this needs it

    try:
        with locked(data_dir):
            print("demo atlas: building it once, which takes about 15 seconds", flush=True)
            cells = build.build(data_dir / "demo_atlas.h5ad", data_dir / "downloads")
            print("demo atlas: ingesting it, which takes a few seconds", flush=True)
            ingest([DATASET, str(cells), "--semi-synthetic"], data_dir)
    except (FolderInUse, build.AtlasUnavailable) as error:
        raise SystemExit(f"local: the demo atlas cannot be built: {error}") from error


def run(body: Mapping[str, Any], *, data_dir: Path, store: str | None, results_dir: Path) -> int:
    """Ask a question and return the exit code: 0 only if the run completes.

    A service that already runs on the data folder is used. Otherwise one is started, and stopped in the end.

    Args:
        data_dir: the absolute path of the service's data folder.
        store: `sqlite` or `firestore`; None: any.
        results_dir: gets one folder per run with its result files.
    """
    terminal = Terminal()
    try:
        make_atlas(data_dir)
        owner = owner_of(data_dir)
        if owner is None or not owner.url:
            return _ask_own_service(body, data_dir, store or "sqlite", results_dir, terminal)
        if store not in {None, owner.store}:
            raise RequestRefused(
                f"A service with --store {owner.store} runs on {data_dir} at {owner.url}. "
                "Stop it, omit --store, or choose another folder with --data-dir.",
            )
        terminal.line(f"using the service that runs on {data_dir}, at {owner.url}", "dim")
        return _ask(owner.url, body, results_dir, terminal)
    except QuestionNotAnswerable as error:
        reading.refusal(terminal, error, command="python -m local demo")
        return 1
    except HaystackError as error:
        for line in (error.message, *error.details):
            terminal.line(line, "red")
        return 1
    except KeyboardInterrupt:
        terminal.line("stopped")
        return 1


def ingest(arguments: Sequence[str], data_dir: Path) -> None:
    """Run the operators' command, `orchestrator.ingest`, for a data folder.

    Its catalog is not that of the service: both are filled from the entries beside the atlases, the service's when it starts.

    Raises:
        SystemExit: the command failed; it has printed the reason.
    """
    settings = {
        "PROJECT": service.PROJECT,
        "REGION": service.REGION,
        "RESULTS_BUCKET": service.BUCKET,
        "STORE": "sqlite",
        "SQLITE_PATH": str(data_dir / "ingest.db"),
        "ATLAS_DIR": str(service.atlas_dir(data_dir)),
        "PYTHONPATH": str(ROOT),
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(_fill_catalog(data_dir / "ingest.db", service.atlas_dir(data_dir)))
    child = subprocess.Popen([sys.executable, "-m", "orchestrator.ingest", *arguments], env={**os.environ, **settings})
    try:
        code = child.wait()
    except KeyboardInterrupt:  # Ctrl-C reaches the child too, which says what it means
        code = child.wait()
    if code != 0:
        raise SystemExit(code)


async def _fill_catalog(path: Path, atlases: Path) -> None:
    database = SqliteDatabase(path)
    try:
        await service.register_atlases(SqliteCatalog(database), atlases)
    finally:
        await database.close()


def _ask_own_service(body: Mapping[str, Any], data_dir: Path, store: str, results_dir: Path, terminal: Terminal) -> int:
    # The service is a child process; only starting and stopping it is asynchronous.
    with asyncio.Runner() as runner:
        child = runner.run(_start(data_dir, store))
        try:
            url = runner.run(_ready(child, terminal))
            return _ask(url, body, results_dir, terminal)
        finally:
            runner.run(child.stop(grace_seconds=20.0))


def _ask(url: str, body: Mapping[str, Any], results_dir: Path, terminal: Terminal) -> int:
    with Client(url, retry_policy=RetryPolicy(on_retry=terminal.warn)) as client:
        created = client.submit(**body)
        terminal.prose(created["query"], style="bold")
        reading.interpretation(terminal, created["interpretation"])
        terminal.line(f"{url}/api/v1/runs/{created['run_id']}")
        done = progress.watch(terminal, client, created["run_id"])
        show.outcome(terminal, done)
        if done["status"] != "completed":
            return 1
        result = client.result(done["run_id"])
        show.answer(terminal, result)
        show.findings(terminal, result)
        terminal.line("results, downloaded through their signed URLs:")
        progress.download(terminal, client, result, results_dir / done["run_id"])
    return 0


async def _start(data_dir: Path, store: str) -> Child:
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--store", store, "--data-dir", str(data_dir)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await processes.start(command, log=data_dir / "logs" / "service.log", env=env, cwd=ROOT)


async def _ready(child: Child, terminal: Terminal) -> str:
    """Wait until the service prints its URL, and show what it prints about its parts."""
    began = time.monotonic()
    shown = 0
    with terminal.people.status("starting the local service"):
        while time.monotonic() - began < READY_SECONDS and child.running:
            lines = child.log.read_text().splitlines()
            for line in lines[shown:]:
                if line.startswith("local: "):
                    terminal.line(line.removeprefix("local: "), "dim")
            shown = len(lines)
            for line in lines:
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ")
            await asyncio.sleep(0.1)
    raise Unavailable(f"The local service did not start. The end of {child.log}:", child.tail())
