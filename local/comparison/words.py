"""The comparison in words and numbers, the same in the terminal and on the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from local.comparison.measure import Comparison
from local.demo_atlas import WITHHELD_CONDITION, WITHHELD_TYPE
from orchestrator.config import JobConfig

QUESTION: Final = "How right was it?"
ERROR: Final = "Error: squared error relative to that of no change; below 1 is better than predicting nothing."
CALLS: Final = (
    "right: called changed, and really changed that way. not called: really changed, but the prediction is too uncertain to say so. "
    "Genes are ordered by the change of log1p(CP10k), because fold changes are huge where control cells have next to no counts."
)
SHOWN_GENES: Final = 10
CONFIG: Final = JobConfig()


class MethodRow(NamedTuple):
    """A prediction method and how it fares."""

    name: str
    pearson: str
    error: str


class GeneRow(NamedTuple):
    """A gene with its predicted and its measured log2 fold change."""

    gene: str
    predicted: str
    measured: str
    verdict: str


def truth(found: Comparison) -> str:
    """Return what the prediction is compared with."""
    return (
        f"The run could not see the {found.cells} {WITHHELD_TYPE} under {WITHHELD_CONDITION}: the demo withheld them from the atlas. "
        f"Compared with {found.controls} control cells, they are the truth here."
    )


def methods(found: Comparison) -> list[MethodRow]:
    """Return the prediction and the baselines."""
    rows = [("this prediction", found.predicted.change), *((each.name, each.change) for each in found.baselines)]
    return [MethodRow(name, _plain(found.pearson(change)), _plain(found.error(change))) for name, change in rows]


def sentences(found: Comparison, evidence: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield how the figures compare with what was expected, and how many called genes really changed.

    Args:
        evidence: that of the run's result.
    """
    reached = found.pearson(found.predicted.change)
    yield (
        f"Over all {len(found.genes):,} genes, predicted and measured changes correlate with r = {_plain(reached)}. "
        f"{_expected(reached, evidence)}"
    )
    yield _against_baselines(found)
    right = int(found.right.sum())
    if found.precision is None or found.by_chance is None:
        yield "The prediction calls no gene changed."
    else:
        yield (
            f"Of the {found.n_called} genes called changed, {right} really changed in that direction: precision {found.precision:.0%}; "
            f"random genes would reach {found.by_chance:.0%}."
        )
    if found.recall is None:
        yield "A test of the withheld cells finds no changed gene."
    else:
        yield (
            f"Of the {found.n_changed} genes that really changed, the prediction calls {right}: recall {found.recall:.0%}. "
            f"(Really changed: adjusted p below {CONFIG.max_adjusted_p} and a log2 fold change of at least "
            f"{CONFIG.min_log2_fold_change}, in a test of the withheld cells of {len(found.donors)} donors.)"
        )


def largest_predicted(found: Comparison) -> list[GeneRow]:
    """Return the called genes with the largest predicted changes."""
    return [_row(found, gene) for gene in found.predicted.largest(SHOWN_GENES)]


def largest_measured(found: Comparison) -> list[GeneRow]:
    """Return the really changed genes with the largest measured changes."""
    return [_row(found, gene) for gene in found.measured.largest(SHOWN_GENES)]


def verdict(found: Comparison, gene: int) -> str:
    """Return in a word or two whether the call of a gene is right."""
    called, changed = bool(found.predicted.called[gene]), bool(found.measured.called[gene])
    if found.right[gene]:
        return "right"
    if called and changed:
        return "wrong direction"
    if called:
        return "not confirmed"
    return "not called" if changed else "neither"


def signed(number: float) -> str:
    """Return a change with its sign."""
    return f"{number:+.2f}".replace("-", "−")


def _row(found: Comparison, gene: int) -> GeneRow:
    predicted, measured = (signed(float(each.log2_fold_change[gene])) for each in (found.predicted, found.measured))
    return GeneRow(found.genes[gene], predicted, measured, verdict(found, gene))


def _expected(reached: float, evidence: Mapping[str, Any] | None) -> str:
    expected = evidence["expected_accuracy"] if evidence else None
    if expected is None:
        return "The run could not tell what to expect."
    median, low, high = (expected["pearson"][name] for name in ("median", "low", "high"))
    between = "" if _plain(low) == _plain(high) else f" ({_plain(low)} to {_plain(high)})"
    return f"Before, the run expected r = {_plain(median)}{between}, so it did {_than_expected(reached, (low, high))}."


def _than_expected(reached: float, bounds: Sequence[float]) -> str:
    rounded, low, high = (round(value, 2) for value in (reached, *bounds))
    if rounded < low:
        return "worse than expected"
    return "better than expected" if rounded > high else "as expected"


def _against_baselines(found: Comparison) -> str:
    """Return whether the prediction beats the simple method with the smallest error."""
    best = min(found.baselines, key=lambda each: found.error(each.change))
    own, other = found.error(found.predicted.change), found.error(best.change)
    nearness = (
        "farther from" if _plain(own) < _plain(other) else "nearer to" if _plain(own) > _plain(other) else "as near to"
    )
    return (
        f"The best simple method ({best.name}) is {nearness} the measurement: its error is {_plain(other)}, that of this prediction "
        f"{_plain(own)}."
    )


def _plain(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")
