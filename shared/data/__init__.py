"""Reference facts as data: what each file holds and where it comes from is in README.md beside them.

Nothing is read at import; a table is read when somebody asks for it.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def table(name: str) -> Iterator[dict[str, str]]:
    """The rows of a tab-separated file of this folder, each by its column names; lines that begin with # are remarks.

    Args:
        name: the file's name without `.tsv`.
    """
    kept = (line for line in _lines(name) if not line.startswith("#"))
    columns = next(kept).split("\t")
    for line in kept:
        yield dict(zip(columns, line.split("\t"), strict=True))


class Rows(Mapping[str, str]):
    """The rows of a large table by their first column, for whoever reads few of them: nothing is made of a row before it is asked for.

    Args:
        lines: the rows in the order of their characters, tabs between the columns.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def __getitem__(self, key: str) -> str:
        """What is in the other columns, with their tabs."""
        begin = f"{key}\t"
        place = bisect_left(self._lines, begin)
        if place == len(self._lines) or not self._lines[place].startswith(begin):
            raise KeyError(key)
        return self._lines[place][len(begin) :]

    def __iter__(self) -> Iterator[str]:
        return (line.partition("\t")[0] for line in self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def rows(name: str, columns: Sequence[str]) -> Rows:
    """The rows of a table that is sorted by its lines, without remarks.

    Args:
        name: the file's name without `.tsv`.
        columns: the columns that it must have, in order.
    """
    lines = _lines(name)
    if lines.pop(0).split("\t") != list(columns):
        raise ValueError(f"{name}.tsv has other columns than {', '.join(columns)}")
    return Rows(lines)


def _lines(name: str) -> list[str]:
    return (_FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines()


def words(name: str) -> frozenset[str]:
    """The words of a text file of this folder; lines that begin with # are remarks.

    Args:
        name: the file's name without `.txt`.
    """
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def document(name: str) -> dict[str, Any]:
    """A JSON file of this folder.

    Args:
        name: the file's name without `.json`.
    """
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content
