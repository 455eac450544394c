"""The sentences about how far a result can be trusted."""

from typing import Any

from haystack_client.evidence import sentences
from orchestrator.outputs.evidence import run_evidence
from shared.runs.evidence import Confidence
from tests.support.orchestrator.trust import result_of, unjudged, unknown_accuracy


def evidence(**changes: object) -> dict[str, Any]:
    def row(pearson: float, nearest: float | None) -> dict[str, Any]:
        return {"pearson": pearson, "nearest_pearson": nearest, "mean_delta_pearson": 0.5}

    expected = {
        "held_out": "cell_types",
        "n": 3,
        "pearson": {"median": 0.66, "low": 0.5, "high": 0.8},
        "left_out": [row(0.57, 0.6), row(0.7, 0.65), row(0.83, 0.7)],
    }
    return {
        "confidence": "moderate",
        "confidence_reason": "Responses of known cell types are predicted well.",
        "expected_accuracy": expected | changes,
        "expected_accuracy_note": None,
    }


def test_the_confidence_comes_first_then_the_accuracy_on_what_is_known() -> None:
    assert list(sentences(evidence())) == [
        "Confidence: moderate. Responses of known cell types are predicted well.",
        "On the 3 cell types where the answer is known, this method reaches r = 0.70 (0.57 to 0.83); copying the nearest type "
        "reaches 0.65.",
        "For the asked cells, expect r = 0.66 (0.50 to 0.80) against a measurement of as many perturbed cells as there are control cells.",
    ]


def test_donors_are_compared_with_the_mean_of_the_others() -> None:
    rows = [{"pearson": 0.9, "nearest_pearson": None, "mean_delta_pearson": 0.8}] * 2
    assert "On the 2 donors" in list(sentences(evidence(held_out="donors", n=2, left_out=rows)))[1]
    assert "the mean of the others reaches 0.80" in list(sentences(evidence(held_out="donors", n=2, left_out=rows)))[1]


def test_without_an_expected_accuracy_the_reason_is_given() -> None:
    found = evidence() | {"expected_accuracy": None, "expected_accuracy_note": "Nothing can be left out."}
    assert list(sentences(found))[1] == "Expected accuracy: unknown. Nothing can be left out."


def test_a_range_without_a_width_and_a_reason_that_is_not_given_are_left_out() -> None:
    same = {"median": 0.66, "low": 0.66, "high": 0.66}
    assert "expect r = 0.66 against" in list(sentences(evidence(pearson=same)))[2]
    unknown = evidence() | {"expected_accuracy": None}
    assert list(sentences(unknown))[1] == "Expected accuracy: unknown."


def test_it_reads_what_the_job_writes_whatever_was_left_out() -> None:
    for result in (*map(result_of, Confidence), unknown_accuracy(), unjudged()):
        found = run_evidence(result).model_dump(mode="json")
        first, second, *rest = sentences(found)
        assert first == f"Confidence: {found['confidence']}. {found['confidence_reason']}"
        assert second.startswith(("On the 3 cell types", "Expected accuracy: unknown. "))
        assert len(rest) == (found["expected_accuracy"] is not None)
