"""The evidence for an answer: what is stored and sent, and the sentences of the report."""

from dataclasses import replace

import pytest

from orchestrator.evidence.accuracy import ExpectedAccuracy, HeldOut
from orchestrator.evidence.permutation import PERMUTATIONS
from orchestrator.outputs.evidence import accuracy_sentences, run_evidence
from orchestrator.search.search import SearchResult
from shared.runs.evidence import Confidence, RunEvidence, Spread
from tests.support.orchestrator.search_results import make_expected, synthetic_result
from tests.support.orchestrator.trust import (
    NOTE,
    not_comparable,
    result_of,
    unjudged,
    unknown_accuracy,
    with_accuracy,
    with_p_value,
)


def of_donors() -> ExpectedAccuracy:
    """Return the accuracy on two known donors, which have no most similar cell type."""
    found = make_expected(0.7, n=2)
    tests = tuple(replace(test, nearest_pearson=None, nearest_error=None) for test in found.tests)
    return replace(found, held_out=HeldOut.DONORS, tests=tests, nearest_cell_type=None)


def test_a_known_accuracy_is_stored_with_its_tests_and_baselines() -> None:
    found = run_evidence(synthetic_result())
    expected = found.expected_accuracy
    assert expected is not None
    assert found.expected_accuracy_note is None
    assert (expected.held_out, expected.n) == ("cell_types", 3)
    assert expected.pearson == Spread(median=0.8, low=0.75, high=0.85)
    assert expected.relative_squared_error == Spread(median=0.4, low=0.4, high=0.4)
    assert [each.name for each in expected.left_out] == ["type 1", "type 2", "type 3"]
    first = expected.left_out[0]
    assert (first.cells, first.pearson, first.mean_delta_pearson, first.nearest_pearson) == (100, 0.75, 0.7, 0.75)
    assert expected.baselines.no_change.pearson.median == 0
    assert expected.baselines.no_change.relative_squared_error.median == 1
    assert expected.baselines.mean_delta.pearson.median == 0.7
    assert expected.baselines.nearest_cell_type is not None
    assert expected.baselines.nearest_cell_type.relative_squared_error.median == 0.45


def test_left_out_donors_have_no_most_similar_type() -> None:
    expected = run_evidence(with_accuracy(synthetic_result(), of_donors())).expected_accuracy
    assert expected is not None
    assert (expected.held_out, expected.n) == ("donors", 2)
    assert expected.baselines.nearest_cell_type is None
    assert [each.nearest_pearson for each in expected.left_out] == [None, None]


def test_an_unknown_accuracy_is_null_and_says_why() -> None:
    found = run_evidence(unknown_accuracy())
    assert found.expected_accuracy is None
    assert found.expected_accuracy_note == NOTE


def test_a_score_that_cannot_be_judged_is_null() -> None:
    assert run_evidence(unjudged()).grounding.score is None
    assert run_evidence(synthetic_result(scores=(1,))).grounding.score == 1


@pytest.mark.parametrize("p_value", [0.005, 1.0, None])
def test_the_p_is_stored_with_the_number_of_permutations_and_null_if_unknown(p_value: float | None) -> None:
    found = run_evidence(with_p_value(synthetic_result(), p_value)).grounding
    assert (found.score, found.p_value, found.permutations) == (8, p_value, PERMUTATIONS)


@pytest.mark.parametrize("level", Confidence)
def test_the_confidence_is_stored_with_its_reason(level: Confidence) -> None:
    result = result_of(level)
    found = run_evidence(result)
    assert (found.confidence, found.confidence_reason) == result.confidence
    assert found.confidence is level
    assert found.confidence_reason.endswith(".")


def test_what_the_response_rests_on_is_counted() -> None:
    found = run_evidence(synthetic_result())
    assert (found.donors, found.cell_types, found.cells) == (2, 1, 200)


@pytest.mark.parametrize("result", [synthetic_result(), unknown_accuracy(), unjudged(), not_comparable()])
def test_it_can_be_stored_and_read_again(result: SearchResult) -> None:
    found = run_evidence(result)
    assert RunEvidence.model_validate_json(found.model_dump_json()) == found


def test_the_sentences_compare_the_method_with_copying_the_most_similar_type() -> None:
    first, second, third = accuracy_sentences(synthetic_result())
    assert first == (
        "On the 3 cell types where the answer is known, this method reaches r = 0.80 (0.75 to 0.85); copying the most similar type "
        "reaches 0.75."
    )
    assert second == (
        "For mononuclear phagocytes, expect r = 0.80 (0.75 to 0.85) against a measurement of as many perturbed cells as there are "
        "control cells, and a squared error of 0.40 of that of “no change”."
    )
    assert third == (
        "Of the 50 genes predicted to change most, 96% changed in the predicted direction, and 60% were among the 50 that changed most. "
        "What sets one of these cell types apart from the mean of the others is predicted with r = 0.20."
    )


def test_the_sentences_compare_donors_with_their_mean() -> None:
    first, *_ = accuracy_sentences(with_accuracy(synthetic_result(), of_donors()))
    assert first.startswith("On the 2 donors where the answer is known")
    assert first.endswith("the mean of the others reaches 0.60.")


def test_a_range_without_a_width_is_left_out() -> None:
    same = replace(make_expected(), pearson=make_expected(n=1).pearson)
    assert "expect r = 0.80 against" in accuracy_sentences(with_accuracy(synthetic_result(), same))[1]


def test_the_sentence_about_an_unknown_accuracy_is_its_reason() -> None:
    assert accuracy_sentences(unknown_accuracy()) == [NOTE]
