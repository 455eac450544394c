"""The report for people: one HTML file that needs no network. Its style and script are in it, and nothing else may run in it."""

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

from orchestrator import report_figures as figures
from orchestrator import report_words as words
from orchestrator.enrichment import notable
from orchestrator.expectations import expectations, readable
from orchestrator.finding import Finding, versions


def write(finding: Finding, folder: Path) -> Path:
    """Write `{run_id}_report.html`: everything a reader needs is in the file."""
    environment = Environment(
        loader=PackageLoader("orchestrator", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"p": _p, "signed": _signed, "readable": readable, "gene_pages": words.gene_pages}
    style, script = _part("report.css"), _part("report.js")
    text = environment.get_template("report.html.j2").render(
        **_content(finding),
        figures=figures,
        words=words,
        style=Markup(style),  # noqa: S704  # our own files; what a run brings is escaped by the template
        script=Markup(script),  # noqa: S704
        policy=content_security_policy(style, script),
    )
    path = folder / f"{finding.run_id}_report.html"
    path.write_text(text, encoding="utf-8")
    return path


def content_security_policy(style: str, script: str) -> str:
    """A policy under which only this style and this script count, and nothing is fetched or sent."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return files("orchestrator").joinpath(name).read_text(encoding="utf-8")


def _content(finding: Finding) -> dict[str, Any]:
    """What the template shows of a finding."""
    best, config, summary = finding.best, finding.config, finding.best.attempt.summary
    found, pathways = best.differential, notable(best.enrichment, config)
    expected = expectations().get(finding.question.perturbation.name)
    raised = expected.primary_sets + expected.secondary_sets + expected.reactome_sets if expected else ()
    return {
        "finding": finding,
        "question": finding.question,
        "best": best,
        "gauge": figures.gauge(summary.score, finding.score_threshold),
        "history": figures.history([each.summary.score for each in finding.attempts], finding.score_threshold),
        "volcano": figures.volcano(found, finding.seed),
        "measured": _measured(finding),
        "places": {gene: i for i, gene in enumerate(found.genes)},
        "top": [*found.top(config.top_genes, up=True), *reversed(found.top(config.top_genes, up=False))],
        "responders": frozenset(expected.responders) if expected else frozenset(),
        "expected_sets": frozenset(raised),
        "pathways": pathways,
        "strongest": max((abs(change.score) for change in pathways), default=1.0),
        "query_donors": sorted(Counter(finding.query.donors).items()),
        "config": asdict(config),
        "versions": versions(),
    }


def _measured(finding: Finding) -> dict[str, Sequence[str | float]]:
    """All measured genes, for the script: name, log2 fold change, adjusted p (0 where a double has no room), and test statistic."""
    found = finding.best.differential
    return {
        "genes": list(found.genes),
        "change": [round(float(value), 3) for value in found.log2_fold_change],
        "adjusted": [float(f"{value:.1e}") for value in found.adjusted_p],
        "tested": [int(value) for value in found.statistic != 0],
    }


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def _p(number: float) -> str:
    """A p-value for people; `report.js` writes it alike."""
    if number >= 0.001:
        return f"{number:.3f}"
    return f"{number:.1e}".replace("-", "−") if number > 10.0**-figures.TALLEST else "< 1e−300"
