"""The report for people: one HTML file with its own style and script, which needs no network and lets nothing else run."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.evidence.enrichment import notable
from orchestrator.evidence.gene_sets import expectations, readable
from orchestrator.outputs import answer, donors, evidence, figures, reading, text, words
from orchestrator.outputs.files import versions
from orchestrator.search.search import SearchResult
from shared.resolver.caveats import cells

# Rows on paper, so that it stays at four pages: of the table of genes in each direction, and of other tables.
PRINTED_GENES = 10
PRINTED_ROWS = 12


def write_report(result: SearchResult, folder: Path) -> Path:
    """Write `{run_id}_report.html`."""
    environment = Environment(
        loader=PackageLoader("orchestrator.outputs", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "p": words.p_value,
        "signed": words.signed,
        "readable": readable,
        "gene_pages": text.gene_pages,
    }
    style, script = _part("report.css"), _part("report.js")
    page = environment.get_template("report.html.j2").render(
        **_content(result),
        answer=answer,
        evidence=evidence,
        figures=figures,
        reading=reading,
        text=text,
        style=Markup(style),  # noqa: S704  # our own files; the template escapes everything that a run brings
        script=Markup(script),  # noqa: S704
        policy=content_security_policy(style, script),
    )
    path = folder / f"{result.run.run_id}_report.html"
    path.write_text(page, encoding="utf-8")
    return path


def content_security_policy(style: str, script: str) -> str:
    """Return a policy that allows only this style and this script, and no requests."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return files("orchestrator.outputs").joinpath(name).read_text(encoding="utf-8")


def _content(result: SearchResult) -> dict[str, Any]:
    """Return the template's variables."""
    best, config = result.best, result.config
    found, pathways = best.differential, notable(best.enrichment, config)
    expected = expectations().get(result.question.agent)
    return {
        "result": result,
        "question": result.question,
        "used_cells": cells(result.question.query_type),
        "used_types": words.plural(result.question.query_type.name),
        "perturbation": answer.perturbation_used(result),
        "best": best,
        "gauge": figures.gauge(best.summary.score, result.run.score_threshold),
        "history": figures.history([each.score for each in result.iterations], result.run.score_threshold),
        "volcano": figures.volcano(found, config, result.seed),
        "donors": donors.panel(found, best.response),
        "measured": _measured(result),
        "printed_genes": PRINTED_GENES,
        "printed_rows": PRINTED_ROWS,
        "places": {gene: i for i, gene in enumerate(found.genes)},
        "top": sorted(
            [*found.top(config.top_genes, up=True), *found.top(config.top_genes, up=False)],
            key=lambda gene: -gene.log2_fold_change,
        ),
        "responders": frozenset(expected.responders) if expected else frozenset(),
        "expected_sets": frozenset(expected.gene_sets) if expected else frozenset(),
        "pathways": pathways,
        "strongest": max((abs(change.score) for change in pathways), default=1.0),
        "query_donors": sorted(Counter(result.query.donors).items()),
        "config": asdict(config),
        "versions": versions(),
    }


def _measured(result: SearchResult) -> dict[str, Sequence[str | float]]:
    """Return all measured genes for the script: symbol, log2 fold change, adjusted p (0 below the range of a double), tested."""
    found = result.best.differential
    return {
        "genes": list(found.genes),
        "change": [round(float(value), 3) for value in found.log2_fold_change],
        "adjusted": [float(f"{value:.1e}") for value in found.adjusted_p],
        "tested": [int(value) for value in found.statistic != 0],
    }
