"""Positions of the marks in the report's figures. Pure geometry; the template holds text, colors and markup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.atlas.expression import Floats
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.outputs.words import MAX_HEIGHT, signed

# The volcano plot draws this many genes that are not called, and all that are; the search finds every gene.
BACKGROUND_GENES = 1500
NAMED_GENES = 8  # maximum number of named genes in each direction
LETTER, LINE = 7.4, 13.0  # letter width and line height, enough to keep names apart


@dataclass(frozen=True)
class Point:
    """A gene in the volcano plot: `gene` is its index, `kind` is up, down or none."""

    gene: int
    x: float
    y: float
    kind: str


@dataclass(frozen=True)
class Label:
    """A name or number at a position; `anchor` is the SVG text anchor."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to positions."""

    low: float
    high: float
    start: float  # position of the lowest value
    end: float

    @classmethod
    def of(cls, values: Floats, start: float, end: float) -> Self:
        """Return a scale on which all values have a position, and a little room beside them."""
        low, high = float(values.min()), float(values.max())
        room = 0.04 * ((high - low) or 1.0)
        return cls(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        """Return the position of a value."""
        return round(self.start + (float(value) - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    def ticks(self, at_most: int) -> list[tuple[float, int]]:
        """Return round values inside the scale, each with the number of decimals to write."""
        step = _round_step((self.high - self.low) / at_most)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(i * step, decimals) for i in range(first, last + 1)]


def signed_ticks(scale: Scale, y: float, *, at_most: int) -> list[Label]:
    """Return the ticks of a horizontal axis of changes, labeled at this y."""
    return [Label(scale.at(value), y, _signed(value, decimals)) for value, decimals in scale.ticks(at_most)]


@dataclass(frozen=True)
class Axes:
    """The volcano plot's axes: log2 fold change against −log10 adjusted p. Each end follows the data."""

    low: float
    high: float
    top: float
    width: float = 760.0
    height: float = 440.0
    margin: float = 48.0

    @property
    def _changes(self) -> Scale:
        return Scale(self.low, self.high, self.margin, self.width - self.margin)

    @property
    def _heights(self) -> Scale:
        return Scale(0.0, self.top, self.height - self.margin, self.margin)

    def across(self, change: float) -> float:
        """Return the x position of a log2 fold change."""
        return self._changes.at(change)

    def up(self, height: float) -> float:
        """Return the y position of a −log10 adjusted p."""
        return self._heights.at(height)

    @property
    def x_ticks(self) -> list[Label]:
        """The ticks of the x axis, zero included."""
        return signed_ticks(self._changes, self.height - self.margin + 18, at_most=10)

    @property
    def y_ticks(self) -> list[Label]:
        """The ticks of the y axis, from zero."""
        return [
            Label(self.margin - 8, self.up(value) + 4, f"{value:.{decimals}f}", "end")
            for value, decimals in self._heights.ticks(6)
        ]


@dataclass(frozen=True)
class Volcano:
    """The volcano plot."""

    axes: Axes
    called: list[Point]  # genes called differentially expressed, by log2 fold change
    background: list[Point]  # a sample of the other genes
    names: list[Label]  # gene names beside their points
    hidden: int  # number of tested genes that are not drawn
    changes: list[Label]  # x of the thresholds of the log2 fold change, with their labels above the plot
    significant: float  # y of the threshold of the adjusted p


def volcano(found: Differential, config: JobConfig, seed: int) -> Volcano:
    """Place genes by log2 fold change (x) and −log10 adjusted p (y); `seed` samples the genes that are not called."""
    change = found.log2_fold_change
    heights = -np.log10(np.maximum(found.adjusted_p, 10.0**-MAX_HEIGHT))
    called = np.flatnonzero(found.is_de)
    others = np.flatnonzero(~found.is_de & (found.statistic != 0))
    shown = others
    if len(others) > BACKGROUND_GENES:
        shown = np.sort(np.random.default_rng(seed).choice(others, BACKGROUND_GENES, replace=False))
    drawn = np.concatenate([called, shown])
    least = config.min_log2_fold_change
    changes = Scale.of(np.append(change[drawn], [-least, least]), 0.0, 1.0)
    axes = Axes(changes.low, changes.high, top=float(heights[drawn].max(initial=2.0)) * 1.08)

    def points(genes: NDArray[np.intp]) -> list[Point]:
        return [
            Point(
                int(i),
                axes.across(float(change[i])),
                axes.up(float(heights[i])),
                "none" if not found.is_de[i] else "up" if change[i] > 0 else "down",
            )
            for i in genes
        ]

    marked = points(called[np.argsort(change[called], kind="stable")])
    names = _names(axes, marked, found.genes, np.abs(change) * heights)
    thresholds = [
        Label(axes.across(at), axes.margin - 8, signed(at), anchor)
        for at, anchor in ((-least, "end"), (least, "start"))
    ]
    significant = axes.up(-math.log10(config.max_adjusted_p))
    return Volcano(axes, marked, points(shown), names, len(others) - len(shown), thresholds, significant)


def _names(axes: Axes, called: Sequence[Point], genes: Sequence[str], weight: NDArray[np.float64]) -> list[Label]:
    """Name the genes with the largest changes, where the name covers no other name and no other point."""
    chosen: list[Label] = []
    taken = [_Box(point.x - 4, point.x + 4, point.y - 4, point.y + 4) for point in called]
    for kind in ("up", "down"):
        of_kind = sorted((point for point in called if point.kind == kind), key=lambda point: -weight[point.gene])
        named = 0
        for point in of_kind:
            fitting = next((found for found in _places(point, genes[point.gene]) if _free(found[1], axes, taken)), None)
            if fitting:
                chosen.append(fitting[0])
                taken.append(fitting[1])
                named += 1
            if named == NAMED_GENES:
                break
    return chosen


class _Box(NamedTuple):
    left: float
    right: float
    upper: float
    lower: float


def _places(point: Point, text: str) -> list[tuple[Label, _Box]]:
    """Return possible positions of a point's name and their boxes: outward, inward, above, below."""
    long = len(text) * LETTER
    after = Label(round(point.x + 7, 1), round(point.y + 4, 1), text, "start")
    before = Label(round(point.x - 7, 1), round(point.y + 4, 1), text, "end")
    above = Label(point.x, round(point.y - 8, 1), text)
    below = Label(point.x, round(point.y + 16, 1), text)
    beside = [after, before] if point.kind == "up" else [before, after]
    lefts = {"start": 0.0, "end": long, "middle": long / 2}
    return [
        (each, _Box(each.x - lefts[each.anchor], each.x - lefts[each.anchor] + long, each.y - LINE + 3, each.y + 2))
        for each in (*beside, above, below)
    ]


def _free(box: _Box, axes: Axes, taken: Sequence[_Box]) -> bool:
    inside = box.left > axes.margin and box.right < axes.width and box.upper > 0
    return inside and not any(
        box.left < other.right and other.left < box.right and box.upper < other.lower and other.upper < box.lower
        for other in taken
    )


def _signed(number: float, decimals: int) -> str:
    return f"{number:+.{decimals}f}".replace("-", "−") if number else "0"


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


@dataclass(frozen=True)
class Gauge:
    """A half circle from 1 to 10 in a drawing of 200 × 112: the filled length of 100, and the ends of the threshold's mark."""

    filled: float
    mark: tuple[float, float, float, float]


def gauge(score: int | None, threshold: int) -> Gauge:
    """Place a score and its threshold, both 1..10, on the gauge; without a score, nothing is filled."""
    angle = math.pi * (1 - share(threshold))
    inner, outer = 68.0, 96.0
    around = [round(100 + r * math.cos(angle), 1) for r in (inner, outer)]
    above = [round(100 - r * math.sin(angle), 1) for r in (inner, outer)]
    filled = 0.0 if score is None else round(100 * share(score), 1)
    return Gauge(filled, (around[0], above[0], around[1], above[1]))


def share(score: int) -> float:
    """Return the filled share of a scale from 1 to 10, 0..1; a score of 1 is still visible."""
    return max(0.02, (score - 1) / 9)


@dataclass(frozen=True)
class History:
    """Scores over iterations: their points and line, the y position of the threshold, and the ticks of the axis.

    An iteration without a score has a point on the axis, which the line leaves out.
    """

    points: list[Label]
    line: str  # the points of an SVG polyline
    threshold: float
    ticks: list[Label]
    width: float = 560.0
    height: float = 190.0


def history(scores: Sequence[int | None], threshold: int) -> History:
    """Place the scores of at least one iteration."""
    left, right, top, bottom = 46.0, 530.0, 24.0, 160.0

    def up(score: int) -> float:
        return round(bottom - (score - 1) / 9 * (bottom - top), 1)

    gap = (right - left) / (len(scores) + 1)
    points = [Label(round(left + gap * i, 1), up(score or 1), str(i)) for i, score in enumerate(scores, start=1)]
    judged = [point for point, score in zip(points, scores, strict=True) if score is not None]
    line = " ".join(f"{point.x},{point.y}" for point in judged)
    return History(
        points, line, up(threshold), [Label(left - 10, up(score) + 4, str(score), "end") for score in (1, 4, 7, 10)]
    )
