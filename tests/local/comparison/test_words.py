"""The sentences say when a prediction is worse than expected or than a simple method, and when there is nothing to say."""

from typing import Any

import numpy as np
import pytest

from local.comparison import words
from local.comparison.measure import Change, Comparison, Method

MEASURED = np.array([2.0, 1.0, -1.0, 0.0])


def comparison(
    predicted: list[float],
    called: list[bool],
    *,
    baseline: list[float],
    really: tuple[bool, ...] = (True,) * 3 + (False,),
) -> Comparison:
    change = np.array(predicted)
    return Comparison(
        genes=("ISG15", "MX1", "IL1B", "ACTB"),
        predicted=Change(change, change, np.array(called)),
        measured=Change(MEASURED, MEASURED, np.array(really)),
        baselines=(Method("copy of the nearest type", np.array(baseline)), Method("no change", np.zeros(4))),
        cells=20,
        controls=30,
        donors=("A", "B"),
    )


def evidence(median: float, low: float, high: float) -> dict[str, Any]:
    return {"expected_accuracy": {"pearson": {"median": median, "low": low, "high": high}}}


GOOD = comparison([2.0, 1.0, -1.0, 0.0], [True, True, False, True], baseline=[1.0, 1.0, 0.0, 0.0])
BAD = comparison([-1.0, 1.0, 0.0, 0.0], [True, True, False, False], baseline=[2.0, 1.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("found", "expected", "text"),
    [
        (GOOD, evidence(0.8, 0.7, 0.9), "expected r = 0.80 (0.70 to 0.90), so it did better than expected."),
        (GOOD, evidence(0.99, 0.97, 1.0), "expected r = 0.99 (0.97 to 1.00), so it did as expected."),
        (BAD, evidence(0.8, 0.8, 0.8), "expected r = 0.80, so it did worse than expected."),
        (BAD, {"expected_accuracy": None}, "The run could not tell what to expect."),
        (BAD, None, "The run could not tell what to expect."),
    ],
)
def test_the_correlation_is_compared_with_what_was_expected(
    found: Comparison, expected: dict[str, Any] | None, text: str
) -> None:
    assert next(iter(words.sentences(found, expected))).endswith(text)


def test_a_simple_method_that_is_nearer_is_named() -> None:
    assert "(copy of the nearest type) is farther from the measurement" in list(words.sentences(GOOD, None))[1]
    assert "(copy of the nearest type) is nearer to the measurement" in list(words.sentences(BAD, None))[1]
    same = comparison([2.0, 1.0, -1.0, 0.0], [True] * 4, baseline=[2.0, 1.0, -1.0, 0.0])
    assert "is as near to the measurement" in list(words.sentences(same, None))[1]


def test_called_genes_are_counted_with_their_direction() -> None:
    sentences = list(words.sentences(GOOD, None))
    assert sentences[2].startswith("Of the 3 genes called changed, 2 really changed in that direction: precision 67%;")
    assert sentences[3].startswith("Of the 3 genes that really changed, the prediction calls 2: recall 67%.")
    assert [words.verdict(GOOD, i) for i in range(4)] == ["right", "right", "not called", "not confirmed"]
    assert [words.verdict(BAD, i) for i in range(4)] == ["wrong direction", "right", "not called", "neither"]


def test_nothing_called_and_nothing_changed_have_no_precision_and_no_recall() -> None:
    silent = comparison([0.0] * 4, [False] * 4, baseline=[0.0] * 4, really=(False,) * 4)
    sentences = list(words.sentences(silent, None))
    assert sentences[2:] == [
        "The prediction calls no gene changed.",
        "A test of the withheld cells finds no changed gene.",
    ]
    assert words.largest_predicted(silent) == words.largest_measured(silent) == []


def test_genes_are_listed_with_both_changes_the_largest_first() -> None:
    assert words.largest_measured(BAD) == [
        ("ISG15", "−1.00", "+2.00", "wrong direction"),
        ("MX1", "+1.00", "+1.00", "right"),
        ("IL1B", "+0.00", "−1.00", "not called"),
    ]
    assert [row.gene for row in words.largest_predicted(GOOD)] == ["ISG15", "MX1", "ACTB"]
    assert [row.name for row in words.methods(GOOD)] == ["this prediction", "copy of the nearest type", "no change"]
