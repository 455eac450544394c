"""The demo: builds the demo atlases, asks one question, downloads its results, and compares them with the truth if it was withheld."""

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
from local.demo_atlas import KANG, SEMI_SYNTHETIC, WITHHELD_CONDITION, WITHHELD_TYPE, KangFiles
from local.gateway import ROOT
from local.lock import FolderInUse, locked, owner_of
from local.processes import Child
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase

QUESTION: Final = "How would CD14 monocytes respond to IFN-beta?"
READY_SECONDS: Final = 60.0


def make_atlases(data_dir: Path) -> None:
    """Build and ingest the demo atlases into a data folder, unless they exist.

    Raises:
        SystemExit: a step failed or the folder is in use; the message says what to do.
    """
    atlases = service.atlas_dir(data_dir)
    missing = {KANG, SEMI_SYNTHETIC} - {entry.name for entry in service.ingested(atlases)}
    if not missing:
        return
    # anndata takes two seconds to import, and only this needs it.
    from local.demo_atlas import build, kang  # noqa: PLC0415
    from orchestrator.atlas.atlas import AtlasUnusable  # noqa: PLC0415
    from orchestrator.ingest.build import ingest  # noqa: PLC0415

    try:
        with locked(data_dir):
            # In this process: a process for each ingest would spend most of its time on imports. The service reads the entries beside the
            # atlases when it starts, so no catalog is needed.
            if KANG in missing:
                print(
                    f"demo atlas {KANG}: measured cells (Kang et al. 2018), without the CD14+ monocytes under IFN-beta",
                    flush=True,
                )
                ingest(KANG, kang.build(data_dir).atlas, atlases)
            if SEMI_SYNTHETIC in missing:
                print(f"demo atlas {SEMI_SYNTHETIC}: building it once, which takes about 15 seconds", flush=True)
                ingest(SEMI_SYNTHETIC, build.build(data_dir / "demo_atlas.h5ad", data_dir / "downloads"), atlases)
    except (FolderInUse, build.AtlasUnavailable, AtlasUnusable) as error:
        raise SystemExit(f"local: the demo atlases cannot be built: {error}") from error


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
        make_atlases(data_dir)
        owner = owner_of(data_dir)
        if owner is None or not owner.url:
            return _ask_own_service(body, data_dir, store or "sqlite", results_dir, terminal)
        if store not in {None, owner.store}:
            raise RequestRefused(
                f"A service with --store {owner.store} runs on {data_dir} at {owner.url}. "
                "Stop it, omit --store, or choose another folder with --data-dir.",
            )
        terminal.line(f"using the service that runs on {data_dir}, at {owner.url}", "dim")
        return _ask(owner.url, body, data_dir, results_dir, terminal)
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
            return _ask(url, body, data_dir, results_dir, terminal)
        finally:
            runner.run(child.stop(grace_seconds=20.0))


def _ask(url: str, body: Mapping[str, Any], data_dir: Path, results_dir: Path, terminal: Terminal) -> int:
    with Client(url, retry_policy=RetryPolicy(on_retry=terminal.warn)) as client:
        created = client.submit(**body)
        terminal.prose(created["query"], style="bold")
        reading.interpretation(terminal, created["interpretation"])
        if withheld := _is_withheld(created["interpretation"]):
            terminal.prose(
                "The demo withheld the measured answer to this question from the atlas, and compares it with the prediction in the end.",
                style="yellow",
            )
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
    if withheld:
        _compare(created["query"], result, KangFiles.of(data_dir), results_dir / done["run_id"], terminal)
    report = (results_dir / done["run_id"] / f"{done['run_id']}_report.html").resolve()
    terminal.line("")
    terminal.line(f"report: {report}", "bold")
    terminal.line(f"To read it, open this address in a browser: {report.as_uri()}")
    return 0


def _is_withheld(interpretation: Mapping[str, Any] | None) -> bool:
    """Return whether the demo has the measured answer to a question, which the atlas lacks."""
    if not interpretation or interpretation["dataset"] != KANG:
        return False
    used, perturbation = interpretation["cell_type"]["used"], interpretation["perturbation"]
    return bool((used["label"], perturbation["name"]) == (WITHHELD_TYPE, WITHHELD_CONDITION))


def _compare(question: str, result: Mapping[str, Any], parts: KangFiles, folder: Path, terminal: Terminal) -> None:
    # The scientific libraries take half a second to import, and other questions need none of them.
    from local.comparison import measure, page  # noqa: PLC0415
    from local.comparison import terminal as on_terminal  # noqa: PLC0415

    if not all(path.exists() for path in parts):
        from local.demo_atlas import kang  # noqa: PLC0415

        kang.build(parts.atlas.parent)
    found = measure.compare_with_withheld(folder / f"{result['run_id']}_predictions.h5ad", parts)
    on_terminal.show(terminal, found, result["evidence"])
    terminal.line("")
    terminal.line("this comparison, with a figure and all genes:")
    for path in page.write(found, question, result, folder):
        terminal.line(f"  {path}")


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
                _, said, text = line.partition(" local: ")  # after the time
                if said:
                    terminal.line(text, "dim")
            shown = len(lines)
            for line in lines:
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ")
            await asyncio.sleep(0.1)
    raise Unavailable(f"The local service did not start. The end of {child.log}:", child.tail())
