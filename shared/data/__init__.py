"""Reference data: README.md describes each file and its source. Each file is read when first needed, never at import."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

# The generated index of names (`make derived`): cell-type terms and labels, perturbations, receptors.
INDEX: Final = "name_index"
_FOLDER = Path(__file__).parent
T = TypeVar("T")


class Rows(Mapping[str, T]):
    """The rows of a large table by first column; a row is parsed only when it is looked up.

    Args:
        lines: tab-separated rows, sorted by character.
        parse: makes a value from the first column and the others, which are joined by tabs.
    """

    def __init__(self, lines: Sequence[str], parse: Callable[[str, str], T]) -> None:
        self._lines = lines
        self._parse = parse

    def __getitem__(self, key: str) -> T:
        prefix = f"{key}\t"
        place = bisect_left(self._lines, prefix)
        if place == len(self._lines) or not self._lines[place].startswith(prefix):
            raise KeyError(key)
        return self._parse(key, self._lines[place][len(prefix) :])

    def begins(self, key: str) -> bool:
        """Return whether a first column is this text or starts with it and a space."""
        place = bisect_left(self._lines, key)
        while place < len(self._lines) and self._lines[place].startswith(key):
            if self._lines[place][len(key)] in " \t":
                return True
            place += 1
        return False

    def __iter__(self) -> Iterator[str]:
        return (line.partition("\t")[0] for line in self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def table(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of `{name}.tsv` by column name; lines that start with # are comments."""
    lines = (line for line in _lines(f"{name}.tsv") if not line.startswith("#"))
    columns = next(lines).split("\t")
    for line in lines:
        yield dict(zip(columns, line.split("\t"), strict=True))


def rows(name: str, columns: Sequence[str], parse: Callable[[str, str], T]) -> Rows[T]:
    """Return the rows of `{name}.tsv`, a sorted table without comments.

    Raises:
        ValueError: the table does not have exactly these columns.
    """
    lines = _lines(f"{name}.tsv")
    if lines.pop(0).split("\t") != list(columns):
        raise ValueError(f"{name}.tsv does not have the columns {', '.join(columns)}")
    return Rows(lines, parse)


@cache
def words(name: str) -> frozenset[str]:
    """Return the words of `{name}.txt`, read once; lines that start with # are comments."""
    return frozenset(word for line in _lines(f"{name}.txt") if not line.startswith("#") for word in line.split())


def document(name: str) -> dict[str, Any]:
    """Return the content of `{name}.json`."""
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def stored_index() -> Mapping[str, Any]:
    """Return the generated index of names, read once."""
    return document(INDEX)


def _lines(file: str) -> list[str]:
    return (_FOLDER / file).read_text(encoding="utf-8").splitlines()
