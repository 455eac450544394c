"""Show the progress of an ingest to people: on a terminal one line that changes, otherwise a line now and then."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from orchestrator.ingest.progress import Report

# Shorter phases show nothing.
SILENT_SECONDS: Final = 2.0
# Between two changes of the line on a terminal, and between two lines otherwise.
TERMINAL_SECONDS: Final = 0.2
LINES_SECONDS: Final = 10.0
_START_OF_LINE: Final = "\r\x1b[2K"


@contextmanager
def shown_on(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """Yield a report that shows each phase that takes a while: how much is done, how fast, and how long the rest takes."""
    progress = _Progress(stream, clock)
    try:
        yield progress.report
    finally:
        progress.end_phase()


class _Progress:
    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream, self._clock = stream, clock
        self._is_terminal = stream.isatty()
        self._phase = ""
        self._began = self._shown_at = 0.0
        self._first = self._done = 0
        self._is_shown = False

    def report(self, phase: str, done: int, total: int) -> None:
        now = self._clock()
        if phase != self._phase:
            self.end_phase()
            # The first report of a phase may come with its first piece of work done, whose beginning is not known.
            self._phase, self._began, self._first, self._is_shown = phase, now, done, False
        self._done = done
        pause = TERMINAL_SECONDS if self._is_terminal else LINES_SECONDS
        if now - self._began >= SILENT_SECONDS and (not self._is_shown or now - self._shown_at >= pause):
            self._show(_line(phase, done, total, (done - self._first) / (now - self._began)))
            self._shown_at, self._is_shown = now, True

    def end_phase(self) -> None:
        """Say how long the phase took, if it was shown."""
        if self._is_shown:
            seconds = self._clock() - self._began
            self._show(f"{self._phase}: {self._done:,} cells in {_duration(seconds)}")
            if self._is_terminal:
                self._stream.write("\n")
        self._phase, self._is_shown = "", False

    def _show(self, line: str) -> None:
        if self._is_terminal:
            self._stream.write(_START_OF_LINE + line[: shutil.get_terminal_size().columns - 1])
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()


def _line(phase: str, done: int, total: int, rate: float) -> str:
    share = f"{100 * done // total}% of {total:,} cells" if total else f"{done:,} cells"
    if rate <= 0:
        return f"{phase}: {share}"
    left = f", {_duration((total - done) / rate)} left" if total > done else ""
    return f"{phase}: {share}, {rate:,.0f} cells/s{left}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
