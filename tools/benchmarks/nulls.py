"""Runs where nothing happened: what the job calls, scores and believes, on the real untreated cells of Kang et al. 2018.

Random halves: the untreated cells of one type, half of them at random labeled as treated. Noisy samples: the same, but in each sample
(donor and label) every gene loses a random share of its counts, as samples differ in reality. Permuted labels: the treatment labels of all
cells, permuted within donor and cell type. One donor: a donor's untreated cells labeled as treated, without controls of that donor.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.ingest.build import ingest
from orchestrator.prediction.delta_transfer import DeltaTransfer
from orchestrator.progress import Progress
from orchestrator.question.analysis import analyze
from orchestrator.search.cells import CellSource
from orchestrator.search.iteration import IterationResult, IterationRunner
from orchestrator.search.left_out import LeaveOneOut
from orchestrator.search.prompts import choose
from orchestrator.search.strategies import candidates
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.fields import ControlStrategy

HALF_TYPES: Final = {"CD14+ Monocytes": "CD14+ monocytes", "CD4 T cells": "CD4 T cells", "B cells": "B cells"}
HALF_SEEDS: Final = 20
PERMUTATIONS: Final = 10
# Standard deviation of the logarithm of the share of counts that a gene keeps in a sample.
SAMPLE_NOISE: Final = 0.3
THRESHOLD: Final = 7
Row = dict[str, Any]
Labels = NDArray[np.str_]


class _Silent:
    """Progress that nobody follows."""

    async def phase(self, *_: object, **__: object) -> None:
        """Report nothing."""


class _Design(NamedTuple):
    """Which cells a null run has, how they are labeled, and what it is asked about."""

    kind: str
    cell_type: str
    seed: int
    kept: NDArray[np.bool_]
    condition: Labels
    noisy: bool = False


def nulls(path: Path, folder: Path) -> list[Row]:
    """Return a row for each kind of null run: genes called, scores, successes, and p values of genes and programs below 0.05."""
    cells = ad.read_h5ad(path)
    kinds: dict[str, list[IterationResult]] = {}
    for design in _designs(cells):
        kinds.setdefault(design.kind, []).append(_run(cells, design, folder))
    return [_row(kind, found) for kind, found in kinds.items()]


def _designs(cells: ad.AnnData) -> Iterator[_Design]:
    types, donors, treated = _labels(cells)
    for cell_type in HALF_TYPES:
        for seed in range(HALF_SEEDS):
            kept = (types == cell_type) & ~treated
            rows = np.random.default_rng(seed).permutation(np.flatnonzero(kept))
            half = np.zeros(len(types), dtype=bool)
            half[rows[: len(rows) // 2]] = True
            condition = np.where(half, "IFN-beta", "ctrl")
            yield _Design("random halves", cell_type, seed, kept, condition)
            yield _Design("noisy samples", cell_type, seed, kept, condition, noisy=True)
    for seed in range(PERMUTATIONS):
        rng = np.random.default_rng(seed)
        permuted = treated.copy()
        for group in sorted({*zip(types.tolist(), donors.tolist(), strict=True)}):
            rows = np.flatnonzero((types == group[0]) & (donors == group[1]))
            permuted[rows] = rng.permutation(treated[rows])
        cell_type = list(HALF_TYPES)[seed % len(HALF_TYPES)]
        # Every other run transfers the response from the other cell types.
        kept = ~((types == cell_type) & permuted) if seed % 2 else np.ones(len(types), dtype=bool)
        yield _Design("permuted labels", cell_type, seed, kept, np.where(permuted, "IFN-beta", "ctrl"))
    for cell_type in HALF_TYPES:
        condition = np.where(donors == max(donors.tolist()), "IFN-beta", "ctrl")
        yield _Design("one donor", cell_type, 0, (types == cell_type) & ~treated, condition)


def _labels(cells: ad.AnnData) -> tuple[Labels, Labels, NDArray[np.bool_]]:
    donors = cells.obs["sample_id"].astype(str).str.replace(r"\D+", "", regex=True)
    return (
        cells.obs["cluster_id"].astype(str).to_numpy(dtype=str),
        donors.to_numpy(dtype=str),
        (cells.obs["group_id"] == "stim").to_numpy(),
    )


def _run(cells: ad.AnnData, design: _Design, folder: Path) -> IterationResult:
    """Ingest the cells of a design, and return what the job would deliver."""
    types, donors, _ = _labels(cells)
    counts = sparse.csr_matrix(cells.X)
    if design.noisy:
        counts = _thinned(counts, np.char.add(donors, design.condition), np.random.default_rng(design.seed))
    obs = pd.DataFrame({"cell_type": types, "condition": design.condition, "donor": donors}, index=cells.obs_names)
    null = ad.AnnData(counts[design.kept], obs=obs[design.kept], var=pd.DataFrame(index=cells.var_names))
    null.write_h5ad(folder / "null.h5ad")
    entry = ingest("null", folder / "null.h5ad", folder)
    question = analyze(
        f"How would {HALF_TYPES[design.cell_type]} respond to IFN-beta?", CatalogView(datasets(), [entry])
    )
    config = JobConfig()
    source = CellSource(Atlas(folder / entry.name), question.target, config, design.seed)
    left_out = LeaveOneOut(source, question, DeltaTransfer())
    prompt = choose(
        candidates(question.target, source.available),
        [],
        question.query_type.label,
        lambda each: left_out.accuracy(each).estimate,
    )
    assert prompt is not None
    runner = IterationRunner(question, ControlStrategy.SYNTHETIC_CONTROL, source, DeltaTransfer(), config, design.seed)
    return asyncio.run(runner.run(prompt, left_out.accuracy(prompt), 1, cast("Progress", _Silent())))


def _thinned(counts: sparse.csr_matrix, samples: Labels, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts of which each gene keeps another random share in each sample."""
    thinned = counts.tocsr().copy()
    names, sample = np.unique(samples, return_inverse=True)
    kept = np.exp(rng.normal(0.0, SAMPLE_NOISE, (len(names), counts.shape[1])))
    kept /= kept.max()
    rows = np.repeat(sample, np.diff(thinned.indptr))
    thinned.data = rng.binomial(thinned.data.astype(np.int64), kept[rows, thinned.indices]).astype(np.float32)
    return thinned


def _row(kind: str, found: list[IterationResult]) -> Row:
    called = [each.summary.num_de_genes for each in found]
    genes = np.concatenate([each.differential.p_value[each.differential.statistic != 0] for each in found])
    programs = [each.summary.p_value for each in found if each.summary.p_value is not None]
    return Row(
        kind=kind,
        runs=len(found),
        called_mean=float(np.mean(called)),
        called_max=max(called),
        score_max=max((score for each in found if (score := each.summary.score) is not None), default=float("nan")),
        successes=sum(each.summary.succeeds(THRESHOLD) for each in found),
        gene_p_below_05=float(np.mean(genes < 0.05)) if len(genes) else float("nan"),
        program_p_below_05=float(np.mean(np.array(programs) < 0.05)) if programs else float("nan"),
        expected_r=float(np.nanmean([each.summary.expected_pearson or 0.0 for each in found])),
    )
