"""The report for people: one HTML file that needs no network and no script."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator.differential import Differential
from orchestrator.enrichment import notable
from orchestrator.expectations import readable
from orchestrator.finding import Finding, versions
from shared.models import ControlStrategy

BACKGROUND_GENES = 1500
"""How many genes that are not called are drawn in the volcano; all that are called are."""
TALLEST = 50.0
"""−log10 of the adjusted p above which points are drawn at the top."""
WIDTH, HEIGHT, MARGIN = 760.0, 420.0, 46.0

PART_NAMES = {
    "pathway_coherence": "Pathway coherence",
    "target_activation": "Target activation",
    "network_coherence": "Network coherence",
}


@dataclass(frozen=True)
class Point:
    """A gene in the volcano, placed in the drawing."""

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Volcano:
    """The volcano's drawing: the points, the marks of its axes, and how many genes are not drawn."""

    points: list[Point]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    hidden: int
    width: float = WIDTH
    height: float = HEIGHT
    margin: float = MARGIN


def volcano(found: Differential, seed: int) -> Volcano:
    """Place genes by log2 fold change (across) and −log10 adjusted p (up).

    Args:
        found: the genes' differences.
        seed: which of the many genes that are not called are drawn.
    """
    called = np.flatnonzero(found.is_de)
    others = np.flatnonzero(~found.is_de & (found.statistic != 0))
    shown = others
    if len(others) > BACKGROUND_GENES:
        shown = np.sort(np.random.default_rng(seed).choice(others, BACKGROUND_GENES, replace=False))
    reach = float(max(1.0, np.abs(found.log2_fold_change[np.concatenate([called, shown])]).max(initial=1.0))) * 1.05
    heights = np.minimum(-np.log10(np.maximum(found.adjusted_p, 10.0**-TALLEST)), TALLEST)
    top = float(max(2.0, heights[called].max(initial=2.0))) * 1.05

    def across(change: float) -> float:
        return round(MARGIN + (change / reach + 1) / 2 * (WIDTH - 2 * MARGIN), 1)

    def up(height: float) -> float:
        return round(HEIGHT - MARGIN - height / top * (HEIGHT - 2 * MARGIN), 1)

    points = [
        Point(
            across(float(found.log2_fold_change[i])),
            up(float(heights[i])),
            "none" if not found.is_de[i] else "up" if found.log2_fold_change[i] > 0 else "down",
            f"{found.genes[i]}: log2 fold change {found.log2_fold_change[i]:+.2f}, adjusted p {found.adjusted_p[i]:.1e}",
        )
        for i in (*shown, *called)
    ]
    step = max(1, round(reach / 4))
    x_ticks = [Tick(across(x), f"{x:+d}" if x else "0") for x in range(-int(reach), int(reach) + 1) if x % step == 0]
    y_step = max(1, round(top / 5))
    y_ticks = [Tick(up(y), str(y)) for y in range(0, int(top) + 1, y_step)]
    return Volcano(points, x_ticks, y_ticks, len(others) - len(shown))


def answer(finding: Finding) -> str:
    """The answer in a sentence or two, for people."""
    question, best = finding.question, finding.best
    who, what = question.cell_type.name, question.perturbation.name
    if not best.attempt.num_de:
        return f"No gene is predicted to change in {who} under {what}."
    up, down = best.differential.top(5, up=True), best.differential.top(3, up=False)
    n_up = int((best.differential.is_de & (best.differential.log2_fold_change > 0)).sum())
    sentence = f"{what} is predicted to raise {n_up} gene(s) in {who}"
    if up:
        sentence += f" (most of all {', '.join(gene.gene for gene in up)})"
    sentence += f" and to lower {best.attempt.num_de - n_up}"
    if down:
        sentence += f" ({', '.join(gene.gene for gene in down)})"
    rising = [change for change in notable(best.enrichment, finding.config) if change.score > 0]
    if rising:
        sentence += f". The gene set that rises most is {readable(rising[0].name)}"
    return sentence + "."


def write(finding: Finding, folder: Path) -> Path:
    """Write `{run_id}_report.html`: everything a reader needs is in the file."""
    environment = Environment(
        loader=PackageLoader("orchestrator", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    best = finding.best
    pathways = notable(best.enrichment, finding.config)
    compared = {
        ControlStrategy.SYNTHETIC_CONTROL: "a second prediction made from matched control cells (synthetic control)",
        ControlStrategy.QUERY_AS_CONTROL: "the query cells as they are (query as control)",
    }
    text = environment.get_template("report.html.j2").render(
        finding=finding,
        question=finding.question,
        best=best,
        answer=answer(finding),
        part_names=PART_NAMES,
        compared=compared[best.attempt.effective],
        volcano=volcano(best.differential, finding.seed),
        up=best.differential.top(finding.config.top_genes, up=True),
        down=best.differential.top(finding.config.top_genes, up=False),
        pathways=pathways,
        strongest=max((abs(change.score) for change in pathways), default=1.0),
        readable=readable,
        config=asdict(finding.config),
        versions=versions(),
    )
    path = folder / f"{finding.run_id}_report.html"
    path.write_text(text, encoding="utf-8")
    return path
