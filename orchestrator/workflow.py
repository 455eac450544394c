"""A run from its question to its results in place: understand, search, write, upload.

Before each phase the run store is told, and asked whether to go on. Heavy work runs in a thread, so that heartbeats and signals are served.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import outputs, report
from orchestrator.config import JobConfig
from orchestrator.enrichment import notable
from orchestrator.finding import Finding
from orchestrator.inference import Predictor
from orchestrator.proposal import understand
from orchestrator.reporter import Reporter
from orchestrator.search import Search
from shared.catalog.view import CatalogView
from shared.runs.ports import ResultFiles
from shared.runs.records import Run, RunOutcome
from shared.runs.states import Phase


@dataclass(frozen=True)
class Tools:
    """What a run is done with.

    Attributes:
        view: the catalog.
        atlas_root: the folder of ingested atlases.
        predictor: what makes predictions.
        files: where results go.
        workdir: an empty folder for the results while they are made.
        config: the numbers.
        environment: where the keys of language models are; empty: none may propose anything.
    """

    view: CatalogView
    atlas_root: Path
    predictor: Predictor
    files: ResultFiles
    workdir: Path
    config: JobConfig
    environment: Mapping[str, str] = field(default_factory=dict)


async def work(run: Run, reporter: Reporter, tools: Tools) -> RunOutcome:
    """Do a run and put its results in place.

    Args:
        run: the run, as begun.
        reporter: tells its progress.
        tools: what to work with.

    Raises:
        NotUnderstood: the question cannot be answered from what is ingested.
        Stopped: the run was cancelled meanwhile.
        AtlasUnusable: the catalog names an atlas that is not there.
        Unavailable: the run store or the results bucket stays away.
    """
    await reporter.phase(Phase.QUERY_ANALYSIS, run.current_iteration)
    question = await understand(run, tools.view, tools.environment)
    search = await asyncio.to_thread(
        lambda: Search(run, question, atlas_root=tools.atlas_root, predictor=tools.predictor, config=tools.config)
    )
    finding = await search.run(reporter)
    paths = await asyncio.to_thread(_write, finding, tools.workdir)
    stored = [await tools.files.upload(run.run_id, path, media_type) for path, media_type in paths]
    best = finding.best
    return RunOutcome(
        grounding_score=best.attempt.summary.score,
        termination_reason=finding.termination_reason,
        control_strategy_effective=best.attempt.effective,
        num_de_genes=best.attempt.summary.num_de_genes,
        top_upregulated=best.differential.top(tools.config.top_genes, up=True),
        top_downregulated=best.differential.top(tools.config.top_genes, up=False),
        enriched_pathways=notable(best.enrichment, tools.config),
        notes=finding.notes,
        files=stored,
    )


def _write(finding: Finding, folder: Path) -> list[tuple[Path, str]]:
    return [
        (outputs.write_predictions(finding, folder), "application/x-hdf5"),
        (report.write(finding, folder), "text/html"),
        (outputs.write_log(finding, folder), "application/json"),
    ]
