"""How far a result can be trusted, in sentences: confidence first, then the accuracy on known responses."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

KNOWN = {"cell_types": "cell types", "donors": "donors", "perturbations": "perturbations"}


def sentences(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield the confidence with its reason, and the expected accuracy or why there is none."""
    yield f"Confidence: {evidence['confidence']}. {evidence['confidence_reason']}"
    expected = evidence["expected_accuracy"]
    if expected is None:
        yield f"Expected accuracy: unknown. {evidence['expected_accuracy_note'] or ''}".strip()
        return
    reached = _values(expected["left_out"], "pearson")
    other, baseline = ("copying the nearest type", _values(expected["left_out"], "nearest_pearson"))
    if not baseline:
        other, baseline = "the mean of the others", _values(expected["left_out"], "mean_delta_pearson")
    yield (
        f"On the {expected['n']} {KNOWN[expected['held_out']]} where the answer is known, this method reaches r = {median(reached):.2f} "
        f"({min(reached):.2f} to {max(reached):.2f}); {other} reaches {median(baseline):.2f}."
    )
    pearson = expected["pearson"]
    low, high = f"{pearson['low']:.2f}", f"{pearson['high']:.2f}"
    between = "" if low == high else f" ({low} to {high})"
    yield (
        f"For the asked cells, expect r = {pearson['median']:.2f}{between} against a measurement of as many perturbed cells as there are "
        "control cells."
    )


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row[name] is not None]
