"""Gene set enrichment: decoupler's univariate linear model (ulm) on the test statistics of all genes."""

from collections.abc import Mapping, Sequence
from itertools import chain

import decoupler as dc
import numpy as np
import pandas as pd

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from shared.runs.records import PathwayChange

MIN_GENES = 5  # gene sets with fewer measured genes are not tested


def notable(enrichment: Sequence[PathwayChange], config: JobConfig) -> list[PathwayChange]:
    """Return at most `top_pathways` significant gene sets, up or down, the largest change first."""
    significant = [change for change in enrichment if change.adjusted_p_value < config.max_adjusted_p]
    return sorted(significant, key=lambda change: (-abs(change.score), change.name))[: config.top_pathways]


def enrich(differential: Differential, gene_sets: Mapping[str, frozenset[str]]) -> list[PathwayChange]:
    """Test all gene sets with enough measured genes; empty if no gene differs.

    Returns:
        The sets, the highest score first: the t-value of each slope (positive is up), and its Benjamini-Hochberg adjusted p.
    """
    if not np.any(differential.statistic):
        return []
    measured = set(differential.genes)
    tested = {name: sorted(genes & measured) for name, genes in gene_sets.items() if len(genes & measured) >= MIN_GENES}
    if not tested:
        return []
    sources = np.repeat(list(tested), [len(genes) for genes in tested.values()])
    net = pd.DataFrame({"source": sources, "target": list(chain.from_iterable(tested.values())), "weight": 1.0})
    # From an array: given a list of rows, pandas creates a block for each of the thousands of genes.
    values = np.asarray(differential.statistic)[np.newaxis]
    statistics = pd.DataFrame(values, index=["prediction"], columns=list(differential.genes))
    scores, adjusted = dc.mt.ulm(statistics, net, tmin=MIN_GENES, raw=False, empty=False, verbose=False)
    changes = [
        PathwayChange(name=str(name), score=round(float(score), 4), adjusted_p_value=float(p))
        for name, score, p in zip(scores.columns, scores.loc["prediction"], adjusted.loc["prediction"], strict=True)
    ]
    return sorted(changes, key=lambda change: (-change.score, change.name))
