"""The stored form of the evidence: what may be null, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.outputs.evidence import run_evidence
from shared.runs.evidence import Confidence, RunEvidence
from tests.support.orchestrator.search_results import synthetic_result


def stored() -> dict[str, Any]:
    return run_evidence(synthetic_result()).model_dump(mode="json")


def test_the_four_confidences_are_stored_by_name() -> None:
    assert [each.value for each in Confidence] == ["high", "moderate", "low", "none"]


@pytest.mark.parametrize("score", [None, 1, 10])
def test_a_score_is_from_1_to_10_or_null(score: int | None) -> None:
    document = stored()
    document["grounding"] |= {"score": score, "p_value": None}
    assert RunEvidence.model_validate(document).grounding.score == score


def test_what_cannot_be_left_out_is_null() -> None:
    document = stored() | {"expected_accuracy": None, "expected_accuracy_note": "One donor."}
    assert RunEvidence.model_validate(document).expected_accuracy is None


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("grounding", {"score": 0}),
        ("grounding", {"score": 11}),
        ("expected_accuracy", {"held_out": "genes"}),
        ("expected_accuracy", {"n": None}),
        (None, {"confidence": "certain"}),
        (None, {"confidence_reason": None}),
    ],
)
def test_other_values_are_refused(part: str | None, change: dict[str, object]) -> None:
    document = stored()
    (document if part is None else document[part]).update(change)
    with pytest.raises(ValidationError):
        RunEvidence.model_validate(document)
