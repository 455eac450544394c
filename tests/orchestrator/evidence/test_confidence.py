"""The rule of confidence: each level from its evidence, and none that is higher than the evidence."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.accuracy import Spread
from orchestrator.evidence.confidence import Basis, confidence
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


def test_the_reason_names_the_accuracy_and_the_p() -> None:
    assert "predicted well (expected r 0.85)" in confidence(basis())[1]
    assert "p = 0.005" in confidence(basis())[1]
    assert "no more than with permuted labels (p = 0.40)" in confidence(basis(p_value=0.4))[1]
    assert "related perturbation" in confidence(basis(origin=Origin.RELATED_PERTURBATION))[1]
