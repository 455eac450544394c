"""The summary of many questions: a row for each, whether it was answered, refused or failed."""

import csv
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from haystack_client.download import Json
from haystack_client.errors import QuestionNotAnswerable, RequestRefused

if TYPE_CHECKING:
    import pandas as pd

REFUSED: Final = "refused"
# Spreadsheets take text that begins with one of these for a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass
class Answer:
    """One question and what became of it.

    Attributes:
        status: that of the run, or `refused` if the service did not accept the question.
        answer: the answer in sentences; empty without a result.
        expected_r: median expected correlation with a measurement; None if it is unknown.
        reason: why the question was refused or the run has no result; empty otherwise.
        suggestion: a similar question that can be answered; empty if there is none.
    """

    question: str
    status: str = ""
    answer: str = ""
    confidence: str | None = None
    expected_r: float | None = None
    run_id: str = ""
    reason: str = ""
    suggestion: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing about this row will change."""
        return self.status not in {"", "pending", "running"}

    def refuse(self, error: RequestRefused) -> None:
        """Record why the service does not accept the question."""
        self.status = REFUSED
        self.reason = " ".join((error.message, *error.details))
        if isinstance(error, QuestionNotAnswerable):
            self.reason = " ".join(error.reasons)
            self.suggestion = next(iter(error.suggestions), "")

    def update(self, run: Json) -> None:
        """Record the status of the run."""
        self.run_id, self.status = run["run_id"], run["status"]
        failure = run["failure"] or {}
        self.reason = " ".join(text for text in (run["error_message"], failure.get("advice")) if text)

    def conclude(self, result: Json) -> None:
        """Record the result of the run."""
        self.answer = result["answer"]
        evidence = result.get("evidence") or {}
        self.confidence = evidence.get("confidence")
        expected = evidence.get("expected_accuracy")
        self.expected_r = None if expected is None else expected["pearson"]["median"]


COLUMNS: Final = tuple(field.name for field in fields(Answer))


class Answers(Sequence[Answer]):
    """The rows of many questions, in the order of the questions."""

    def __init__(self, rows: Sequence[Answer]) -> None:
        self._rows = tuple(rows)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401  # an index or a slice, as in Sequence
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._rows)

    @property
    def complete(self) -> bool:
        """Whether every question has an answer."""
        return all(row.status == "completed" for row in self._rows)

    @property
    def json(self) -> list[Json]:
        """The rows as JSON values."""
        return [asdict(row) for row in self._rows]

    def to_dataframe(self) -> "pd.DataFrame":
        """Return the rows as a table.

        Raises:
            RequestRefused: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ModuleNotFoundError:
            raise RequestRefused(
                "`.to_dataframe()` needs pandas, which is not installed. Run: pip install pandas"
            ) from None
        return pandas.DataFrame(self.json, columns=list(COLUMNS))

    def to_csv(self, path: Path | str) -> None:
        """Write the rows to a CSV file.

        Raises:
            RequestRefused: the file cannot be written.
        """
        try:
            with Path(path).open("w", newline="", encoding="utf-8") as file:
                self._write(file)
        except OSError as error:
            raise RequestRefused(f"{path} cannot be written: {error.strerror}.") from error

    def _write(self, file: TextIO) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in self.json:
            writer.writerow([_safe(row[name]) for name in COLUMNS])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
        rows = ("".join(f"<td>{html.escape(_text(row[name]))}</td>" for name in COLUMNS) for row in self.json)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def waits_for(run: Mapping[str, Any]) -> str:
    """Return what a queued run waits for, as a sentence of the service; empty if it tells nothing."""
    found = run.get("waiting_for")  # older services have none
    return str(found.get("text") or "") if isinstance(found, Mapping) else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _safe(value: object) -> object:
    """Return a value that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
