"""Report of a benchmark: measured values, their bars, and the generated section of docs/performance.md."""

import re
from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class Section:
    """Generated section of a document, between `<!-- NAME -->` and `<!-- end of NAME -->`."""

    name: str
    text: str
    verdicts: tuple[Verdict, ...] = ()

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


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Return a Markdown table; columns after the first `text_columns` are aligned to the right."""
    marks = "|".join("--" if number < text_columns else "--:" for number in range(len(columns)))
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], f"|{marks}|", *lines[1:]])


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Return the values and their bars as a Markdown table."""
    rows = [
        (
            each.figure,
            f"{each.value:.2f}",
            f"{'≥' if each.at_least else '≤'} {each.bar:g}{'' if each.holds else ' **missed**'}",
        )
        for each in verdicts
    ]
    return table(("figure", "measured", "bar"), rows)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return a percentile of durations in milliseconds."""
    return 1000 * sorted(seconds)[int(share * (len(seconds) - 1))]
