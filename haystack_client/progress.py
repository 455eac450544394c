"""Progress for people: a bar on a terminal, otherwise a line for each new phase."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich import progress as bars

from haystack_client.answers import Answer, Answers
from haystack_client.api import Client
from haystack_client.download import Json
from haystack_client.questions import Question
from haystack_client.terminal import Terminal, plain

PHASES: Final = ("prompt_generation", "inference", "evaluation")


def watch(terminal: Terminal, client: Client, run_id: str) -> Json:
    """Show the progress of a run until it is done, and return its last status."""
    run: Json = {}
    shown = ""
    with _bar(terminal, bars.TaskProgressColumn(), bars.TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=1.0)
        for run in client.follow(run_id):
            text = plain(describe(run))
            progress.update(task, completed=1.0 if run["done"] else fraction(run), description=text)
            if not terminal.people.is_terminal and text != shown:
                terminal.line(text)
            shown = text
    return run


def ask_many(terminal: Terminal, client: Client, asked: Sequence[Question]) -> Answers:
    """Ask many questions, show how far they are, and return their rows; without a terminal, a line for each change of a status."""
    ended: set[int] = set()
    told = ""
    with _bar(terminal, bars.MofNCompleteColumn(), bars.TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=len(asked))

        def on_row(row: Answer, waiting: str) -> None:
            nonlocal told
            if row.done:
                ended.add(id(row))  # a row that is continued may be done when it is submitted, and is reported again
            text = waiting or f"{row.run_id} {row.status}".strip()
            progress.update(task, completed=len(ended), description=plain(text))
            if not terminal.people.is_terminal and (line := text if waiting else f"{text}: {row.question}") != told:
                told = line
                terminal.line(line)

        return client.ask_many(({"query": each.query, **each.options} for each in asked), on_row=on_row)


def download(terminal: Terminal, client: Client, result: Mapping[str, Any], folder: Path) -> None:
    """Download all files of a result into a folder, and print their paths."""
    paths = []
    columns = bars.DownloadColumn(binary_units=True), bars.TransferSpeedColumn()
    with _bar(terminal, *columns) as progress:
        for file in result["files"]:
            task = progress.add_task(plain(file["name"]), total=file["size"])
            advance = partial(_advance, progress, task)
            paths.append(client.download(file, folder, on_progress=advance))
    for file, path in zip(result["files"], paths, strict=True):
        terminal.line(f"  {path}  ({file['size'] / 1024:.0f} KiB, CRC32C {file['crc32c']} verified)")


def describe(run: Mapping[str, Any]) -> str:
    """Describe the progress of a run in a few words."""
    phase = (run["current_phase"] or run["status"]).replace("_", " ")
    iteration = f" · iteration {run['current_iteration']}/{run['max_iterations']}" if run["current_iteration"] else ""
    scores = f" · scores {in_a_row(run['grounding_scores'])}" if run["grounding_scores"] else ""
    return f"{phase}{iteration}{scores}"


def in_a_row(scores: Iterable[int | None]) -> str:
    """Return grounding scores in a row, with a dash for each iteration that cannot be judged."""
    return " ".join("–" if score is None else str(score) for score in scores)


def fraction(run: Mapping[str, Any]) -> float:
    """Return the completed fraction of a run that uses all its iterations; it may stop earlier, at the threshold."""
    if run["current_phase"] == "output_generation":
        return 0.95
    if run["current_phase"] not in PHASES:
        return 0.02 if run["status"] == "pending" else 0.05
    steps: int = (run["current_iteration"] - 1) * len(PHASES) + PHASES.index(run["current_phase"])
    most: int = run["max_iterations"] * len(PHASES)
    return 0.05 + 0.9 * steps / most


def _advance(progress: bars.Progress, task: bars.TaskID, size: int) -> None:
    progress.update(task, completed=size)


def _bar(terminal: Terminal, *columns: bars.ProgressColumn) -> bars.Progress:
    """Return a bar that fills the rest of the line."""
    description = bars.TextColumn("{task.description}", markup=False)
    bar = bars.BarColumn(bar_width=None)
    return bars.Progress(description, bar, *columns, console=terminal.people, disable=not terminal.people.is_terminal)
