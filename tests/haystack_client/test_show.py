"""Layouts: nothing from the service acts on a terminal, and narrow terminals cut only the question."""

import string
from collections.abc import Callable
from typing import Any

import pytest

from haystack_client import QuestionNotAnswerable, RequestRefused, reading, show
from haystack_client.terminal import Terminal
from orchestrator.outputs.words import p_value

HARMFUL = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\x7f\u202egnp.exe\u2069\ud800"
INTERPRETATION: dict[str, Any] = {
    "answerable": False,
    "dataset": HARMFUL,
    "cell_type": {
        "name": HARMFUL,
        "cell_ontology_id": HARMFUL,
        "matched_text": HARMFUL,
        "match": HARMFUL,
        "used": {"label": HARMFUL, "name": HARMFUL, "relation": HARMFUL, "cells": 1},
    },
    "perturbation": {
        "name": HARMFUL,
        "matched_text": HARMFUL,
        "match": HARMFUL,
        "evidence": HARMFUL,
        "used": HARMFUL + "b",
    },
    "genes": [{"symbol": HARMFUL, "direction": HARMFUL}],
    "caveats": [
        {"code": HARMFUL, "text": HARMFUL, "detail": HARMFUL, "blocking": True},
        {"code": HARMFUL, "text": HARMFUL, "detail": HARMFUL, "blocking": False},
        {"code": "dose", "text": HARMFUL, "detail": HARMFUL, "blocking": False},
    ],
}
RUN: dict[str, Any] = {
    "run_id": "run_0123456789ab" + HARMFUL,
    "status": HARMFUL,
    "done": False,
    "query": "How would" + HARMFUL,
    "interpretation": INTERPRETATION,
    "current_phase": HARMFUL,
    "current_iteration": HARMFUL,
    "max_iterations": HARMFUL,
    "attempt": HARMFUL,
    "grounding_scores": [HARMFUL],
    "control_strategy": HARMFUL,
    "control_strategy_effective": HARMFUL + "b",
    "error_message": HARMFUL,
    "failure": {"reason": HARMFUL, "advice": HARMFUL},
    "created_at": "2026-01-31T12:00:00.000000Z",
    "updated_at": "2026-01-31T12:00:00.000000Z",
}
VALIDATION: dict[str, Any] = {
    "interpretation": INTERPRETATION | {"answerable": True},
    "suggestions": [HARMFUL],
    "control_conditions": [HARMFUL],
    "control_donors": [],
    "control_cells_found": 1,
    "synthetic_control_available": True,
    "recommendation": HARMFUL,
    "warning": HARMFUL,
}
RESULT: dict[str, Any] = {
    "run_id": HARMFUL,
    "success": True,
    "interpretation": INTERPRETATION,
    "answer": HARMFUL,
    "grounding_score": HARMFUL,
    "termination_reason": HARMFUL,
    "control_strategy_effective": HARMFUL,
    "iterations": [
        {
            "number": HARMFUL,
            "score": HARMFUL,
            "strategy": HARMFUL,
            "duration_seconds": 1.0,
            "components": [{"name": HARMFUL, "score": HARMFUL, "reason": HARMFUL}],
        }
    ],
    "num_de_genes": HARMFUL,
    "top_upregulated": [{"gene": HARMFUL, "log2_fold_change": 1.0}],
    "top_downregulated": [],
    "enriched_pathways": [{"name": HARMFUL, "score": 1.0, "adjusted_p_value": 0.5}],
    "notes": [HARMFUL],
    "files": [{"name": HARMFUL, "size": 1}],
}
NAMED = {"name": HARMFUL, "type": HARMFUL, "cell_ontology_id": HARMFUL, "lineage": HARMFUL, "datasets": [HARMFUL]}
DATASET: dict[str, Any] = {
    "name": HARMFUL,
    "title": HARMFUL,
    "description": HARMFUL,
    "ingested": False,
    "semi_synthetic": True,
    "cells": 1,
    "genes": None,
    "cell_types": 1,
    "perturbations": 1,
    "donors": [HARMFUL],
    "control_conditions": [],
    "licence": HARMFUL,
    "source": HARMFUL,
}
COUNTS = {"cell_count": 1, "control_count": None}
REFUSAL = QuestionNotAnswerable(HARMFUL, interpretation=INTERPRETATION, reasons=[HARMFUL], suggestions=[HARMFUL])
LAYOUTS: list[tuple[Callable[..., None], object]] = [
    (show.status, RUN),
    (show.submitted, RUN),
    (show.ended, RUN),
    (show.cancelled, RUN),
    (show.runs, {"runs": [RUN], "total": 1}),
    (show.validation, VALIDATION),
    (show.preview, {"would_run": False, "validation": VALIDATION}),
    (reading.refusal, REFUSAL),
    (show.result, RESULT),
    (show.files, RESULT),
    (show.datasets, [HARMFUL]),
    (show.dataset, DATASET),
    (show.perturbations, [NAMED | COUNTS]),
    (show.cell_types, [NAMED | COUNTS]),
    (Terminal.line, HARMFUL),
    (Terminal.prose, HARMFUL),
    (Terminal.warn, HARMFUL),
    (Terminal.fail, RequestRefused(HARMFUL, HARMFUL)),
]


@pytest.mark.parametrize(("lay_out", "answer"), LAYOUTS, ids=[each.__name__ for each, _ in LAYOUTS])
@pytest.mark.parametrize("for_program", [False, True])
def test_text_from_the_service_cannot_act_on_a_terminal(
    lay_out: Callable[..., None], answer: object, for_program: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(Terminal(for_program=for_program), answer)
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert "\N{REPLACEMENT CHARACTER}" in written
    assert not set(HARMFUL) & set(written) - set(string.printable[:95])


def test_eighty_columns_cut_only_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    run = {
        "run_id": "run_0123456789ab",
        "status": "completed",
        "confidence": "medium",
        "grounding_scores": [5, 6, 7],
        "created_at": "2026-01-31T12:00:00.000000Z",
        "query": "How would [CD14] monocytes respond to IFN-gamma,\nand why would they?",
    }
    terminal = Terminal()
    terminal.people.width = 80
    show.runs(terminal, {"runs": [run], "total": 1})
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("run_0123456789ab   completed   medium")
    assert "How would [CD14]" in row
    assert row.endswith("…")
    assert len(row) <= 80


@pytest.mark.parametrize("lay_out", [show.outcome, show.ended, show.status])
def test_the_confidence_of_a_run_comes_before_its_scores(
    lay_out: Callable[[Terminal, dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = {name: "x" if value == HARMFUL else value for name, value in RUN.items()} | {"grounding_scores": [9]}
    lay_out(Terminal(), run | {"confidence": "low"})
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("confidence: low") + 1 == lines.index("grounding scores: 9")
    lay_out(Terminal(), run)  # of an older service, or without a result
    assert "confidence" not in capsys.readouterr().out


def test_the_list_of_runs_has_their_confidence_instead_of_scores(capsys: pytest.CaptureFixture[str]) -> None:
    run = {name: "x" if value == HARMFUL else value for name, value in RUN.items()}
    show.runs(Terminal(), {"runs": [run | {"confidence": "high"}, run], "total": 2})
    heading, _, known, unknown, *_ = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["run", "status", "confidence", "created"]
    assert (known.split()[2], unknown.split()[2]) == ("high", "–")


@pytest.mark.parametrize(("attempt", "shown"), [(1, False), (2, True)])
def test_a_second_attempt_is_shown(attempt: int, shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    run = {name: "x" if value == HARMFUL else value for name, value in RUN.items()} | {"attempt": attempt}
    show.status(Terminal(), run)
    assert ("attempt: 2 (the machine of the previous attempt was lost" in capsys.readouterr().out) is shown


def test_eighty_columns_wrap_names_and_cut_only_the_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    long = "5-(9-Isopropyl-8-methyl-2-morpholino-9H-purin-6-yl)pyrimidin-2-amine"
    counts = {"cell_count": 1234567, "control_count": None}
    names = [{"name": name, "type": "compound", "datasets": ["demo_immune_semisynthetic"]} for name in (long, "TNF")]
    terminal = Terminal()
    terminal.people.width = 80
    show.perturbations(terminal, [name | counts for name in names])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines[2:-1]) == long
    assert lines[-1].split() == ["TNF", "compound", "1,234,567", "-", "demo_immune_semisyn…"]
    terminal.people.width = 200
    show.perturbations(terminal, [name | counts for name in names])
    assert long in capsys.readouterr().out


def test_a_note_that_repeats_a_caveat_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    caveat = {"code": "few_cells", "text": "", "detail": "Only 12 cells.", "blocking": False}
    read = {"answerable": True, "cell_type": None, "perturbation": None, "genes": [], "caveats": [caveat]}
    found = {name: "x" if value == HARMFUL else value for name, value in RESULT.items()}
    show.result(Terminal(), found | {"interpretation": read, "notes": ["Only 12 cells.", "Another note."]})
    written = capsys.readouterr().out
    assert written.count("Only 12 cells.") == 1
    assert "note: Another note." in written


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("score_threshold: 9 reaches the threshold of 7", "Stopped because the score of 9 reached the threshold of 7."),
        (
            "no_new_prompt: all prompts from the atlas were tried",
            "Stopped because all prompts from the atlas were tried.",
        ),
    ],
)
def test_why_the_search_stopped_is_a_sentence(reason: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    show.findings(Terminal(), RESULT | {"termination_reason": reason, "grounding_score": 9})
    assert shown in capsys.readouterr().out.splitlines()


def test_a_score_that_cannot_be_judged_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: ten cells were shown as "grounding score: 1 of 10, no success"."""
    few = "Cannot be judged: 10 perturbed prompt cells, at least 30 are needed."
    parts = [{"name": name, "score": None, "reason": few} for name in ("pathway_coherence", "network_coherence")]
    iteration = {"number": 1, "score": None, "strategy": "direct", "duration_seconds": 1.0, "components": parts}
    found = RESULT | {"success": False, "grounding_score": None, "grounding_p_value": 0.2, "iterations": [iteration]}
    show.findings(Terminal(), found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "grounding score: not judged: 10 perturbed prompt cells, at least 30 are needed"
    assert "iteration 1: not judged, direct prompts, 1.0 s" in lines
    other = iteration | {"components": [parts[0], parts[1] | {"reason": "Not evaluated: nothing is known."}]}
    show.findings(Terminal(), found | {"iterations": [other]})
    assert capsys.readouterr().out.splitlines()[0] == "grounding score: not judged"
    show.outcome(Terminal(), RUN | {"grounding_scores": [None, 8]})
    assert "grounding scores: – 8 (–: not judged)" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("genes", "shown"), [(0, "no gene is called changed"), (1, "1 gene called changed")])
def test_pathways_without_a_called_gene_are_a_hint(genes: int, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    show.findings(Terminal(), RESULT | {"num_de_genes": genes})
    lines = capsys.readouterr().out.splitlines()
    assert shown in lines
    assert ("  ordered by the change of log1p(CP10k)" in lines) is (genes > 0)
    assert any("take them as a hint" in line for line in lines) is (genes == 0)


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0, "< 1e−300"), (1.04e-40, "1.0e−40"), (5e-5, "5.0e−5"), (0.0312, "0.031"), (1.0, "1.000")]
)
def test_numbers_have_one_minus_sign_and_p_values_the_format_of_the_report(
    p: float, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pathway = {"name": "X", "score": -3.456, "adjusted_p_value": p}
    show.findings(Terminal(), RESULT | {"enriched_pathways": [pathway]})
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("X"))
    assert row.split(maxsplit=2) == ["X", "−3.46", shown]
    assert shown == p_value(p)
