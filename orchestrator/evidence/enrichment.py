"""Gene set enrichment: a univariate linear model of the test statistics of all genes on the membership in a set."""

from collections.abc import Mapping, Sequence

import numpy as np

from orchestrator.atlas.expression import Floats
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.significance import adjusted, two_sided
from shared.runs.records import PathwayChange

MIN_GENES = 5  # gene sets with fewer measured genes are not tested


def notable(enrichment: Sequence[PathwayChange], config: JobConfig) -> list[PathwayChange]:
    """Return at most `top_pathways` significant gene sets, up or down, the largest change first."""
    significant = [change for change in enrichment if change.adjusted_p_value < config.max_adjusted_p]
    return sorted(significant, key=lambda change: (-abs(change.score), change.name))[: config.top_pathways]


def enrich(differential: Differential, gene_sets: Mapping[str, frozenset[str]]) -> list[PathwayChange]:
    """Test all gene sets with enough measured genes, inside and outside the set; empty if the genes do not differ.

    Returns:
        The sets, the highest score first: the t-value of each slope (positive is up), and its Benjamini-Hochberg adjusted p.
    """
    statistic = np.asarray(differential.statistic)
    index = {gene: i for i, gene in enumerate(differential.genes)}
    # Sorted, because the order of a frozenset varies between processes, and a sum of floats with it.
    members = {name: sorted(index[gene] for gene in genes if gene in index) for name, genes in gene_sets.items()}
    tested = {name: rows for name, rows in members.items() if MIN_GENES <= len(rows) < len(index)}
    if not tested or np.ptp(statistic) == 0:
        return []
    scores, p_values = slopes(statistic, list(tested.values()))
    changes = [
        PathwayChange(name=name, score=round(float(score), 4), adjusted_p_value=float(p))
        for name, score, p in zip(tested, scores, adjusted(p_values), strict=True)
    ]
    return sorted(changes, key=lambda change: (-change.score, change.name))


def slopes(statistic: Floats, members: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
    """Regress the statistic on the membership in each set, one set at a time.

    Args:
        statistic: one value per gene; not constant.
        members: the positions of each set's genes: at least one gene, and not all.

    Returns:
        The t-value of each slope, and its two-sided p.
    """
    n_genes, sizes = len(statistic), np.array([len(rows) for rows in members])
    centered = statistic - statistic.mean()
    # For a covariate of zeros and ones, the sums of products of a regression are sums over the set.
    sums = np.add.reduceat(centered[np.concatenate(members)], np.cumsum(sizes) - sizes)
    r = sums / np.sqrt(sizes * (1 - sizes / n_genes) * (centered @ centered))
    df = n_genes - 2
    t = r * np.sqrt(df / np.maximum(1 - r**2, np.finfo(float).eps))  # finite for a perfect fit, too
    return t, two_sided(t, df)
