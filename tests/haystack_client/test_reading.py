"""How a question was read: what is missing or ignored comes first, and a refusal says what to ask instead."""

import re
import shlex
from typing import Any

import pytest

from haystack_client import QuestionNotAnswerable, reading
from haystack_client.terminal import Terminal
from shared.catalog import interpretation as models
from tests.haystack_client.conftest import ROOT

CLEAN: dict[str, Any] = {
    "answerable": True,
    "dataset": "demo",
    "cell_type": {
        "name": "CD8-positive, alpha-beta T cell",
        "cell_ontology_id": "CL:0000625",
        "matched_text": "CD8 T cells",
        "match": "synonym",
        "used": {
            "label": "CD8 T cells",
            "name": "CD8-positive, alpha-beta T cell",
            "cell_ontology_id": "CL:0000625",
            "relation": "exact",
            "distance": 0,
            "cells": 1324,
        },
    },
    "perturbation": {
        "name": "TNF-alpha",
        "kind": "cytokine",
        "matched_text": "TNF",
        "match": "synonym",
        "evidence": "measured_in_cell_type",
        "used": "TNF-alpha",
    },
    "genes": [],
    "caveats": [],
}


def caveat(code: str, text: str, detail: str = "Explanation.", *, blocking: bool = False) -> dict[str, object]:
    """Return a caveat."""
    return {"code": code, "text": text, "detail": detail, "blocking": blocking}


def shown(found: dict[str, Any], capsys: pytest.CaptureFixture[str], *suggestions: str) -> list[str]:
    """Return the lines that an interpretation is shown in."""
    models.Interpretation.model_validate(found)  # the fields above are those of the service
    reading.interpretation(Terminal(), found, suggestions)
    return capsys.readouterr().out.splitlines()


def test_a_clean_question_takes_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(CLEAN, capsys) == [
        "cell type: CD8-positive, alpha-beta T cell (CL:0000625), from “CD8 T cells”",
        "cells used: CD8 T cells; 1,324 control cells in demo",
        "perturbation: TNF-alpha, from “TNF”; measured in CD8 T cells",
    ]


def test_simulated_cells_are_not_called_measured(capsys: pytest.CaptureFixture[str]) -> None:
    simulated = {"caveats": [caveat("semi_synthetic", "demo")]}
    assert shown(CLEAN | simulated, capsys)[-1] == "perturbation: TNF-alpha, from “TNF”; simulated in CD8 T cells"
    other = CLEAN["perturbation"] | {"evidence": "measured_in_other_cell_types"}
    assert shown(CLEAN | simulated | {"perturbation": other}, capsys)[-1].endswith("; simulated in other cell types")


def test_the_genes_of_a_question_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    genes = [{"symbol": "CXCL10", "direction": "up"}, {"symbol": "IL6", "direction": "any"}]
    assert shown(CLEAN | {"genes": genes}, capsys)[-1] == "genes asked about: CXCL10 (increase), IL6 (any change)"
    assert shown(CLEAN | {"genes": [{"symbol": "STAT1", "direction": "unchanged"}]}, capsys)[-1] == (
        "gene asked about: STAT1 (unchanged)"
    )


def test_what_is_ignored_or_missing_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    used = {"label": "MDC", "name": "mononuclear phagocyte", "cell_ontology_id": "CL:0000113", "cells": 143}
    found = CLEAN | {
        "cell_type": CLEAN["cell_type"] | {"match": "fuzzy", "used": used | {"relation": "supertype", "distance": 2}},
        "caveats": [
            caveat("stand_in_cell_type", "monocytes", "The answer is for MDC."),
            caveat("time", "6 h"),
            caveat("dose", "100 ng/ml"),
            caveat("time", "24 h"),
            caveat("unknown_words", ""),
        ],
    }
    lines = shown(found, capsys)
    assert lines[:2] == [
        "not taken into account: time (6 h, 24 h), dose (100 ng/ml), words that the answer does not cover",
        "The answer is for MDC.",
    ]
    assert lines[2].endswith("from “CD8 T cells” (fuzzy match)")
    assert lines[3] == "cells used: MDC (mononuclear phagocyte), a supertype of it; 143 control cells in demo"


def test_regression_a_time_that_the_question_does_not_name_is_told_as_the_other_times(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(CLEAN | {"caveats": [caveat("time", "")]}, capsys)
    assert lines[0] == "not taken into account: time (the other measured times)"


@pytest.mark.parametrize(
    ("evidence", "used", "first", "last"),
    [
        (
            "measured_in_other_cell_types",
            "TNF-alpha",
            "TNF-alpha is not measured in CD8 T cells; the answer is inferred from other cell types.",
            "perturbation: TNF-alpha, from “TNF”; measured in other cell types",
        ),
        (
            "related_perturbation",
            "LT-alpha",
            "No atlas has TNF-alpha.",
            "perturbation: TNF-alpha, from “TNF”; not measured, LT-alpha is used instead",
        ),
    ],
)
def test_what_was_not_measured_comes_first(
    evidence: str, used: str, first: str, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    related = [caveat("related_perturbation", "TNF", "No atlas has TNF-alpha.")] if used != "TNF-alpha" else []
    found = CLEAN | {"perturbation": CLEAN["perturbation"] | {"evidence": evidence, "used": used}, "caveats": related}
    lines = shown(found, capsys)
    assert (lines[0], lines[-1]) == (first, last)


def test_a_refusal_gives_its_reasons_and_commands_to_paste(capsys: pytest.CaptureFixture[str]) -> None:
    found = CLEAN | {
        "answerable": False,
        "dataset": None,
        "cell_type": None,
        "perturbation": CLEAN["perturbation"] | {"evidence": None, "used": None},
        "caveats": [
            caveat("knockout", "knockout of IFNGR1", "No atlas has a knockout of IFNGR1.", blocking=True),
            caveat("no_cell_type", "", "The question names no cell type.", blocking=True),
            caveat("few_cells", ""),  # without an answer, this says nothing
            caveat("disease", "RA patients"),
            caveat("time", "24 h"),
        ],
    }
    error = QuestionNotAnswerable(
        "error 422: No.", interpretation=found, reasons=["No."], suggestions=["How would B cells respond to TNF?"]
    )
    reading.refusal(Terminal(), error)
    assert capsys.readouterr().out.splitlines() == [
        "cannot be answered:",
        "  No atlas has a knockout of IFNGR1.",
        "  The question names no cell type.",
        "perturbation: TNF-alpha, from “TNF”",
        "You could ask:",
        '  haystack submit "How would B cells respond to TNF?"',
        "Also not taken into account: disease (RA patients), time (24 h)",
    ]


def test_a_result_is_read_in_a_line_after_what_narrows_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = CLEAN | {
        "perturbation": CLEAN["perturbation"] | {"evidence": "related_perturbation", "used": "LT-alpha"},
        "genes": [{"symbol": "IL6", "direction": "up"}],
        "caveats": [caveat("related_perturbation", "TNF", "No atlas has TNF-alpha."), caveat("dose", "1 ng/ml")],
    }
    reading.in_short(Terminal(), found)
    assert capsys.readouterr().out.splitlines() == [
        "not taken into account: dose (1 ng/ml)",
        "No atlas has TNF-alpha.",
        "read as: TNF-alpha (answered by LT-alpha) in CD8-positive, alpha-beta T cell; cells used: CD8 T cells; "
        "gene asked about: IL6 (increase)",
    ]


@pytest.mark.parametrize("question", ["plain", "monocytes' response", 'say "TNF"', "$(id) `id` !! \\", "a\nb"])
def test_a_pasted_question_reaches_the_command_as_one_word(question: str, capsys: pytest.CaptureFixture[str]) -> None:
    reading.interpretation(Terminal(), CLEAN, [question])
    command = capsys.readouterr().out.partition("You could ask:\n")[2]
    assert shlex.split(command) == ["haystack", "submit", question]
    assert '"$' not in command  # double quotes do not stop a shell from running what follows `$`


def test_the_codes_of_ignored_parts_are_those_of_the_service() -> None:
    assert {code.value for code in models.IGNORED} == reading.IGNORED.keys()
    assert {direction.value for direction in models.Direction} == reading.CHANGES.keys()
    assert {relation.value for relation in models.Relation} == reading.RELATIONS.keys()
    assert {evidence.value for evidence in models.Evidence} == reading.MEASURED.keys()


def test_the_documentation_lists_every_code() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    blocking, _, others = text.partition("| blocking code |")[2].partition("| other code |")
    listed = [set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) for part in (blocking, others)]
    codes = {code.value for code in models.CaveatCode}
    assert listed == [{code.value for code in models.BLOCKING}, codes - {code.value for code in models.BLOCKING}]
