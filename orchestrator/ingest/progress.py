"""Progress of an ingest: who works tells what is done, and who shows it decides how."""

from collections.abc import Callable

# Receives the name of a phase, how much of it is done, and how much there is.
Report = Callable[[str, int, int], None]


def silent(phase: str, done: int, total: int) -> None:
    """Show nothing."""
