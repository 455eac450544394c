"""Report of a benchmark: measured values, their bars, and the generated section of docs/performance.md."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Verdict:
    """A measured value and its bar: an upper bound, or a lower bound with `at_least`."""

    figure: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the value meets the bar."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        sign, missed = "≥" if self.at_least else "≤", "" if self.holds else " **missed**"
        return f"{self.figure} {self.value:.2f} ({sign} {self.bar:g}{missed})"


@dataclass(frozen=True)
class Section:
    """Generated section of a document, between `<!-- NAME -->` and `<!-- end of NAME -->`."""

    name: str
    content: str
    verdicts: Sequence[Verdict] = ()

    @property
    def text(self) -> str:
        """Content and bars as Markdown."""
        bars = f"\n\nBars: {'; '.join(map(str, self.verdicts))}." if self.verdicts else ""
        return self.content + bars

    def write(self, document: Path) -> None:
        """Replace the section in a document.

        Raises:
            ValueError: the document does not have exactly one such section.
        """
        begin, end = f"<!-- {self.name} -->", f"<!-- end of {self.name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        written, found = pattern.subn(lambda _: f"{begin}\n{self.text}\n{end}", document.read_text(encoding="utf-8"))
        if found != 1:
            raise ValueError(f"{document} has {found} sections between {begin} and {end}, not one")
        document.write_text(written, encoding="utf-8")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; columns after the first are aligned to the right."""
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], "|--" + "|--:" * (len(columns) - 1) + "|", *lines[1:]])


def progress(name: str, rounds: int) -> Iterator[int]:
    """Yield the number of each round, and print it as progress."""
    for number in range(1, rounds + 1):
        print(f"{name}: round {number} of {rounds}", file=sys.stderr, flush=True)
        yield number
