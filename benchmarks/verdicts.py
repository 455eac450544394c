"""A measured figure, the bar it is held against, and whether it meets it; all benchmarks tell theirs this way."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One figure; it meets its bar when it is at most that, or at least that where more is better.

    Attributes:
        figure: what was measured.
        value: the figure, a ratio where two things are compared.
        bar: the most that it may be, or the least.
        at_least: whether more is better.
    """

    figure: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bar is met."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def table(verdicts: Iterable[Verdict]) -> str:
    """The verdicts as a table of a document."""
    lines = ["| figure | measured | bar | |", "|--|--:|--:|--|"]
    lines += [
        f"| {each.figure} | {each.value:.2f} | {'≥' if each.at_least else '≤'} {each.bar:g} | {'holds' if each.holds else '**missed**'} |"
        for each in verdicts
    ]
    return "\n".join(lines)
