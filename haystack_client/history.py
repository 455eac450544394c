"""The history of a run for people: from its log once it is completed, and from its status before."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from haystack_client.progress import describe, in_a_row


def of_log(log: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what happened in a completed run, a line each.

    Args:
        log: the content of the run's `log.json`.
        run: its status.
    """
    yield f"{_clock(run['created_at'])}  asked: {run['query']}"
    yield f"  read by: {log['interpreted_by']}; random seed {log['random_seed']}; predictor: {log['predictor']}"
    donors = log.get("query_cells_by_donor", {})
    yield f"  cells: {log['query_cells']} query cells from {len(donors)} donors"
    for iteration in log["iterations"]:
        yield from _iteration(iteration)
    yield f"  delivered: iteration {log['best_iteration']}, {_score(log['grounding_score'])}"
    yield f"  stopped: {log['termination_reason']}"
    yield f"{_clock(run['updated_at'])}  completed after {_duration(run)}, attempt {run['attempt']}"
    for note in log["notes"]:
        yield f"  note: {note}"


def of_status(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known about a run that has no log: its iterations so far, and what it does now or how it ended."""
    yield f"{_clock(run['created_at'])}  asked: {run['query']}"
    if run["attempt"] != 1:
        yield f"  attempt {run['attempt']}: the machine of the previous one was lost or never started"
    for number, score in enumerate(run["grounding_scores"], start=1):
        yield f"  iteration {number}: {_score(score)}"
    if not run["done"]:
        yield f"{_clock(run['updated_at'])}  now: {describe(run)}"
        return
    scores = f", scores {in_a_row(run['grounding_scores'])}" if run["grounding_scores"] else ""
    yield f"{_clock(run['updated_at'])}  {run['status']} after {_duration(run)}{scores}"
    if run["error_message"]:
        yield f"  {run['error_message']}"
    if run["failure"]:
        yield f"  {run['failure']['reason']}: {run['failure']['advice']}"


def _iteration(iteration: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"  iteration {iteration['number']}: {iteration['strategy']} prompts, {_score(iteration['score'])}, "
        f"{iteration['num_de_genes']} genes, {iteration['duration_seconds']:.1f} s"
    )
    yield f"    {iteration['rationale']}"
    for part in iteration["components"]:
        score = "not judged" if part["score"] is None else part["score"]
        yield f"    {part['name'].replace('_', ' ')}: {score}. {part['reason']}"


def _score(score: int | None) -> str:
    return "not judged" if score is None else f"score {score}"


def _clock(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _duration(run: Mapping[str, Any]) -> str:
    lasted = datetime.fromisoformat(run["updated_at"]) - datetime.fromisoformat(run["created_at"])
    return str(timedelta(seconds=round(lasted.total_seconds())))
