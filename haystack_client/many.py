"""Ask many questions within the limit of active runs, wait for all of them, and summarize their results.

The key of a question follows from its text and its options, so asking the same questions again within 24 hours continues where the
first attempt stopped: what was submitted is found, and not run twice.
"""

import time
from collections.abc import Callable, Sequence

from haystack_client.answers import Answer, Answers, waits_for
from haystack_client.errors import NotFound, RequestRefused, TooManyRuns
from haystack_client.operations import Operations, Steps
from haystack_client.questions import Question, keys

# Receives each row when it changes, and a sentence about what is being waited for; empty: nothing.
OnRow = Callable[[Answer, str], object]
ACTIVE = ("pending", "running")


def ask_many(operations: Operations, questions: Sequence[Question], on_row: OnRow) -> Steps[Answers]:
    """Submit the questions in order, then wait for each run in order, and return a row for each question.

    Raises:
        NotSignedIn: the service does not accept the identity token.
        Unavailable: the service stayed unavailable; ask again to continue.
    """
    rows = [Answer(question.query) for question in questions]
    for question, key, row in zip(questions, keys(questions), rows, strict=True):
        yield from _submit(operations, question, key, row, on_row)
    for row in rows:
        if row.run_id:
            yield from _finish(operations, row, on_row)
    return Answers(rows)


def _submit(operations: Operations, question: Question, key: str, row: Answer, on_row: OnRow) -> Steps[None]:
    while True:
        try:
            run = yield from operations.submit(question.query, key, question.options)
        except TooManyRuns as error:
            limit = f"{error.limit} active runs are the limit" if error.limit else "the limit of active runs is reached"
            on_row(row, f"{limit}: waiting for one to end")
            yield from _await_end(operations, error.retry_after)
            continue
        except RequestRefused as error:
            row.refuse(error)
        else:
            row.update(run)
        on_row(row, "")
        return


def _await_end(operations: Operations, seconds: float) -> Steps[None]:
    """Wait until the caller's oldest active run ends, at most this long; the service holds the requests meanwhile."""
    deadline = time.monotonic() + seconds
    active = yield from operations.list_runs(None, {"status": list(ACTIVE)})
    if not active["runs"]:
        return
    following = operations.following(active["runs"][-1]["run_id"])
    while not following.done and time.monotonic() < deadline:
        try:
            yield from following.change(within=deadline - time.monotonic())
        except NotFound:
            return  # deleted in the meantime


def _finish(operations: Operations, row: Answer, on_row: OnRow) -> Steps[None]:
    following = operations.following(row.run_id)
    told = ""
    try:
        while not following.done:
            run = yield from following.change()
            assert run is not None  # without a limit on the time, there is a change
            before, reason = row.status, waits_for(run)
            row.update(run)
            if not row.done and (row.status != before or reason != told):
                on_row(row, f"{row.run_id} {row.status}: {reason}" if reason else "")
            told = reason
        if row.status == "completed":
            row.conclude((yield from operations.result(row.run_id)))
    except (NotFound, RequestRefused) as error:  # deleted in the meantime
        row.status, row.reason = "deleted", error.message
    on_row(row, "")
