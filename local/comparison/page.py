"""The comparison as a page that works offline, and as a table of all genes."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from local.comparison import words
from local.comparison.measure import Comparison
from local.demo_atlas import KANG

SIZE: Final = 560.0  # width and height of the figure
MARGIN: Final = 60.0
NAMED_GENES: Final = 14
TICK: Final = 2  # between labeled values of an axis
LETTER: Final = 9.5  # width that keeps names apart
LINE: Final = 15.0
COLUMNS: Final = (
    "gene",
    "predicted_change",
    "measured_change",
    "predicted_log2_fold_change",
    "measured_log2_fold_change",
    "called",
    "really_changed",
    "call",
)


class Dot(NamedTuple):
    """A gene in the figure; `kind` is right, wrong, missed or none."""

    x: float
    y: float
    kind: str
    text: str


class Name(NamedTuple):
    """The name of a gene beside its dot."""

    x: float
    y: float
    text: str
    anchor: str


class Axis(NamedTuple):
    """The scale that both axes of the figure share."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the distance of a value from the low end, in the figure's units."""
        return round(MARGIN + (value - self.low) / (self.high - self.low) * (SIZE - 2 * MARGIN), 1)


def write(found: Comparison, question: str, result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the table and the page beside the files of a run, and return their paths.

    Args:
        question: as it was asked.
        result: the run's result, as the service sends it.
        folder: the folder of the run's files.
    """
    table, page = (folder / f"{result['run_id']}_comparison.{ending}" for ending in ("csv", "html"))
    _write_table(found, table)
    page.write_text(_page(found, question, result, table.name), encoding="utf-8")
    return [table, page]


def _write_table(found: Comparison, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in np.argsort(-np.abs(found.measured.change), kind="stable"):
            numbers = (
                found.predicted.change[i],
                found.measured.change[i],
                found.predicted.log2_fold_change[i],
                found.measured.log2_fold_change[i],
            )
            truths = (str(bool(called)).lower() for called in (found.predicted.called[i], found.measured.called[i]))
            gene = found.genes[i]
            # A spreadsheet takes such text for a formula.
            safe = f"'{gene}" if gene.startswith(("=", "+", "-", "@")) else gene
            writer.writerow([safe, *(f"{number:.6g}" for number in numbers), *truths, words.verdict(found, int(i))])


def _page(found: Comparison, question: str, result: Mapping[str, Any], table: str) -> str:
    environment = Environment(
        loader=PackageLoader("local.comparison", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    axis = _axis(found)
    return environment.get_template("page.html.j2").render(
        question=question,
        run_id=result["run_id"],
        dataset=KANG,
        report=next((file["name"] for file in result["files"] if file["name"].endswith("_report.html")), None),
        table=table,
        truth=words.truth(found),
        sentences=list(words.sentences(found, result.get("evidence"))),
        methods=words.methods(found),
        error=words.ERROR,
        calls=words.CALLS,
        genes=[
            ("Largest predicted changes", words.largest_predicted(found)),
            ("Largest measured changes", words.largest_measured(found)),
        ],
        dots=_dots(found, axis),
        names=_names(found, axis),
        ticks=[(axis.at(value), f"{value:+d}".replace("-", "−") if value else "0") for value in _whole(axis)],
        zero=axis.at(0.0),
        size=SIZE,
        margin=MARGIN,
        n_genes=len(found.genes),
    )


def _axis(found: Comparison) -> Axis:
    values = np.concatenate([found.predicted.change, found.measured.change]) / np.log(2.0)
    low, high = float(values.min()), float(values.max())
    room = 0.06 * ((high - low) or 1.0)
    return Axis(low - room, high + room)


def _whole(axis: Axis) -> list[int]:
    return list(range(int(np.ceil(axis.low / TICK)) * TICK, int(np.floor(axis.high)) + 1, TICK))


def _places(found: Comparison, axis: Axis) -> list[tuple[float, float]]:
    """Return the position of each gene: the measured change goes up, the predicted one to the right."""
    across, up = (each.change / np.log(2.0) for each in (found.predicted, found.measured))
    return [(axis.at(float(x)), round(SIZE - axis.at(float(y)), 1)) for x, y in zip(across, up, strict=True)]


def _dots(found: Comparison, axis: Axis) -> list[Dot]:
    kinds = {"right": "right", "wrong direction": "wrong", "not confirmed": "wrong", "not called": "missed"}
    dots = []
    for gene, (x, y) in enumerate(_places(found, axis)):
        call = words.verdict(found, gene)
        across, up = (
            words.signed(float(each.change[gene] / np.log(2.0))) for each in (found.predicted, found.measured)
        )
        dots.append(
            Dot(x, y, kinds.get(call, "none"), f"{found.genes[gene]}: predicted {across}, measured {up}; {call}")
        )
    return sorted(dots, key=lambda dot: ("none", "missed", "right", "wrong").index(dot.kind))


def _names(found: Comparison, axis: Axis) -> list[Name]:
    """Return the names of the genes that change most, either way, where they cover no other name."""
    size = np.maximum(np.abs(found.predicted.change), np.abs(found.measured.change))
    places = _places(found, axis)
    names: list[Name] = []
    taken: list[tuple[float, float, float, float]] = []
    for gene in np.argsort(-size, kind="stable"):
        x, y = places[gene]
        width = LETTER * len(found.genes[gene])
        left = x > SIZE / 2
        box = (x - 6 - width if left else x + 6, y - LINE / 2, x - 6 if left else x + 6 + width, y + LINE / 2)
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            taken.append(box)
            names.append(Name(x - 6 if left else x + 6, y + 4, found.genes[gene], "end" if left else "start"))
        if len(names) == NAMED_GENES:
            break
    return names
