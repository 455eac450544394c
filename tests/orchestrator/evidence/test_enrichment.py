"""Enrichment of gene sets with a known change, and against decoupler, which implements the same model."""

from collections.abc import Callable, Mapping, Sequence

import decoupler as dc
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestrator.atlas.expression import Floats
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.enrichment import MIN_GENES, enrich, notable, slopes
from orchestrator.evidence.gene_sets import hallmark
from tests.support.orchestrator.changes import make_differential

GENES = [f"G{i}" for i in range(300)]
SETS = {
    "RISING": frozenset(GENES[:20]),
    "FALLING": frozenset(GENES[20:40]),
    "STILL": frozenset(GENES[40:60]),
    "SMALL": frozenset(GENES[: MIN_GENES - 1]),
    "ELSEWHERE": frozenset(f"Z{i}" for i in range(20)),
}


def planted(size: float) -> Differential:
    statistic = np.random.default_rng(0).normal(0, 1, 300)
    statistic[:20] += size
    statistic[20:40] -= size
    return make_differential(GENES, statistic, statistic)


def test_a_raised_set_comes_first_a_lowered_one_last_and_sets_that_are_not_measured_are_left_out() -> None:
    found = enrich(planted(3.0), SETS)
    assert [change.name for change in found] == ["RISING", "STILL", "FALLING"]
    assert found[0].score > 5 > abs(found[1].score)
    assert found[2].score < -5
    assert found[0].adjusted_p_value < 0.001 < found[1].adjusted_p_value


def test_only_sets_that_move_are_notable_the_strongest_first() -> None:
    names = [change.name for change in notable(enrich(planted(3.0), SETS), JobConfig())]
    assert sorted(names) == ["FALLING", "RISING"]
    assert notable(enrich(planted(0.0), SETS), JobConfig()) == []


def test_without_tested_genes_or_measured_sets_there_is_no_result() -> None:
    nothing = np.zeros(300)
    untested = make_differential(GENES, nothing, nothing)
    assert enrich(untested, SETS) == []
    assert enrich(planted(3.0), {"ELSEWHERE": SETS["ELSEWHERE"]}) == []


def test_sets_that_have_nothing_to_be_compared_with_are_left_out() -> None:
    found = enrich(planted(3.0), SETS | {"ALL": frozenset(GENES), "ALL BUT ONE": frozenset(GENES[1:])})
    assert sorted(change.name for change in found) == ["ALL BUT ONE", "FALLING", "RISING", "STILL"]
    assert enrich(planted(3.0), {"ALL": frozenset(GENES)}) == []
    constant = np.full(300, 0.1)
    assert enrich(make_differential(GENES, constant, constant), SETS) == []


def test_a_set_that_explains_everything_has_a_finite_score() -> None:
    member = np.zeros(300)
    member[:20] = 1.0
    (found,) = enrich(make_differential(GENES, member, member), {"RISING": SETS["RISING"]})
    assert np.isfinite(found.score)
    assert found.score > 1000
    assert found.adjusted_p_value == pytest.approx(0.0)


def by_decoupler(
    statistic: Floats, genes: Sequence[str], gene_sets: Mapping[str, frozenset[str]]
) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Return decoupler's t-value and adjusted p of each set."""
    pairs = [(name, gene, 1.0) for name, members in gene_sets.items() for gene in members]
    net = pd.DataFrame(pairs, columns=["source", "target", "weight"])
    values = pd.DataFrame(statistic[np.newaxis], index=["values"], columns=list(genes))
    scores, adjusted = dc.mt.ulm(values, net, tmin=MIN_GENES, raw=False, empty=False)
    return scores.loc["values"], adjusted.loc["values"]


def continuous(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(0, 3, n)


def tied(rng: np.random.Generator, n: int) -> Floats:
    return np.round(rng.normal(0, 1, n))


def mostly_untested(rng: np.random.Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.9, 0.0, rng.normal(0, 3, n))


def far_from_zero(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(1000, 1, n)


@pytest.mark.timeout(180)  # decoupler compiles its kernels at the first call
@pytest.mark.parametrize("values", [continuous, tied, mostly_untested, far_from_zero])
@pytest.mark.parametrize("gene_sets", [hallmark(), SETS | {"ALL BUT ONE": frozenset(GENES[1:])}])
def test_the_model_is_that_of_decoupler(
    gene_sets: Mapping[str, frozenset[str]], values: Callable[[np.random.Generator, int], Floats]
) -> None:
    genes = sorted({*GENES, *set().union(*gene_sets.values())})
    statistic = values(np.random.default_rng(7), len(genes))
    expected_scores, expected_p = by_decoupler(statistic, genes, gene_sets)

    found = {change.name: change for change in enrich(make_differential(genes, statistic, statistic), gene_sets)}
    assert (
        set(found)
        == set(expected_scores.index)
        == {name for name, members in gene_sets.items() if len(members) >= MIN_GENES}
    )
    names = list(found)
    rows = [[i for i, gene in enumerate(genes) if gene in gene_sets[name]] for name in names]
    scores, p_values = slopes(statistic, rows)
    np.testing.assert_allclose(scores, expected_scores[names], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(stats.false_discovery_control(p_values), expected_p[names], atol=1e-6)
    np.testing.assert_allclose([found[name].score for name in names], expected_scores[names], atol=5.1e-5)
    np.testing.assert_allclose([found[name].adjusted_p_value for name in names], expected_p[names], atol=1e-6)
