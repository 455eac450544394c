"""The files for programs: predicted cells as `.h5ad`, and the log of the run as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from orchestrator.atlas.expression import log_normalized
from orchestrator.evidence.gene_sets import expectations
from orchestrator.evidence.permutation import PERMUTATIONS
from orchestrator.outputs.answer import gene_answers, headline, perturbation_used
from orchestrator.outputs.evidence import run_evidence
from orchestrator.outputs.matrices import conditions, principal_components
from orchestrator.search.iteration import IterationSummary
from orchestrator.search.search import SearchResult
from shared.catalog import reference

# Increased when a field of the log is removed or changes its meaning; fields may be added at any time.
LOG_SCHEMA_VERSION = 2
HUMAN = "NCBITaxon:9606"  # questions about other species are refused
UNKNOWN = (
    "development_stage_ontology_term_id",
    "self_reported_ethnicity_ontology_term_id",
    "sex_ontology_term_id",
)
LIBRARIES = ("anndata", "h5py", "numpy", "pandas", "scipy")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": python_version()} | {name: version(name) for name in LIBRARIES}


def write_predictions(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_predictions.h5ad`; `docs/outputs.md` describes its content."""
    parts = conditions(result)
    counts = sparse.vstack(list(parts.values()), format="csr", dtype=np.float32)
    logged = log_normalized(counts).astype(np.float32)
    cells = ad.AnnData(logged, obs=_obs(result, list(parts)), var=_var(result))
    cells.layers["counts"] = counts
    cells.obsm["X_pca"] = principal_components(logged)
    cells.uns.update(_uns(result))
    path = folder / f"{result.run.run_id}_predictions.h5ad"
    cells.write_h5ad(path, compression="gzip", compression_opts=1)
    return path


def _obs(result: SearchResult, names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each cell of each condition, with the query cell that it was made from."""
    question, summary = result.question, result.best.summary
    n_cells, times = len(result.query.rows), len(names)
    condition = np.repeat(names, n_cells)
    table = pd.DataFrame(
        {
            "condition": pd.Categorical(condition, categories=names),
            "cell_id": [f"{question.dataset.name}:{row}" for row in result.query.rows] * times,
            "cell_type": question.query_type.label,
            "perturbation": np.where(condition == "predicted", perturbation_used(result), "control"),
            "donor": result.query.donors * times,
            "prompt_strategy": summary.prompt.strategy,
            "iteration": np.int32(summary.number),
            "grounding_score": np.float32(_or_nan(summary.score)),
            "cell_type_ontology_term_id": question.query_type.cell_ontology_id or "unknown",
            "donor_id": result.query.donors * times,
            # Nobody states these of a donor in the catalog; the CELLxGENE schema has a word for that.
            **dict.fromkeys(UNKNOWN, "unknown"),
            "is_primary_data": False,
        },
        index=pd.Index([f"{name}_{i:05d}" for name in names for i in range(n_cells)], name="barcode"),
    )
    texts = ("cell_type", "perturbation", "donor", "prompt_strategy", "cell_type_ontology_term_id", "donor_id")
    return table.astype(dict.fromkeys((*texts, *UNKNOWN), "category"))


def _var(result: SearchResult) -> pd.DataFrame:
    """Return a row for each gene."""
    found = result.best.differential
    known = reference.known_perturbation(result.question.agent)
    targets = {*known.targets, *known.receptors} if known else set()
    return pd.DataFrame(
        {
            "log2_fold_change": found.log2_fold_change,
            "effect": found.effect,
            "standard_error": found.standard_error,
            "z": found.statistic,
            "p_value": found.p_value,
            "adjusted_p_value": found.adjusted_p,
            "is_de": found.is_de,
            "donors_agreeing": found.donors_agreeing,
            "target_gene": np.isin(np.array(found.genes), sorted(targets)),
            "feature_is_filtered": False,
        },
        index=pd.Index(list(found.genes), name="gene_symbol"),
    )


def _uns(result: SearchResult) -> dict[str, Any]:
    """Return how the prediction was made."""
    question, best = result.question, result.best
    return {
        **_settings(result),
        # scanpy writes {"base": None}, which older readers lose or refuse; e means the same to all of them.
        "log1p": {"base": np.e},
        "title": f"Prediction: {question.text}",
        "organism_ontology_term_id": HUMAN,
        "default_embedding": "X_pca",
        "p_value": _or_nan(best.summary.p_value),
        # As text: HDF5 has no lists of objects and no null.
        "haystack": {
            "interpretation": question.interpretation.model_dump_json(),
            "evidence": run_evidence(result).model_dump_json(),
        },
        "dataset": question.dataset.name,
        "semi_synthetic": question.dataset.semi_synthetic,
        "notes": np.array(result.notes, dtype=object),
        "iterations": pd.DataFrame(
            [_iteration_row(each) for each in result.iterations], index=[str(each.number) for each in result.iterations]
        ),
        "prompt": pd.DataFrame(_groups(best.summary), index=[str(i) for i in range(len(best.summary.groups))]),
        "enrichment": pd.DataFrame(
            [each.model_dump() for each in best.enrichment],
            columns=["name", "score", "adjusted_p_value"],
            index=[str(i) for i in range(len(best.enrichment))],
        ),
    }


def write_log(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_log.json`; `docs/run_log.schema.json` describes it."""
    question, best = result.question, result.best.summary
    known = reference.known_perturbation(question.agent)
    expected = expectations().get(question.agent)
    document: dict[str, Any] = {
        "schema_version": LOG_SCHEMA_VERSION,
        **_settings(result),
        "asked_at": result.run.created_at.isoformat(),
        "interpretation": question.interpretation.model_dump(mode="json"),
        "interpreted_by": question.understood_by,
        "semi_synthetic": question.dataset.semi_synthetic,
        "prior_knowledge": {
            "receptors": list(known.receptors) if known else [],
            "targets": list(known.targets) if known else [],
            "expected_pathways": list(expected.gene_sets) if expected else [],
        },
        "query_cells": len(result.query.rows),
        "query_cells_by_donor": dict(sorted(Counter(result.query.donors).items())),
        "iterations": [_iteration_entry(each) for each in result.iterations],
        "evidence": run_evidence(result).model_dump(mode="json"),
        "best_iteration": best.number,
        "grounding_score": best.score,
        "answer": " ".join(headline(result)),
        "gene_answers": [answer.model_dump(mode="json") for answer in gene_answers(result)],
        "notes": result.notes,
    }
    path = folder / f"{result.run.run_id}_log.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _settings(result: SearchResult) -> dict[str, Any]:
    """Return the settings and results that both files contain."""
    return {
        "run_id": result.run.run_id,
        "query": result.question.text,
        "control_strategy": result.run.control_strategy.value,
        "control_strategy_effective": result.best.summary.effective.value,
        "score_threshold": result.run.score_threshold,
        "max_iterations": result.run.max_iterations,
        "success": result.success,
        "p_value": result.best.summary.p_value,
        "permutations": PERMUTATIONS,
        "termination_reason": result.termination_reason,
        "predictor": result.predictor,
        "random_seed": result.seed,
        "config": asdict(result.config),
        "versions": versions(),
    }


def _iteration_row(iteration: IterationSummary) -> dict[str, Any]:
    parts = {part.name: _or_nan(part.score) for part in iteration.record.components}
    return {
        "strategy": iteration.prompt.strategy,
        "rationale": iteration.prompt.rationale,
        "score": _or_nan(iteration.score),
        "num_de_genes": iteration.num_de_genes,
        "p_value": _or_nan(iteration.p_value),
        "expected_pearson": _or_nan(iteration.expected_pearson),
        **parts,
    }


def _or_nan(value: float | None) -> float:
    # HDF5 has no null, and one type of number for all files lets them be concatenated.
    return np.nan if value is None else float(value)


def _iteration_entry(iteration: IterationSummary) -> dict[str, Any]:
    record, prompt = iteration.record, iteration.prompt
    return {
        "number": record.number,
        "strategy": record.strategy,
        "score": record.score,
        "components": [part.model_dump() for part in record.components],
        "duration_seconds": record.duration_seconds,
        "num_de_genes": iteration.num_de_genes,
        "p_value": iteration.p_value,
        "expected_pearson": iteration.expected_pearson,
        "rationale": prompt.rationale,
        "relevance": round(prompt.relevance, 4),
        "quality": round(prompt.quality, 4),
        "control_strategy_effective": iteration.effective.value,
        "prompt": _groups(iteration),
    }


def _groups(iteration: IterationSummary) -> list[dict[str, Any]]:
    """Return the use of each group of the prompt, with its condition."""
    return [
        {**asdict(used), "condition": group.condition}
        for group, used in zip(iteration.prompt.groups, iteration.groups, strict=True)
    ]
