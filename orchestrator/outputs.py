"""The files for programs: predicted cells as `.h5ad`, and the run's log as JSON."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from orchestrator.finding import Attempt, Finding, versions
from shared.catalog import reference

LOG_SCHEMA_VERSION = 1
"""Raised when a field of the log changes its meaning or goes; fields may be added at any time."""


def write_predictions(finding: Finding, folder: Path) -> Path:
    """Write `{run_id}_predictions.h5ad`; `docs/outputs.md` tells all it holds.

    X holds the predicted perturbed cells as raw counts, one for each query cell; `layers["query"]` the query cells, and
    `layers["control_prediction"]` the predicted control cells where there are matched controls. obs tells what each cell is, var how
    each gene differs, uns how it was made.
    """
    best = finding.best
    cells = ad.AnnData(best.prediction.perturbed, obs=_cells(finding), var=_genes(finding))
    cells.layers["query"] = finding.query.counts
    if best.prediction.control is not None:
        cells.layers["control_prediction"] = best.prediction.control
    cells.uns.update(_made(finding))
    path = folder / f"{finding.run_id}_predictions.h5ad"
    cells.write_h5ad(path, compression="gzip", compression_opts=1)
    return path


def _cells(finding: Finding) -> pd.DataFrame:
    """obs: a row for each predicted cell, which is also the query cell that it was made from."""
    question, attempt = finding.question, finding.best.attempt
    n_cells = len(finding.query.rows)
    table = pd.DataFrame(
        {
            "cell_id": [f"{question.dataset.name}:{row}" for row in finding.query.rows],
            "cell_type": question.query_type.label,
            "perturbation": question.perturbation.name,
            "donor": finding.query.donors,
            "prompt_strategy": attempt.prompt.strategy,
            "iteration": attempt.summary.number,
            "grounding_score": attempt.summary.score,
        },
        index=pd.Index([f"predicted_{i:05d}" for i in range(n_cells)], name="barcode"),
    )
    return table.astype(dict.fromkeys(("cell_type", "perturbation", "donor", "prompt_strategy"), "category"))


def _genes(finding: Finding) -> pd.DataFrame:
    """var: a row for each gene; `target_gene` marks the perturbation's targets and receptors."""
    found = finding.best.differential
    known = reference.perturbations().get(finding.question.perturbation.name)
    targets = {*known.targets, *known.receptors} if known else set()
    return pd.DataFrame(
        {
            "log2_fold_change": found.log2_fold_change,
            "statistic": found.statistic,
            "p_value": found.p_value,
            "adjusted_p_value": found.adjusted_p,
            "is_de": found.is_de,
            "target_gene": np.isin(np.array(found.genes), sorted(targets)),
        },
        index=pd.Index(list(found.genes), name="gene_symbol"),
    )


def _made(finding: Finding) -> dict[str, Any]:
    """uns: how the prediction was made."""
    question, best = finding.question, finding.best
    return {
        "run_id": finding.run_id,
        "query": question.text,
        "cell_type": question.cell_type.name,
        "dataset": question.dataset.name,
        "semi_synthetic": question.dataset.semi_synthetic,
        "control_strategy": finding.requested.value,
        "control_strategy_effective": best.attempt.effective.value,
        "predictor": finding.predictor,
        "random_seed": finding.seed,
        "score_threshold": finding.score_threshold,
        "max_iterations": finding.max_iterations,
        "shuffled_score": finding.shuffled_score,
        "termination_reason": finding.termination_reason,
        "notes": np.array(finding.notes, dtype=object),
        "config": asdict(finding.config),
        "versions": versions(),
        "iterations": pd.DataFrame(
            [_iteration_row(each) for each in finding.attempts],
            index=[str(each.summary.number) for each in finding.attempts],
        ),
        "prompt": pd.DataFrame(
            _groups(best.attempt),
            index=[str(i) for i in range(len(best.attempt.groups))],
        ),
        "enrichment": pd.DataFrame(
            [each.model_dump() for each in best.enrichment],
            columns=["name", "score", "adjusted_p_value"],
            index=[str(i) for i in range(len(best.enrichment))],
        ),
    }


def write_log(finding: Finding, folder: Path) -> Path:
    """Write `{run_id}_log.json`: what was asked, understood, tried, scored and used, with config, seed and versions.

    `docs/run_log.schema.json` describes it.
    """
    question = finding.question
    document: dict[str, Any] = {
        "schema_version": LOG_SCHEMA_VERSION,
        "run_id": finding.run_id,
        "asked_at": finding.asked_at.isoformat(),
        "query": question.text,
        "understood": {
            "task_type": question.task_type,
            "cell_type": question.cell_type.model_dump(),
            "perturbation": question.perturbation.model_dump(),
            "dataset": question.dataset.name,
            "semi_synthetic": question.dataset.semi_synthetic,
            "query_cell_type": question.query_type.model_dump(),
            "cell_ontology_distance": question.distance,
            "receptors": list(question.receptors),
            "targets": list(question.targets),
            "expected_pathways": list(question.expected_pathways),
            "by": question.understood_by,
        },
        "control_strategy": finding.requested.value,
        "control_strategy_effective": finding.best.attempt.effective.value,
        "score_threshold": finding.score_threshold,
        "max_iterations": finding.max_iterations,
        "query_cells": len(finding.query.rows),
        "query_cells_by_donor": dict(sorted(Counter(finding.query.donors).items())),
        "iterations": [_iteration_entry(attempt) for attempt in finding.attempts],
        "best_iteration": finding.best.attempt.summary.number,
        "grounding_score": finding.best.attempt.summary.score,
        "shuffled_score": finding.shuffled_score,
        "termination_reason": finding.termination_reason,
        "notes": finding.notes,
        "predictor": finding.predictor,
        "random_seed": finding.seed,
        "config": asdict(finding.config),
        "versions": versions(),
    }
    path = folder / f"{finding.run_id}_log.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _iteration_row(attempt: Attempt) -> dict[str, Any]:
    parts = {part.name: np.nan if part.score is None else part.score for part in attempt.summary.components}
    return {
        "strategy": attempt.prompt.strategy,
        "rationale": attempt.prompt.rationale,
        "score": attempt.summary.score,
        "num_de_genes": attempt.summary.num_de_genes,
        **parts,
    }


def _iteration_entry(attempt: Attempt) -> dict[str, Any]:
    return {
        **attempt.summary.model_dump(mode="json", exclude={"made_from"}),
        "rationale": attempt.prompt.rationale,
        "relevance": round(attempt.prompt.relevance, 4),
        "quality": round(attempt.prompt.quality, 4),
        "control_strategy_effective": attempt.effective.value,
        "prompt": _groups(attempt),
    }


def _groups(attempt: Attempt) -> list[dict[str, Any]]:
    """The prompt's groups as they were used, each with the condition that its perturbed cells were under."""
    return [
        {**asdict(used), "condition": group.condition}
        for group, used in zip(attempt.prompt.groups, attempt.groups, strict=True)
    ]
