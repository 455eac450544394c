"""Reference facts as data: what each file holds and where it comes from is in README.md beside them.

Nothing is read at import; a table is read when somebody asks for it.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def table(name: str) -> Iterator[dict[str, str]]:
    """The rows of a tab-separated file of this folder, each by its column names; lines that begin with # are remarks.

    Args:
        name: the file's name without `.tsv`.
    """
    kept = _lines(name)
    columns = next(kept).split("\t")
    for line in kept:
        yield dict(zip(columns, line.split("\t"), strict=True))


def rows(name: str, columns: Sequence[str]) -> dict[str, str]:
    """The rows of a large table as they are written, by what is in their first column, for whoever reads few of them.

    Args:
        name: the file's name without `.tsv`.
        columns: the columns that it must have, in order; between them are tabs.
    """
    kept = _lines(name)
    if next(kept).split("\t") != list(columns):
        raise ValueError(f"{name}.tsv has other columns than {', '.join(columns)}")
    return {line.partition("\t")[0]: line for line in kept}


def _lines(name: str) -> Iterator[str]:
    lines = (_FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return iter([line for line in lines if line and line[0] != "#"])


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
