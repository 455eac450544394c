"""Positions of the marks in the figure that compares donors. Pure geometry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.evidence.differential import Differential
from orchestrator.evidence.inference import Response
from orchestrator.outputs.figures import Label, Scale, signed_ticks
from orchestrator.outputs.words import signed

GENES = 12  # maximum number of genes
ROW, LANES = 26.0, 17.0  # height of a row, and of the lanes of its donors
LEFT, RIGHT, TOP, BOTTOM = 120.0, 500.0, 8.0, 44.0
LONGEST_NAME = 15  # longer names are cut, to fit left of the axis
FEW_DONORS = 8  # more donors get smaller dots
INTERVAL = 1.96  # standard errors on each side of a mean: 95%


@dataclass(frozen=True)
class Row:
    """A gene: its mean response with its interval, and a dot per donor, whose text is the donor with the value."""

    gene: str
    y: float
    mean: float
    low: float
    high: float
    rises: bool
    dots: list[Label]


@dataclass(frozen=True)
class Panel:
    """The responses of donors, a row per gene."""

    rows: list[Row]
    ticks: list[Label]
    zero: float  # x of no change
    radius: float  # of a dot
    lower: float  # y of the axis
    left: float = LEFT
    right: float = RIGHT
    upper: float = TOP
    width: float = 520.0

    @property
    def height(self) -> float:
        """The height of the drawing."""
        return self.lower + BOTTOM


def panel(found: Differential, response: Response) -> Panel | None:
    """Place the called genes that change most; None without such genes, or with a single donor."""
    called = np.flatnonzero(found.is_de)
    if not len(called) or len(response.donors) < 2:
        return None
    largest = called[np.argsort(-np.abs(found.log2_fold_change[called]), kind="stable")[:GENES]]
    genes = largest[np.argsort(-found.log2_fold_change[largest], kind="stable")]
    donors = response.donor_effects[:, genes] / np.log(2.0)
    mean = response.effect[genes] / np.log(2.0)
    reach = INTERVAL * response.standard_error[genes] / np.log(2.0)
    drawn = np.concatenate([donors.ravel(), mean - reach, mean + reach, [0.0]])
    scale = Scale.of(drawn, LEFT, RIGHT)
    lower = TOP + ROW * len(genes)
    lane = min(5.0, LANES / (len(donors) - 1))
    offsets = (np.arange(len(donors)) - (len(donors) - 1) / 2) * lane
    rows = []
    for i, gene in enumerate(genes):
        y = TOP + ROW * (i + 0.5)
        rows.append(
            Row(
                gene=_short(found.genes[gene]),
                y=y,
                mean=scale.at(mean[i]),
                low=scale.at(mean[i] - reach[i]),
                high=scale.at(mean[i] + reach[i]),
                rises=bool(mean[i] > 0),
                dots=[
                    Label(scale.at(value), round(y + offset, 1), f"{donor}: {signed(float(value))}")
                    for donor, value, offset in zip(response.donors, donors[:, i], offsets, strict=True)
                ],
            )
        )
    ticks = signed_ticks(scale, lower + 18, at_most=6)
    return Panel(rows, ticks, scale.at(0.0), 3.4 if len(donors) <= FEW_DONORS else 2.2, lower)


def described(donors: Sequence[str]) -> str:
    """Return how to find a donor in a row."""
    if len(donors) > FEW_DONORS:
        return f"{len(donors)} donors, in alphabetical order from top to bottom"
    return f"from top to bottom: {', '.join(donors)}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
