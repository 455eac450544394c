"""The rule of confidence: each level from its evidence, and none that is higher than the evidence."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.accuracy import HeldOut, Spread
from orchestrator.evidence.confidence import Accuracy, Basis, accuracy_of, confidence
from orchestrator.evidence.grounding import Origin
from shared.runs.evidence import Confidence
from tests.support.orchestrator.search_results import make_expected

LEVELS = [Confidence.NONE, Confidence.LOW, Confidence.MODERATE, Confidence.HIGH]


def basis(pearson: float | None = 0.85, error: float = 0.4, **changes: object) -> Basis:
    expected = None
    if pearson is not None:
        expected = replace(make_expected(pearson), relative_squared_error=Spread(error, error, error))
    found = Basis(
        expected=expected,
        origin=Origin.CROSS_CELL_TYPE,
        p_value=0.005,
        reaches_threshold=True,
        limited=False,
        judgeable=True,
        called=100,
        donors=3,
    )
    return replace(found, **changes)  # type: ignore[arg-type]  # the changes of a test


@pytest.mark.parametrize(
    ("given", "level"),
    [
        (basis(), Confidence.HIGH),
        (basis(reaches_threshold=False), Confidence.MODERATE),
        (basis(p_value=None), Confidence.MODERATE),
        (basis(p_value=0.4), Confidence.LOW),
        (basis(pearson=0.5, error=0.8), Confidence.MODERATE),
        (basis(pearson=0.5, error=0.8, p_value=0.4), Confidence.LOW),
        (basis(pearson=0.3, error=0.95), Confidence.LOW),
        (basis(pearson=0.3, error=0.95, p_value=0.4), Confidence.NONE),
        (basis(pearson=0.1, error=0.99), Confidence.NONE),
        (basis(pearson=0.85, error=1.2), Confidence.NONE),
        (basis(pearson=None), Confidence.LOW),
        (basis(pearson=None, p_value=0.4), Confidence.NONE),
        (basis(pearson=None, origin=Origin.EXACT), Confidence.MODERATE),
        (basis(pearson=None, origin=Origin.EXACT, p_value=None), Confidence.LOW),
        (basis(pearson=None, origin=Origin.EXACT, p_value=0.4), Confidence.NONE),
        (basis(origin=Origin.RELATED_PERTURBATION), Confidence.LOW),
        (basis(limited=True), Confidence.LOW),
        (basis(called=0), Confidence.LOW),
        (basis(donors=2), Confidence.MODERATE),
        (basis(donors=1), Confidence.LOW),
        (basis(matched=False, p_value=None), Confidence.LOW),
        (basis(confounded_with=["batch"]), Confidence.LOW),
        (basis(not_judged="10 perturbed prompt cells, at least 30 are needed"), Confidence.LOW),
        (basis(judgeable=False), Confidence.NONE),
    ],
)
def test_the_level_follows_the_rule(given: Basis, level: Confidence) -> None:
    found, reason = confidence(given)
    assert found is level
    assert reason.endswith(".")


@given(
    st.none() | st.floats(-1, 1),
    st.floats(0, 3),
    st.none() | st.floats(0, 1),
    st.sampled_from(list(Origin)),
    st.booleans(),
)
def test_less_evidence_is_never_more_confidence(
    pearson: float | None, error: float, p_value: float | None, origin: Origin, reaches: bool
) -> None:
    full = basis(pearson, error, p_value=p_value, origin=origin, reaches_threshold=reaches)
    level = LEVELS.index(confidence(full)[0])
    for less in (
        {"limited": True},
        {"called": 0},
        {"judgeable": False},
        {"reaches_threshold": False},
        {"p_value": 0.9},
        {"origin": Origin.RELATED_PERTURBATION},
    ):
        assert LEVELS.index(confidence(replace(full, **less))[0]) <= level


correlations, errors = st.floats(-1, 1), st.floats(0, 3)


@given(
    medians=st.tuples(correlations, correlations),
    lows=st.tuples(correlations, correlations),
    errors=st.tuples(errors, errors),
    p_value=st.none() | st.floats(0, 1),
    origin=st.sampled_from(list(Origin)),
    reaches=st.booleans(),
)
def test_a_more_accurate_method_never_has_less_confidence(
    *,
    medians: tuple[float, float],
    lows: tuple[float, float],
    errors: tuple[float, float],
    p_value: float | None,
    origin: Origin,
    reaches: bool,
) -> None:
    def level(median: float, low: float, error: float) -> int:
        expected = replace(
            make_expected(),
            pearson=Spread(median, min(low, median), 1.0),
            relative_squared_error=Spread(error, error, error),
        )
        return LEVELS.index(
            confidence(basis(expected=expected, p_value=p_value, origin=origin, reaches_threshold=reaches))[0]
        )

    worse = level(min(medians), min(lows), max(errors))
    assert worse <= level(max(medians), max(lows), min(errors))


@given(st.none() | st.floats(-1, 1), st.floats(0, 3), st.floats(0, 1), st.floats(0, 1), st.sampled_from(list(Origin)))
def test_a_larger_p_never_gives_more_confidence(
    pearson: float | None, error: float, one: float, other: float, origin: Origin
) -> None:
    smaller, larger = (
        LEVELS.index(confidence(basis(pearson, error, p_value=p, origin=origin))[0]) for p in sorted((one, other))
    )
    assert larger <= smaller


@pytest.mark.parametrize(
    ("pearson", "low", "error", "accuracy"),
    [
        (0.7, 0.4, 0.6, Accuracy.STRONG),
        (0.69, 0.4, 0.6, Accuracy.FAIR),
        (0.7, 0.39, 0.6, Accuracy.FAIR),
        (0.7, 0.4, 0.61, Accuracy.FAIR),
        (0.4, 0.0, 0.89, Accuracy.FAIR),
        (0.4, 0.0, 0.9, Accuracy.WEAK),
        (0.2, 0.0, 0.99, Accuracy.WEAK),
        (0.2, 0.0, 1.0, Accuracy.POOR),
        (0.19, 0.0, 0.5, Accuracy.POOR),
    ],
)
def test_the_limits_of_each_accuracy(pearson: float, low: float, error: float, accuracy: Accuracy) -> None:
    expected = replace(
        make_expected(), pearson=Spread(pearson, low, 1.0), relative_squared_error=Spread(error, error, error)
    )
    assert accuracy_of(expected) is accuracy


def test_an_unknown_accuracy_is_not_a_poor_one() -> None:
    assert accuracy_of(None) is Accuracy.UNKNOWN


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            basis(pearson=0.5, error=0.8),
            "Responses of known cell types are predicted in part (expected r 0.50, squared error 0.80",
        ),
        (basis(pearson=0.3, error=0.95), "predicted poorly"),
        (basis(pearson=0.1), "not predicted better than by chance or by “no change”"),
        (basis(pearson=None), "Nothing is known that could test the prediction"),
        (basis(pearson=None, origin=Origin.EXACT), "The combination itself was measured, but nothing can be left out"),
        (basis(p_value=None), "whether the expected program rises cannot be judged."),
        (basis(limited=True), "A note limits the answer, so the confidence is at most low."),
        (basis(called=0), "No gene is called changed, so the confidence is at most low."),
        (basis(judgeable=False), "Perturbed cells and controls come from different donors and cannot be compared."),
    ],
)
def test_the_reason_says_what_limits_the_confidence(given: Basis, words: str) -> None:
    assert words in confidence(given)[1]


@pytest.mark.parametrize(
    ("held_out", "words"),
    [(HeldOut.CELL_TYPES, "cell types"), (HeldOut.DONORS, "donors"), (HeldOut.PERTURBATIONS, "perturbations")],
)
def test_the_reason_names_what_was_left_out(held_out: HeldOut, words: str) -> None:
    expected = replace(make_expected(), held_out=held_out)
    assert confidence(basis(expected=expected))[1].startswith(f"Responses of known {words} are")


def test_the_reason_names_the_accuracy_and_the_p() -> None:
    assert "predicted well (expected r 0.85, squared error 0.40" in confidence(basis())[1]
    assert "p = 0.005" in confidence(basis())[1]
    assert "not clearly more than with permuted labels (p = 0.40)" in confidence(basis(p_value=0.4))[1]
    assert "related perturbation" in confidence(basis(origin=Origin.RELATED_PERTURBATION))[1]


def test_a_p_near_the_threshold_has_three_decimals() -> None:
    assert "rises not clearly more than with permuted labels (p = 0.053)." in confidence(basis(p_value=0.053))[1]
    assert "rises more than with permuted labels (p = 0.049)." in confidence(basis(p_value=0.049))[1]
