"""The evidence for an answer, in the form in which it is stored, sent and written into every file."""

from orchestrator.evidence import accuracy
from orchestrator.evidence.permutation import PERMUTATIONS
from orchestrator.search.search import SearchResult
from shared.runs.evidence import (
    BaselineAccuracy,
    Baselines,
    ExpectedAccuracy,
    GroundingEvidence,
    LeftOutResponse,
    RunEvidence,
    Spread,
)

DIGITS = 4


def run_evidence(result: SearchResult) -> RunEvidence:
    """Return the evidence for the delivered iteration."""
    best = result.best
    level, reason = result.confidence
    expected = best.accuracy.expected
    return RunEvidence(
        expected_accuracy=None if expected is None else _expected(expected),
        expected_accuracy_note=best.accuracy.note or None,
        grounding=GroundingEvidence(
            score=best.summary.score if best.summary.judged else None,
            p_value=best.summary.p_value,
            permutations=PERMUTATIONS,
        ),
        confidence=level,
        confidence_reason=reason,
        donors=len(best.response.donors),
        cell_types=best.response.cell_types,
        cells=best.response.cells,
    )


def _expected(expected: accuracy.ExpectedAccuracy) -> ExpectedAccuracy:
    nothing, all_of_it = (accuracy.Spread(value, value, value) for value in (0.0, 1.0))
    nearest = expected.nearest_cell_type
    return ExpectedAccuracy(
        held_out=expected.held_out.value,
        n=len(expected.tests),
        pearson=_spread(expected.pearson),
        relative_squared_error=_spread(expected.relative_squared_error),
        top50_overlap=_spread(expected.top50_overlap),
        direction=_spread(expected.direction),
        cell_type_specific=_spread(expected.cell_type_specific),
        baselines=Baselines(
            no_change=_baseline(accuracy.Baseline(nothing, all_of_it)),
            mean_delta=_baseline(expected.mean_delta),
            nearest_cell_type=None if nearest is None else _baseline(nearest),
        ),
        left_out=[
            LeftOutResponse(
                name=test.name,
                cells=test.cells,
                pearson=round(test.pearson, DIGITS),
                relative_squared_error=round(test.relative_squared_error, DIGITS),
                mean_delta_pearson=round(test.mean_delta_pearson, DIGITS),
                nearest_pearson=None if test.nearest_pearson is None else round(test.nearest_pearson, DIGITS),
            )
            for test in expected.tests
        ],
    )


def _spread(spread: accuracy.Spread) -> Spread:
    return Spread(median=round(spread.median, DIGITS), low=round(spread.low, DIGITS), high=round(spread.high, DIGITS))


def _baseline(baseline: accuracy.Baseline) -> BaselineAccuracy:
    return BaselineAccuracy(
        pearson=_spread(baseline.pearson), relative_squared_error=_spread(baseline.relative_squared_error)
    )
