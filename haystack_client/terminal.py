"""The output of a command: JSON on standard output for programs, or lines and tables for people.

Text from the service is never interpreted as markup or control sequences. Lines that people may copy (a path, a URL) are never broken.
"""

import json
import re
import sys
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from haystack_client.errors import HaystackError

UNBOUNDED_WIDTH: Final = 10_000
# The widths of tables, in characters, and the columns of numbers.
COLUMN_GAP: Final = 3
SHORTEST_FIRST: Final = 16
SHORTEST_LAST: Final = 20
NUMBERS: Final = frozenset({"cells", "controls"})
HARMFUL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and newline: they can move the cursor or type into the shell
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks: they can display text in another order
    r"\ud800-\udfff]"  # lone surrogates: JSON allows them, terminals do not
)


def plain(text: object) -> str:
    """Return a value as text that has no effect on a terminal."""
    return HARMFUL.sub("\N{REPLACEMENT CHARACTER}", str(text))


class Terminal:
    """The output streams of a command.

    Args:
        for_program: whether standard output holds one JSON document only; text for people then goes to standard error.
    """

    def __init__(self, *, for_program: bool = False) -> None:
        self.for_program = for_program
        self.people = _console(on_stderr=for_program)
        self._errors = _console(on_stderr=True)

    @property
    def is_interactive(self) -> bool:
        """Whether somebody can read a question and answer it."""
        return not self.for_program and self.people.is_terminal and sys.stdin.isatty()

    def line(self, text: str, style: str | None = None) -> None:
        """Print a line that is never broken."""
        self.people.print(Text(plain(text), style or ""), soft_wrap=True)

    def prose(self, text: str, *, indent: int = 0, style: str | None = None) -> None:
        """Print sentences, wrapped between words at the width of the terminal."""
        self.people.print(_indented(text, indent, style))

    def listing(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table as wide as the terminal: the first column may wrap, the last is cut, and the others stay whole."""
        if not rows:
            return
        cleaned = [tuple(plain(cell).replace("\n", " ") for cell in row) for row in rows]
        first, *middle, last = (max(map(cell_len, column)) for column in zip(headings, *cleaned, strict=True))
        room = self.people.width - sum(width + COLUMN_GAP for width in middle) - COLUMN_GAP
        table = empty_table()
        table.add_column(
            headings[0], overflow="fold", width=max(min(first, room - min(last, SHORTEST_LAST)), SHORTEST_FIRST)
        )
        for heading, width in zip(headings[1:-1], middle, strict=True):
            table.add_column(heading, width=width, justify="right" if heading in NUMBERS else "left")
        table.add_column(headings[-1])
        for *cells, end in cleaned:
            table.add_row(*cells, Text(end, no_wrap=True, overflow="ellipsis"))
        self.people.print(table)

    def document(self, content: object) -> None:
        """Print the JSON document of a command with `--json`."""
        text = json.dumps(content, ensure_ascii=False, indent=2)
        # Harmful characters can occur only inside strings, where JSON can escape them.
        sys.stdout.write(HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """Print a line on standard error, or above the progress bar if both streams are the terminal."""
        console = self.people if self.people.is_terminal and self._errors.is_terminal else self._errors
        console.print(Text(plain(text), "yellow"), soft_wrap=True)

    def fail(self, error: HaystackError) -> None:
        """Print on standard error why a command failed."""
        self._errors.print(Text(plain(error.message), "red"))
        for detail in error.details:
            self._errors.print(_indented(detail, 2))


def empty_table() -> Table:
    """Return a table in the style of all tables."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _indented(text: str, indent: int, style: str | None = None) -> Padding:
    return Padding(Text(plain(text), style or ""), (0, 0, 0, indent), expand=False)


def _console(*, on_stderr: bool) -> Console:
    console = Console(stderr=on_stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        # Output to a file or a pipe is not wrapped.
        console.width = UNBOUNDED_WIDTH
    return console
