"""The tables as files: all genes, all gene sets with their leading edge, and the ranked genes for GSEA."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.evidence.differential import Differential
from orchestrator.evidence.gene_sets import HALLMARK, expectations, hallmark, reactome
from orchestrator.search.search import SearchResult

# Spreadsheets take text that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
GENE_COLUMNS = (
    "gene",
    "log2_fold_change",
    "effect",
    "standard_error",
    "z",
    "p_value",
    "adjusted_p_value",
    "is_de",
    "donors_agreeing",
    "donors",
    "known_responder",
)
SET_COLUMNS = ("name", "collection", "score", "adjusted_p_value", "expected", "n_genes", "leading_edge")


@dataclass(frozen=True)
class Ranking:
    """Genes by z, the largest first."""

    genes: Sequence[str]
    z: NDArray[np.float64]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {gene: i for i, gene in enumerate(self.genes)}

    def leading_edge(self, members: Iterable[str], *, rises: bool) -> list[str]:
        """Return the leading edge of a gene set (Subramanian et al. 2005), the outermost gene first.

        Along the ranking, the running sum rises at each gene of the set by its share of their |z|, and falls at each other gene by an
        equal share. The leading edge is the set's genes up to the maximum; empty if the sum never rises above zero.

        Args:
            rises: whether the score is positive; otherwise, the ranking is read from its other end.
        """
        places = np.array(sorted(self._places[gene] for gene in members if gene in self._places), dtype=np.int64)
        weights = np.abs(self.z[places])
        if not weights.sum():
            return []
        n_genes, n_members = len(self.genes), len(places)
        if not rises:
            places, weights = places[::-1], weights[::-1]
        passed = places if rises else n_genes - 1 - places
        missed = passed - np.arange(n_members)
        running = np.cumsum(weights) / weights.sum() - missed / max(n_genes - n_members, 1)
        top = int(running.argmax())
        return [self.genes[i] for i in places[: top + 1]] if running[top] > 0 else []


def ranking(found: Differential) -> Ranking:
    """Rank the tested genes."""
    order = np.argsort(-found.statistic, kind="stable")
    order = order[found.statistic[order] != 0]
    return Ranking([found.genes[i] for i in order], found.statistic[order])


def write_genes(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_genes.csv`: all genes, the largest |z| first."""
    found = result.best.differential
    expected = expectations().get(result.question.agent)
    responders = frozenset(expected.responders) if expected else frozenset()
    donors = len(result.best.response.donors)
    rows = (
        (
            _text(found.genes[i]),
            _number(found.log2_fold_change[i]),
            _number(found.effect[i]),
            _number(found.standard_error[i]),
            _number(found.statistic[i]),
            _number(found.p_value[i]),
            _number(found.adjusted_p[i]),
            _truth(found.is_de[i]),
            int(found.donors_agreeing[i]),
            donors,
            _truth(found.genes[i] in responders),
        )
        for i in np.argsort(-np.abs(found.statistic), kind="stable")
    )
    return _write_csv(folder / f"{result.run.run_id}_genes.csv", GENE_COLUMNS, rows)


def write_gene_sets(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_gene_sets.csv`: all tested gene sets, the highest score first."""
    best = result.best
    expected = expectations().get(result.question.agent)
    should_rise = frozenset(expected.gene_sets) if expected else frozenset()
    members = {**hallmark(), **reactome()}
    measured = frozenset(best.differential.genes)
    ranked = ranking(best.differential)
    rows = (
        (
            _text(change.name),
            "Hallmark" if change.name.startswith(HALLMARK) else "Reactome",
            _number(change.score),
            _number(change.adjusted_p_value),
            _truth(change.name in should_rise),
            len(members[change.name] & measured),
            _text(";".join(ranked.leading_edge(members[change.name], rises=change.score > 0))),
        )
        for change in sorted(best.enrichment, key=lambda change: (-change.score, change.name))
    )
    return _write_csv(folder / f"{result.run.run_id}_gene_sets.csv", SET_COLUMNS, rows)


def write_ranked_genes(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_ranked_genes.rnk`: tested genes and their z, the largest first, as GSEA reads them."""
    path = folder / f"{result.run.run_id}_ranked_genes.rnk"
    ranked = ranking(result.best.differential)
    # GSEA knows no quotes, so a name is kept on its line and in its column.
    lines = (
        f"{' '.join(gene.split())}\t{_number(value)}\n" for gene, value in zip(ranked.genes, ranked.z, strict=True)
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def _number(value: float) -> str:
    return f"{value + 0.0:.6g}"  # a sum with 0.0 has no negative zero


def _truth(value: object) -> str:
    """Return a word that pandas, R and spreadsheets read as a truth value."""
    return "true" if value else "false"
