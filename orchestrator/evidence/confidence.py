"""Confidence in an answer, by a rule from its expected accuracy and from how its expected program compares with permuted labels.

| accuracy | rule |
|---|---|
| strong | median r at least 0.7, lowest at least 0.4, and squared error at most 0.6 of that of "no change" |
| fair | median r at least 0.4 and squared error below 0.9 |
| weak | median r at least 0.2 and squared error below 1 |

High: strong, the score reaches its threshold, and p < 0.05. Moderate: strong unless p contradicts it, or fair with p < 0.05. Low: strong
or fair otherwise, or p < 0.05 with weak or unknown accuracy. None: everything else, and if perturbed cells and controls cannot be compared.
If the combination itself was measured and nothing can be left out: moderate with p < 0.05, low if p cannot be judged, else none.
At most moderate: with two donors. At most low: with one donor, with controls of other donors or of another batch, with too few cells to
judge, for a related perturbation, without a called gene, with a limited score, or for cells unlike the measured ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from orchestrator.evidence.accuracy import ExpectedAccuracy, HeldOut
from orchestrator.evidence.grounding import Origin
from orchestrator.evidence.inference import MIN_DONORS
from orchestrator.evidence.permutation import MAX_P
from shared.runs.evidence import Confidence

WHAT = {
    HeldOut.CELL_TYPES: "known cell types",
    HeldOut.DONORS: "known donors",
    HeldOut.PERTURBATIONS: "known perturbations",
}


class Accuracy(IntEnum):
    """How well known responses are predicted."""

    UNKNOWN = 0
    POOR = 1
    WEAK = 2
    FAIR = 3
    STRONG = 4


@dataclass(frozen=True)
class Basis:
    """What the confidence in an answer follows from."""

    expected: ExpectedAccuracy | None
    origin: Origin
    p_value: float | None  # of the expected program against permuted labels; None if it cannot be judged
    reaches_threshold: bool
    limited: bool  # whether the grounding score was limited, or the cells are unlike those of the prompt
    judgeable: bool  # whether perturbed cells and controls can be compared
    called: int  # genes called changed
    donors: int  # that the response was measured in
    matched: bool = True  # whether some donor has perturbed and control cells
    confounded_with: Sequence[str] = ()  # columns, such as a batch, in which perturbed cells and controls differ, too
    not_judged: str = ""  # why the score cannot be judged


def confidence(basis: Basis) -> tuple[Confidence, str]:
    """Return the confidence in an answer, and its reason as a sentence."""
    if not basis.judgeable:
        return Confidence.NONE, "Perturbed cells and controls come from different donors and cannot be compared."
    accuracy = accuracy_of(basis.expected)
    significant = basis.p_value is not None and basis.p_value < MAX_P
    contradicted = basis.p_value is not None and not significant
    measured = accuracy is Accuracy.UNKNOWN and basis.origin is Origin.EXACT
    if accuracy is Accuracy.STRONG and significant and basis.reaches_threshold:
        level = Confidence.HIGH
    elif (accuracy is Accuracy.STRONG and not contradicted) or (
        significant and (accuracy is Accuracy.FAIR or measured)
    ):
        level = Confidence.MODERATE
    elif (
        accuracy >= Accuracy.FAIR or (significant and accuracy is not Accuracy.POOR) or (measured and not contradicted)
    ):
        level = Confidence.LOW
    else:
        level = Confidence.NONE
    if level in {Confidence.HIGH, Confidence.MODERATE} and (limit := _limit(basis)):
        return Confidence.LOW, f"{_reason(basis)} {limit}"
    if level is Confidence.HIGH and basis.donors < MIN_DONORS:
        return Confidence.MODERATE, (
            f"{_reason(basis)} Two donors cannot show how much others differ, so the confidence is at most moderate."
        )
    return level, _reason(basis)


def accuracy_of(expected: ExpectedAccuracy | None) -> Accuracy:
    """Return how well known responses are predicted."""
    if expected is None:
        return Accuracy.UNKNOWN
    pearson, error = expected.pearson, expected.relative_squared_error.median
    if pearson.median >= 0.7 and pearson.low >= 0.4 and error <= 0.6:
        return Accuracy.STRONG
    if pearson.median >= 0.4 and error < 0.9:
        return Accuracy.FAIR
    return Accuracy.WEAK if pearson.median >= 0.2 and error < 1 else Accuracy.POOR


def _limit(basis: Basis) -> str:
    limits = (
        (basis.not_judged, f"The score cannot be judged ({basis.not_judged})"),
        (not basis.matched, "Perturbed and control cells come from different donors, who differ anyway"),
        (
            basis.confounded_with,
            f"Perturbed cells and their controls differ in {' and '.join(basis.confounded_with)}, too",
        ),
        # One donor has nothing to be compared with.
        (basis.donors < 2, "With one donor, a response cannot be told from a difference between two samples"),
        (basis.origin is Origin.RELATED_PERTURBATION, "The answer is inferred from a related perturbation"),
        (basis.limited, "A note limits the answer"),
        (not basis.called, "No gene is called changed"),
    )
    return next((f"{reason}, so the confidence is at most low." for holds, reason in limits if holds), "")


def _reason(basis: Basis) -> str:
    if basis.expected is not None:
        words = {
            Accuracy.STRONG: "predicted well",
            Accuracy.FAIR: "predicted in part",
            Accuracy.WEAK: "predicted poorly",
            Accuracy.POOR: "not predicted better than by chance or by “no change”",
        }[accuracy_of(basis.expected)]
        known = (
            f"Responses of {WHAT[basis.expected.held_out]} are {words} (expected r {basis.expected.pearson.median:.2f}, squared error "
            f"{basis.expected.relative_squared_error.median:.2f} of that of “no change”)"
        )
    elif basis.origin is Origin.EXACT:
        known = "The combination itself was measured, but nothing can be left out to test the prediction"
    else:
        known = "Nothing is known that could test the prediction"
    if basis.p_value is None:
        return f"{known}; whether the expected program rises cannot be judged."
    if basis.p_value < MAX_P:
        return f"{known}; the expected program rises more than with permuted labels (p = {basis.p_value:.3f})."
    shown = f"{basis.p_value:.{3 if basis.p_value < 0.1 else 2}f}"  # 0.053 must not read as the threshold
    return f"{known}; the expected program rises not clearly more than with permuted labels (p = {shown})."
