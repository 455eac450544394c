"""The comparison in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from haystack_client.terminal import Terminal, plain
from local.comparison import words
from local.comparison.measure import Comparison


def show(terminal: Terminal, found: Comparison, evidence: Mapping[str, Any] | None) -> None:
    """Print how right a prediction was.

    Args:
        evidence: that of the run's result.
    """
    terminal.line("")
    terminal.line(words.QUESTION, "bold")
    terminal.prose(words.truth(found))
    for sentence in words.sentences(found, evidence):
        terminal.prose(sentence)
    terminal.line("")
    _table(terminal, ("method", "r", "error"), words.methods(found))
    terminal.prose(words.ERROR, style="dim")
    for title, rows in (
        ("largest predicted changes", words.largest_predicted(found)),
        ("largest measured changes", words.largest_measured(found)),
    ):
        terminal.line("")
        terminal.line(f"{title} (log2 fold change):")
        _table(terminal, ("gene", "predicted", "measured", "call"), rows)
    terminal.prose(words.CALLS, style="dim")


def _table(terminal: Terminal, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in {"r", "error", "predicted", "measured"} else "left")
    for row in rows:
        table.add_row(*map(plain, row))
    terminal.people.print(table)
