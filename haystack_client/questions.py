"""Many questions: from a file, from a grid of cell types and perturbations, or from Python; each with its options and its key."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from haystack_client.errors import RequestRefused

NUMBERS: Final = frozenset({"max_iterations", "score_threshold", "random_seed"})
OPTIONS: Final = ("control_strategy", *sorted(NUMBERS), "llm_provider", "llm_model", "label")
SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
NO_OPTIONS: Final[Mapping[str, object]] = MappingProxyType({})


class Question(NamedTuple):
    """A question and the options of its run."""

    query: str
    options: Mapping[str, object] = NO_OPTIONS


def of(items: Iterable[str | Mapping[str, object]], options: Mapping[str, object]) -> list[Question]:
    """Return questions from texts, and from mappings with `query` and options, which override the common `options`.

    Raises:
        RequestRefused: a mapping has no `query`.
    """
    found = []
    for number, item in enumerate(items, start=1):
        row = {"query": item} if isinstance(item, str) else dict(item)
        if "query" not in row:
            raise RequestRefused(f"Question {number} has no `query`.")
        query = str(row.pop("query"))
        found.append(Question(query, {**options, **row}))
    return found


def read(path: Path, options: Mapping[str, object] = NO_OPTIONS) -> list[Question]:
    """Return the questions of a file: a table (.csv, .tsv) with the column `query`, or text with a question on each line.

    Empty lines are skipped, and so are lines of text that begin with `#`.

    Args:
        options: of every question, unless its row has others.

    Raises:
        RequestRefused: the file cannot be read, or it has no questions, or a column or a value is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestRefused(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise RequestRefused(f"{path} is not UTF-8 text. Save it as a CSV file in UTF-8.") from None
    separator = SEPARATORS.get(path.suffix.lower())
    if separator is None:
        lines = (line.strip() for line in text.splitlines())
        found = [Question(line, options) for line in lines if line and not line.startswith("#")]
    else:
        found = _table(path, text, separator, options)
    if not found:
        raise RequestRefused(f"{path} has no questions. Write one on each line, or a table with the column `query`.")
    return found


def grid(
    cell_types: Sequence[str], perturbations: Sequence[str], options: Mapping[str, object] = NO_OPTIONS
) -> list[Question]:
    """Return a question for each cell type and each perturbation.

    Args:
        cell_types: each a name, or several names separated by commas; a name that has a comma stands in double quotes.
        perturbations: as above.

    Raises:
        RequestRefused: there is no cell type or no perturbation.
    """
    cells, agents = _names(cell_types), _names(perturbations)
    if not cells or not agents:
        raise RequestRefused("A grid of questions needs both --cell-types and --perturbations.")
    return [Question(f"How would {cell} respond to {agent}?", options) for cell in cells for agent in agents]


def keys(questions: Sequence[Question]) -> list[str]:
    """Return an Idempotency-Key for each question: the same for the same question, options and number of earlier repetitions.

    So the keys do not change if rows are moved, added or removed.
    """
    seen: Counter[str] = Counter()
    found = []
    for question in questions:
        given = {name: value for name, value in question.options.items() if value is not None}
        content = json.dumps([question.query, given], sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()
        seen[content] += 1
        found.append(f"many-{digest[:40]}")
    return found


def _table(path: Path, text: str, separator: str, options: Mapping[str, object]) -> list[Question]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    columns = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    if "query" not in columns:
        raise RequestRefused(f"{path} has no column `query`. Its first line must name the columns.")
    if unknown := [name for name in columns if name not in {"query", *OPTIONS}]:
        raise RequestRefused(
            f"{path} has the column `{unknown[0]}`, which is not an option of a run. Remove it.",
            f"Options: {', '.join(OPTIONS)}.",
        )
    found = []
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if None in row:
            raise RequestRefused(
                f"{where} has more fields than columns. Put a question that has a comma in double quotes."
            )
        cells = {name: (value or "").strip() for name, value in row.items()}
        if not cells["query"]:
            if any(cells.values()):
                raise RequestRefused(f"{where} has no question.")
            continue
        given = {name: _value(where, name, cells[name]) for name in columns if name != "query" and cells[name]}
        found.append(Question(cells["query"], {**options, **given}))
    return found


def _value(where: str, name: str, text: str) -> object:
    if name not in NUMBERS:
        return text
    if not (text.isascii() and text.isdecimal()):
        raise RequestRefused(f"{where}: {name} must be a whole number, not `{text}`.")
    return int(text)


def _names(given: Sequence[str]) -> list[str]:
    rows = csv.reader(given, skipinitialspace=True)
    return list(dict.fromkeys(name.strip() for row in rows for name in row if name.strip()))
