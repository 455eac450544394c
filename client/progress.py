"""Progress for people: a bar where there is a terminal to draw it on, else a line for each new phase."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from client.api import Api, Json
from client.download import Advance, fetch
from client.following import follow
from client.terminal import Terminal, plain

PHASES: Final = ("prompt_generation", "inference", "evaluation")


def watch(terminal: Terminal, api: Api, run_id: str) -> Json:
    """Show a run's progress until it is done, and give its last status."""
    run: Json = {}
    shown = ""
    with _bar(terminal, TaskProgressColumn(), TimeElapsedColumn()) as progress, terminal.drawing():
        task = progress.add_task("", total=1.0)
        for run in follow(api, run_id):
            text = plain(describe(run))
            progress.update(task, completed=1.0 if run["done"] else fraction(run), description=text)
            if not terminal.interactive and text != shown:
                terminal.line(text)
            shown = text
    return run


def download(terminal: Terminal, result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Fetch all files of a result into a folder, and tell where they are."""
    paths = []
    with _bar(terminal, DownloadColumn(binary_units=True), TransferSpeedColumn()) as progress, terminal.drawing():
        for file in result["files"]:
            task = progress.add_task(plain(file["name"]), total=file["size"])
            paths.append(fetch(file, folder, advance=_counter(progress, task), say=terminal.warn))
    for file, path in zip(result["files"], paths, strict=True):
        terminal.line(f"  {path}  ({file['size'] / 1024:.0f} KiB, CRC32C {file['crc32c']} as stored)")
    return paths


def describe(run: Mapping[str, Any]) -> str:
    """Where a run stands, in a few words."""
    phase = (run["current_phase"] or run["status"]).replace("_", " ")
    iteration = f" · iteration {run['current_iteration']}/{run['max_iterations']}" if run["current_iteration"] else ""
    scores = f" · scores {' '.join(map(str, run['grounding_scores']))}" if run["grounding_scores"] else ""
    return f"{phase}{iteration}{scores}"


def fraction(run: Mapping[str, Any]) -> float:
    """How far a run is if it uses all its iterations: an upper bound of what is left, since it may stop at the threshold."""
    if run["current_phase"] == "output_generation":
        return 0.95
    if run["current_phase"] not in PHASES:
        return 0.02 if run["status"] == "pending" else 0.05
    steps: int = (run["current_iteration"] - 1) * len(PHASES) + PHASES.index(run["current_phase"])
    most: int = run["max_iterations"] * len(PHASES)
    return 0.05 + 0.9 * steps / most


def _counter(progress: Progress, task: TaskID) -> Advance:
    return lambda size: progress.update(task, completed=size)


def _bar(terminal: Terminal, *columns: ProgressColumn) -> Progress:
    """A bar that takes what the words leave of the line."""
    words = TextColumn("{task.description}", markup=False)
    bar = BarColumn(bar_width=None)
    return Progress(words, bar, *columns, console=terminal.people, disable=not terminal.interactive)
