"""Progress for people: a bar on a terminal, otherwise a line for each new phase."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import exp
from pathlib import Path
from typing import Any, Final

from rich import progress as bars
from rich.console import RenderableType
from rich.table import Column

from haystack_client.answers import Answer, Answers, waits_for
from haystack_client.api import Client
from haystack_client.download import Json
from haystack_client.questions import Question
from haystack_client.terminal import Terminal, plain

WAITING: Final = "pending: waiting for a machine"
# A phase is shown as nearly over after a few times this long. It takes about a second alone, and much longer on a busy machine.
PHASE_SECONDS: Final = 10.0
# The part of a phase's share of the bar that time alone can fill, and the part between two reports of how much of it is done.
STEP: Final = 0.95
REPORT: Final = 0.1
PHASES: Final = ("prompt_generation", "inference", "evaluation")


def watch(terminal: Terminal, client: Client, run_id: str) -> Json:
    """Show the progress of a run until it is done, and return its last status."""
    run: Json = {}
    shown = ""
    columns = _columns(bars.TaskProgressColumn(), bars.TimeElapsedColumn())
    with _Moving(*columns, console=terminal.people, disable=not terminal.people.is_terminal) as progress:
        for run in client.follow(run_id):
            text = plain(describe(run))
            progress.show(run, text)
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
    if reason := waits_for(run):
        return f"{run['status']}: {reason}"
    if run["status"] == "pending":
        return WAITING
    share = run.get("phase_progress")  # older services have none
    done = "" if share is None else f" {share:.0%}"
    phase = (run["current_phase"] or run["status"]).replace("_", " ") + done
    iteration = f" · iteration {run['current_iteration']}/{run['max_iterations']}" if run["current_iteration"] else ""
    scores = f" · scores {in_a_row(run['grounding_scores'])}" if run["grounding_scores"] else ""
    return f"{phase}{iteration}{scores}"


def in_a_row(scores: Iterable[int | None]) -> str:
    """Return grounding scores in a row, with a dash for each iteration that cannot be judged."""
    return " ".join("–" if score is None else str(score) for score in scores)


def moving(run: Mapping[str, Any], seconds: float) -> float:
    """Return the fraction to show after a phase has lasted so long: it grows toward that of the next phase and never reaches it."""
    if run["done"]:
        return 1.0
    share, elapsed = run.get("phase_progress"), 1 - exp(-seconds / PHASE_SECONDS)
    part = elapsed if share is None else min(share + REPORT * elapsed, 1.0)
    return fraction(run) + STEP * part * _step(run)


def fraction(run: Mapping[str, Any]) -> float:
    """Return the completed fraction of a run that uses all its iterations; it may stop earlier, at the threshold."""
    if run["current_phase"] == "output_generation":
        return 0.95
    if run["current_phase"] not in PHASES:
        return 0.02 if run["status"] == "pending" else 0.05
    steps: int = (run["current_iteration"] - 1) * len(PHASES) + PHASES.index(run["current_phase"])
    return 0.05 + steps * _step(run)


def _step(run: Mapping[str, Any]) -> float:
    """Return the share of the bar that is the present phase's."""
    if run["current_phase"] in PHASES:
        most: int = run["max_iterations"] * len(PHASES)
        return 0.9 / most
    return 0.03 if run["status"] == "pending" else 0.05


class _Moving(bars.Progress):
    """A bar that moves, and counts the seconds, while a phase lasts."""

    _at: tuple[object, ...] = ()  # the phase and its iteration

    def show(self, run: Mapping[str, Any], text: str) -> None:
        """Show a change of the run."""
        at = run["status"], run["current_phase"], run["current_iteration"]
        if at != self._at:  # else the same phase goes on
            self._at, self._since = at, time.monotonic()
        self._run, self._text = run, text
        if not self.tasks:
            self.add_task("", total=1.0)
        self._move()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what to show now; the display calls this several times a second."""
        if self.tasks:
            self._move()
        yield from super().get_renderables()

    def _move(self) -> None:
        seconds = time.monotonic() - self._since
        lasted = f" · {seconds:.0f} s" if seconds >= 1 and not self._run["done"] else ""
        # The first report of a phase may be less than the time suggested: then the bar waits for it.
        completed = max(moving(self._run, seconds), self.tasks[0].completed)
        self.update(self.tasks[0].id, completed=completed, description=self._text + lasted)


def _advance(progress: bars.Progress, task: bars.TaskID, size: int) -> None:
    progress.update(task, completed=size)


def _bar(terminal: Terminal, *columns: bars.ProgressColumn) -> bars.Progress:
    """Return a bar that fills the rest of the line."""
    return bars.Progress(*_columns(*columns), console=terminal.people, disable=not terminal.people.is_terminal)


def _columns(*columns: bars.ProgressColumn) -> tuple[bars.ProgressColumn, ...]:
    # Wrapped, because a sentence of the service may be longer than a line.
    description = bars.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=False))
    return description, bars.BarColumn(bar_width=None), *columns
