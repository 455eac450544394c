"""Read stored runs of which some may be unreadable, because newer code wrote them before it was rolled back."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from shared import logs
from shared.logs import Severity
from shared.runs.records import Run

Stored = TypeVar("Stored")
UNREADABLE: Final = "a stored run cannot be read"


def readable(stored: Iterable[tuple[str, Stored]], read: Callable[[Stored], Run]) -> list[Run]:
    """Return the runs that can be read, and log an error for each other one.

    Args:
        stored: id and stored form of each run.
        read: reads the stored form.
    """
    found = []
    for run_id, each in stored:
        try:
            found.append(read(each))
        except (ValueError, TypeError) as error:
            logs.log(Severity.ERROR, UNREADABLE, error=error, run_id=run_id)
    return found
