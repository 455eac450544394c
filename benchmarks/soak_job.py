"""What the soak's job does in the place of science: the phases, a short wait in each, and three small files.

The job's process is the real one (`orchestrator.main`: lease, heartbeats, watch, signals, its end); only the modules in `REPLACED` are
these here, since the real ones take ten seconds of processor time a run, and a soak needs hundreds of runs.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.config import JobConfig
from orchestrator.reporter import Reporter
from shared.catalog.view import CatalogView
from shared.runs.ports import ResultFiles
from shared.runs.records import Run, RunOutcome
from shared.runs.states import Phase

REPLACED: Final = ("inference", "query_analysis", "stack_predictor", "workflow")
PHASES: Final = ((Phase.QUERY_ANALYSIS, 0), (Phase.INFERENCE, 1), (Phase.OUTPUT_GENERATION, 1))
SCORE: Final = 7


class NotUnderstood(Exception):
    """Never raised here; the job's entry names it."""


class DeltaTransfer:
    """No predictor.

    Args:
        power: not used.
    """

    def __init__(self, power: float) -> None:
        self.power = power


def from_env(_environment: Mapping[str, str]) -> None:
    """No other predictor either."""


@dataclass(frozen=True)
class Tools:
    """What the job's entry hands over, in its order."""

    view: CatalogView
    atlas_root: Path
    predictor: DeltaTransfer
    files: ResultFiles
    workdir: Path
    config: JobConfig
    environment: Mapping[str, str]


async def work(run: Run, reporter: Reporter, tools: Tools) -> RunOutcome:
    """Go through the phases and put three files in place."""
    for phase, iteration in PHASES:
        await reporter.phase(phase, iteration)
        await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311  # no secret
    kinds = {"result.h5ad": "application/x-hdf5", "report.html": "text/html", "run_log.json": "application/json"}
    stored = []
    for name, media_type in kinds.items():
        path = tools.workdir / name
        path.write_text(json.dumps({"run_id": run.run_id, "name": name}))
        stored.append(await tools.files.upload(run.run_id, path, media_type))
    return RunOutcome(
        grounding_score=SCORE,
        termination_reason="the soak's job has no more to do",
        control_strategy_effective=run.control_strategy,
        num_de_genes=0,
        top_upregulated=[],
        top_downregulated=[],
        enriched_pathways=[],
        notes=[],
        files=stored,
    )


def write_image(folder: Path) -> Path:
    """Make the folder that stands for the job's container image: the real package `orchestrator`, `REPLACED` laid over it.

    Args:
        folder: where to make it; a job that starts there, with the project on its `PYTHONPATH`, finds these modules first.
    """
    package = folder / "orchestrator"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from pkgutil import extend_path\n\n__path__ = extend_path(__path__, __name__)\n"
    )
    for name in REPLACED:
        (package / f"{name}.py").write_text("from benchmarks.soak_job import *\n")
    return folder
