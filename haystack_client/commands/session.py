"""What commands have in common: the service, one way to print answers, and the run that the user means."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from typer import Exit

from haystack_client import identity, progress, show
from haystack_client.api import Client
from haystack_client.errors import Interrupted, NotFound, RetryPolicy
from haystack_client.terminal import Terminal

T = TypeVar("T")
LAST: Final = "last"


@contextmanager
def service(url: str, as_json: bool) -> Iterator[tuple[Client, Terminal]]:
    """Connect to the service, and yield its client and the output of the command."""
    terminal = Terminal(for_program=as_json)
    with Client(
        url, identity=identity.from_environment(os.environ), retry_policy=RetryPolicy(on_retry=terminal.warn)
    ) as client:
        yield client, terminal


def show_answer(terminal: Terminal, answer: T, layout: Callable[[Terminal, T], None]) -> None:
    """Print an answer of the service: as JSON for a program, else in a layout for people."""
    if terminal.for_program:
        terminal.document(answer)
    else:
        layout(terminal, answer)


def exit_unless(answerable: bool) -> None:
    """Exit with 1 if there is no answer.

    Raises:
        Exit: there is none.
    """
    if not answerable:
        raise Exit(1)


def resolve(client: Client, run_id: str) -> str:
    """Return the run id that the user means; `last` is the newest run.

    Raises:
        NotFound: there is no run yet.
    """
    if run_id != LAST:
        return run_id
    runs = client.list_runs(limit=1)["runs"]
    if not runs:
        raise NotFound("You have no runs yet.")
    return str(runs[0]["run_id"])


def follow(client: Client, terminal: Terminal, run_id: str) -> None:
    """Show the progress of a run until it ends, and how it ended; exit with 1 unless it completed.

    Raises:
        Interrupted: the user stopped watching.
        Exit: the run failed or was cancelled.
    """
    try:
        run = progress.watch(terminal, client, run_id)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Stopped watching. {run_id} continues to run.",
            f"To follow it again: haystack watch {run_id}",
            f"To cancel it: haystack cancel {run_id}",
        ) from None
    show_answer(terminal, run, show.ended)
    if run["status"] != "completed":
        raise Exit(1)
