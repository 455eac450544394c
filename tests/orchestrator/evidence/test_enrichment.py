"""Enrichment of gene sets with a known change."""

import numpy as np

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.enrichment import MIN_GENES, enrich, notable
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
