"""Expected accuracy: the same predictor on responses that are known, each left out in turn.

A measured response is itself uncertain, so no prediction agrees with it perfectly. The correlation with a measurement is the correlation
with the true response times the square root of the measurement's reliability (Spearman 1904). Each left-out response is corrected for its
own reliability, and the median for that of a measurement with as many cells as the asked cell type has controls. So a cell type with few
cells expects less, and one whose response is predicted to be small expects less.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np

from orchestrator.atlas.expression import Floats
from orchestrator.prediction.transfer import TransferSettings, correlation

TOP_GENES: Final = 50
# A reliability below this says nothing: dividing by it would invent agreement.
MIN_RELIABILITY: Final = 0.05
MIN_TESTS: Final = 2


class HeldOut(StrEnum):
    """What is left out in turn."""

    CELL_TYPES = "cell_types"
    DONORS = "donors"
    PERTURBATIONS = "perturbations"


@dataclass(frozen=True)
class Known:
    """A known response, and what is predicted for it without it."""

    name: str
    cells: int
    effect: Floats  # measured change of log1p(counts per 10,000)
    variance: Floats  # of the effect
    predicted: Floats
    mean_delta: Floats  # mean effect of all other known responses
    nearest: Floats | None  # effect of the most similar cell type; None if cell types are not what is left out


@dataclass(frozen=True)
class LeftOut:
    """How well one known response is predicted, next to baselines; correlations over all genes."""

    name: str
    cells: int
    pearson: float
    relative_squared_error: float  # relative to "no change"
    top50_overlap: float  # share of the 50 genes that change most that are among the 50 predicted to change most
    direction: float  # share of the 50 genes predicted to change most that change in that direction
    cell_type_specific: float  # correlation of what the mean response of the others does not explain of either
    mean_delta_pearson: float
    mean_delta_error: float
    nearest_pearson: float | None
    nearest_error: float | None
    reliability: float  # of the measured response, 0..1


@dataclass(frozen=True)
class Spread:
    """The median and the extremes of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarize at least one value."""
        return cls(float(np.median(values)), float(min(values)), float(max(values)))


@dataclass(frozen=True)
class Baseline:
    """How well a simple method does on the same known responses."""

    pearson: Spread
    relative_squared_error: Spread


@dataclass(frozen=True)
class ExpectedAccuracy:
    """What to expect of a prediction, from at least `MIN_TESTS` known responses.

    `pearson`, `relative_squared_error` and the baselines are expected against a measurement of the asked cells; the rest is as observed.
    """

    held_out: HeldOut
    tests: tuple[LeftOut, ...]
    pearson: Spread
    relative_squared_error: Spread
    top50_overlap: Spread
    direction: Spread
    cell_type_specific: Spread
    mean_delta: Baseline
    nearest_cell_type: Baseline | None
    true_pearson: float  # median correlation with the true response, without the noise of measuring it; orders prompts

    @property
    def observed(self) -> Spread:
        """The correlations with the known responses, as measured."""
        return Spread.of([test.pearson for test in self.tests])


def expected_accuracy(
    held_out: HeldOut, known: Sequence[Known], reliability: Callable[[], float]
) -> ExpectedAccuracy | None:
    """Summarize tests on known responses; None if there are fewer than `MIN_TESTS`.

    Args:
        known: several of one name are the same response in different donors.
        reliability: of a measurement of the asked cells, 0..1.
    """
    names = list(dict.fromkeys(each.name for each in known))
    if len(names) < MIN_TESTS:
        return None
    tests = tuple(_merged([_tested(each) for each in known if each.name == name]) for name in names)
    here = reliability()

    def pearson(values: Sequence[tuple[float, LeftOut]]) -> Spread:
        return Spread.of([_true(value, test) * float(np.sqrt(here)) for value, test in values])

    def error(values: Sequence[tuple[float, LeftOut]]) -> Spread:
        return Spread.of([_true_error(value, test) * here + (1.0 - here) for value, test in values])

    nearest = [(test.nearest_pearson, test.nearest_error, test) for test in tests]
    by_nearest = [(r, e, test) for r, e, test in nearest if r is not None and e is not None]
    return ExpectedAccuracy(
        held_out=held_out,
        tests=tests,
        pearson=pearson([(test.pearson, test) for test in tests]),
        relative_squared_error=error([(test.relative_squared_error, test) for test in tests]),
        top50_overlap=Spread.of([test.top50_overlap for test in tests]),
        direction=Spread.of([test.direction for test in tests]),
        cell_type_specific=Spread.of([test.cell_type_specific for test in tests]),
        mean_delta=Baseline(
            pearson([(test.mean_delta_pearson, test) for test in tests]),
            error([(test.mean_delta_error, test) for test in tests]),
        ),
        nearest_cell_type=Baseline(
            pearson([(r, test) for r, _, test in by_nearest]), error([(e, test) for _, e, test in by_nearest])
        )
        if len(by_nearest) == len(tests)
        else None,
        true_pearson=float(np.median([_true(test.pearson, test) for test in tests])),
    )


def reliability_of(effect: Floats, variance: Floats) -> float:
    """Return the share of a measured response that is not noise, 0..1."""
    total = float(effect.var())
    return float(np.clip(1.0 - float(variance.mean()) / total, 0.0, 1.0)) if total > 0 else 0.0


def expected_reliability(predicted: Floats, variance: Floats) -> float:
    """Return the reliability of a measurement, if the response is the predicted one: signal over signal and noise.

    Args:
        variance: of the measured effect of each gene.
    """
    signal, noise = float(predicted.var()), float(variance.mean())
    return signal / (signal + noise) if signal > 0 else 0.0


def chosen_magnitude(known: Sequence[Known]) -> float:
    """Return the factor on predictions that fits the known responses best (least squares), between 0.5 and 1.2."""
    power = sum(float(each.predicted @ each.predicted) for each in known)
    if power <= 0:
        return 1.0
    return float(np.clip(sum(float(each.predicted @ each.effect) for each in known) / power, 0.5, 1.2))


def mean_pearson(known: Sequence[Known]) -> float:
    """Return the mean correlation of predictions with known responses."""
    return float(np.mean([correlation(each.predicted, each.effect) for each in known]))


def settings_grid() -> list[TransferSettings]:
    """Return the settings that leaving out known responses chooses from, the default first."""
    lengths = (TransferSettings().length, 0.5, 1.0, 1.5)
    return [TransferSettings(length=length) for length in lengths]


def _tested(known: Known) -> LeftOut:
    effect, predicted = known.effect, known.predicted
    power = max(float(effect @ effect), 1e-12)

    def error(change: Floats) -> float:
        return float(np.sum((change - effect) ** 2)) / power

    n_top = min(TOP_GENES, len(effect))
    changing, expected = (
        set(np.argsort(-np.abs(each), kind="stable")[:n_top].tolist()) for each in (effect, predicted)
    )
    foreseen = [gene for gene in expected if predicted[gene] != 0]
    right = [np.sign(predicted[gene]) == np.sign(effect[gene]) for gene in foreseen]
    return LeftOut(
        name=known.name,
        cells=known.cells,
        pearson=correlation(predicted, effect),
        relative_squared_error=error(predicted),
        top50_overlap=len(changing.intersection(foreseen)) / n_top,
        direction=float(np.mean(right)) if right else 0.0,
        cell_type_specific=correlation(_apart_from(known.mean_delta, predicted), _apart_from(known.mean_delta, effect)),
        mean_delta_pearson=correlation(known.mean_delta, effect),
        mean_delta_error=error(known.mean_delta),
        nearest_pearson=None if known.nearest is None else correlation(known.nearest, effect),
        nearest_error=None if known.nearest is None else error(known.nearest),
        reliability=reliability_of(effect, known.variance),
    )


def _merged(tests: Sequence[LeftOut]) -> LeftOut:
    """Return the mean of the tests of one known response, each in some of its donors."""
    first = tests[0]
    if len(tests) == 1:
        return first

    def mean(field: str) -> float | None:
        values = [getattr(test, field) for test in tests]
        return None if None in values else float(np.mean(values))

    means: dict[str, Any] = {
        field.name: mean(field.name) for field in fields(LeftOut) if field.name not in {"name", "cells"}
    }
    return replace(first, cells=sum(test.cells for test in tests), **means)


def _apart_from(mean_delta: Floats, effect: Floats) -> Floats:
    """Return what is left of an effect after regression on the mean. Subtracting the mean would leave its noise on both sides."""
    centered = mean_delta - mean_delta.mean()
    power = float(centered @ centered)
    slope = float(centered @ effect) / power if power > 0 else 0.0
    left: Floats = effect - slope * centered
    # What only rounding leaves is nothing.
    return left if left.std() > 1e-9 * effect.std() else np.zeros_like(left)


def _true(pearson: float, test: LeftOut) -> float:
    """Return the correlation with the true response."""
    return float(np.clip(pearson / np.sqrt(max(test.reliability, MIN_RELIABILITY)), -1.0, 1.0))


def _true_error(error: float, test: LeftOut) -> float:
    """Return the squared error relative to "no change" without the noise of the measurement, at least 0."""
    return max(error - (1.0 - test.reliability), 0.0) / max(test.reliability, MIN_RELIABILITY)
