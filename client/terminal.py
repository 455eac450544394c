"""Where a command writes: JSON for programs on standard output; for people, lines and tables that say things as they are.

Text of the service is never taken for markup or control sequences, and a line that may be copied (a path, a URL) is never broken.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from client.failures import Failure

_UNBOUNDED: Final = 10_000
_HARMFUL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tabs and line ends: they move the cursor, name the window, type into the shell
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of direction: they show a text in another order than it has
    r"\ud800-\udfff]"  # halves of characters, which JSON may hold and no terminal takes
)


def plain(text: object) -> str:
    """A value as text that cannot do anything but be read."""
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", str(text))


class Terminal:
    """The streams of a command.

    Args:
        for_program: whether standard output is to hold one JSON document and nothing else; people then read standard error.
    """

    def __init__(self, *, for_program: bool = False) -> None:
        self.for_program = for_program
        self.people = _console(on_stderr=for_program)
        self._errors = _console(on_stderr=True)
        self._drawing = False

    @property
    def interactive(self) -> bool:
        """Whether there is a terminal to draw a bar on."""
        return self.people.is_terminal

    def line(self, text: str, style: str | None = None) -> None:
        """A line that is never broken."""
        self.people.print(Text(plain(text), style or ""), soft_wrap=True)

    def prose(self, text: str, *, indent: int = 0, style: str | None = None) -> None:
        """Sentences, broken between words where the terminal ends."""
        self.people.print(_indented(text, indent, style))

    def show(self, renderable: RenderableType) -> None:
        """A table."""
        self.people.print(renderable)

    def document(self, content: object) -> None:
        """The one JSON document of a command that is asked for JSON."""
        text = json.dumps(content, ensure_ascii=False, indent=2)
        # Outside of strings there is nothing harmful, and inside JSON has a way to write it.
        sys.stdout.write(_HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """A line on standard error; above the bar while one is drawn on the same terminal."""
        console = self.people if self._drawing and self._errors.is_terminal else self._errors
        console.print(Text(plain(text), "yellow"), soft_wrap=True)

    def fail(self, failure: Failure) -> None:
        """Say on standard error why a command ends."""
        self._errors.print(Text(plain(failure.message), "red"))
        for detail in failure.details:
            self._errors.print(_indented(detail, 2))

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """For as long as a bar is drawn."""
        self._drawing = True
        try:
            yield
        finally:
            self._drawing = False


def _indented(text: str, indent: int, style: str | None = None) -> Padding:
    return Padding(Text(plain(text), style or ""), (0, 0, 0, indent), expand=False)


def _console(*, on_stderr: bool) -> Console:
    console = Console(stderr=on_stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        # What goes into a file or a pipe has no edge to be cut at.
        console.width = _UNBOUNDED
    return console
