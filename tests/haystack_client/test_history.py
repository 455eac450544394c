"""The history of a run, from its log or from its status."""

import json
from pathlib import Path
from typing import Any

from haystack_client.history import of_log, of_status
from orchestrator.outputs.files import write_log
from tests.support.orchestrator.search_results import synthetic_result

STATUS: dict[str, Any] = {
    "query": "How would NK cells respond to IL-2?",
    "status": "running",
    "done": False,
    "attempt": 1,
    "current_phase": "evaluation",
    "current_iteration": 2,
    "max_iterations": 5,
    "grounding_scores": [5],
    "error_message": None,
    "failure": None,
    "created_at": "2026-11-22T20:34:20.251552Z",
    "updated_at": "2026-11-22T20:35:55.251552Z",
}


def test_a_log_reads_as_a_history(tmp_path: Path) -> None:
    log = json.loads(write_log(synthetic_result(), tmp_path).read_text())
    lines = list(of_log(log, STATUS | {"done": True}))
    assert lines[0].endswith("  asked: How would NK cells respond to IL-2?")
    assert any(line.startswith("  iteration 1: ") for line in lines)
    assert any(line.startswith("  stopped: ") for line in lines)
    assert any("completed after 0:01:35, attempt 1" in line for line in lines)
    for note in log["notes"]:
        assert f"  note: {note}" in lines


def test_a_running_run_shows_its_iterations_so_far_and_its_phase() -> None:
    _, first, now = of_status(STATUS)
    assert first == "  iteration 1: score 5"
    assert now.endswith("  now: evaluation · iteration 2/5 · scores 5")


def test_a_failed_run_shows_why() -> None:
    failure = {"reason": "PREEMPTED", "advice": "Submit the question again."}
    failed = STATUS | {
        "status": "failed",
        "done": True,
        "attempt": 2,
        "grounding_scores": [None],
        "error_message": "The machine was lost.",
        "failure": failure,
    }
    lines = list(of_status(failed))
    assert lines[1:] == [
        "  attempt 2: the machine of the previous one was lost or never started",
        "  iteration 1: not judged",
        lines[3],
        "  The machine was lost.",
        "  PREEMPTED: Submit the question again.",
    ]
    assert lines[3].endswith("  failed after 0:01:35, scores –")
