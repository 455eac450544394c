"""Which gene sets move: decoupler's univariate linear model (ulm) on the test statistics of all genes."""

from collections.abc import Mapping, Sequence
from itertools import chain

import decoupler as dc
import numpy as np
import pandas as pd

from orchestrator.config import JobConfig
from orchestrator.differential import Differential
from shared.runs.records import PathwayChange

MIN_GENES = 5
"""A gene set with fewer measured genes is not judged."""


def notable(enrichment: Sequence[PathwayChange], config: JobConfig) -> list[PathwayChange]:
    """The gene sets that move significantly, up or down, the strongest first; at most `top_pathways`."""
    moving = [change for change in enrichment if change.adjusted_p_value < config.max_adjusted_p]
    return sorted(moving, key=lambda change: (-abs(change.score), change.name))[: config.top_pathways]


def enrich(differential: Differential, gene_sets: Mapping[str, frozenset[str]]) -> list[PathwayChange]:
    """All gene sets with enough measured genes, the most raised first; empty where no gene differs at all.

    Args:
        differential: the genes' test statistics.
        gene_sets: name to genes.

    Returns:
        The t-value of each set's slope as score (positive is up), and its Benjamini-Hochberg adjusted p.
    """
    if not np.any(differential.statistic):
        return []
    measured = set(differential.genes)
    judged = {name: sorted(genes & measured) for name, genes in gene_sets.items() if len(genes & measured) >= MIN_GENES}
    if not judged:
        return []
    sources = np.repeat(list(judged), [len(genes) for genes in judged.values()])
    net = pd.DataFrame({"source": sources, "target": list(chain.from_iterable(judged.values())), "weight": 1.0})
    # One row by an array: from a list of rows pandas makes a block for each of the thousands of genes.
    values = np.asarray(differential.statistic)[np.newaxis]
    statistics = pd.DataFrame(values, index=["prediction"], columns=list(differential.genes))
    scores, adjusted = dc.mt.ulm(statistics, net, tmin=MIN_GENES, raw=False, empty=False, verbose=False)
    changes = [
        PathwayChange(
            name=str(name),
            score=round(float(score), 4),
            adjusted_p_value=float(p),
        )
        for name, score, p in zip(scores.columns, scores.loc["prediction"], adjusted.loc["prediction"], strict=True)
    ]
    return sorted(changes, key=lambda change: (-change.score, change.name))
