"""What one benchmark found: a part of a document, between two marks, and the verdicts in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.verdicts import Verdict


@dataclass(frozen=True)
class Section:
    """A benchmark's part of the document.

    Attributes:
        name: names the part: its marks are `<!-- NAME -->` and `<!-- end of NAME -->`.
        text: what stands between them.
        verdicts: what it holds against bars.
    """

    name: str
    text: str
    verdicts: tuple[Verdict, ...]

    def write(self, document: Path) -> None:
        """Put it in the place of what stood between its marks.

        Raises:
            ValueError: the document has no such marks.
        """
        begin, end = f"<!-- {self.name} -->", f"<!-- end of {self.name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        written, found = pattern.subn(lambda _: f"{begin}\n{self.text}\n{end}", document.read_text(encoding="utf-8"))
        if found != 1:
            raise ValueError(f"{document} has {found} places between {begin} and {end}")
        document.write_text(written, encoding="utf-8")
