"""The evidence for an answer, in the form in which it is stored, sent and written into every file."""

from orchestrator.evidence import accuracy
from orchestrator.evidence.permutation import PERMUTATIONS
from orchestrator.outputs.words import plural
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
KNOWN = {
    accuracy.HeldOut.CELL_TYPES: "cell types",
    accuracy.HeldOut.DONORS: "donors",
    accuracy.HeldOut.PERTURBATIONS: "perturbations",
}


def run_evidence(result: SearchResult) -> RunEvidence:
    """Return the evidence for the delivered iteration."""
    best = result.best
    level, reason = result.confidence
    expected = best.accuracy.expected
    return RunEvidence(
        expected_accuracy=None if expected is None else _expected(expected),
        expected_accuracy_note=best.accuracy.note or None,
        grounding=GroundingEvidence(
            score=best.summary.score,
            p_value=best.summary.p_value,
            permutations=PERMUTATIONS,
        ),
        confidence=level,
        confidence_reason=reason,
        donors=len(best.response.donors),
        cell_types=best.response.cell_types,
        cells=best.response.cells,
    )


def accuracy_sentences(result: SearchResult) -> list[str]:
    """Return how accurate the method is on known responses, next to a simple one, and what to expect for the asked cells."""
    expected = result.best.accuracy.expected
    if expected is None:
        return [result.best.accuracy.note]
    tests, observed = expected.tests, expected.observed
    copied = [test.nearest_pearson for test in tests if test.nearest_pearson is not None]
    simple = "copying the most similar type" if copied else "the mean of the others"
    baseline = accuracy.Spread.of(copied or [test.mean_delta_pearson for test in tests]).median
    cells = plural(result.question.query_type.name)
    low, high = f"{expected.pearson.low:.2f}", f"{expected.pearson.high:.2f}"
    between = "" if low == high else f" ({low} to {high})"
    return [
        f"On the {len(tests)} {KNOWN[expected.held_out]} where the answer is known, this method reaches r = {observed.median:.2f} "
        f"({observed.low:.2f} to {observed.high:.2f}); {simple} reaches {baseline:.2f}.",
        f"For {cells}, expect r = {expected.pearson.median:.2f}{between} against a "
        "measurement of as many perturbed cells as there are control cells, and a squared error of "
        f"{expected.relative_squared_error.median:.2f} of that of “no change”.",
        f"Of the 50 genes predicted to change most, {expected.direction.median:.0%} changed in the predicted direction, and "
        f"{expected.top50_overlap.median:.0%} were among the 50 that changed most. What sets one of these {KNOWN[expected.held_out]} apart "
        f"from the mean of the others is predicted with r = {expected.cell_type_specific.median:.2f}.",
    ]


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
