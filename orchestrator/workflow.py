"""A run from its understood question to its uploaded results: search, write, upload. The import takes a second."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.config import JobConfig
from orchestrator.evidence.enrichment import notable
from orchestrator.outputs.answer import gene_answers, headline
from orchestrator.outputs.evidence import run_evidence
from orchestrator.outputs.files import write_log, write_predictions
from orchestrator.outputs.report import write_report
from orchestrator.outputs.tables import write_gene_sets, write_genes, write_ranked_genes
from orchestrator.prediction import stack
from orchestrator.prediction.delta_transfer import DeltaTransfer
from orchestrator.prediction.predictor import Predictor
from orchestrator.progress import PATIENCE, Progress, outlast
from orchestrator.question.analysis import Question
from orchestrator.search.search import Search, SearchResult
from shared.runs.ports import ResultFiles
from shared.runs.records import Run, RunOutcome
from shared.runs.states import results_folder

# The result files, in their order, with their media types.
FILES: Final[Sequence[tuple[Callable[[SearchResult, Path], Path], str]]] = (
    (write_predictions, "application/x-hdf5"),
    (write_genes, "text/csv"),
    (write_gene_sets, "text/csv"),
    (write_ranked_genes, "text/tab-separated-values"),
    (write_report, "text/html"),
    (write_log, "application/json"),
)


def predictor_from(environment: Mapping[str, str]) -> Predictor:
    """Return STACK if the environment configures it, else delta transfer.

    Raises:
        SettingsInvalid: STACK is configured incompletely.
    """
    return stack.from_env(environment) or DeltaTransfer()


@dataclass(frozen=True)
class Workflow:
    """The steps of a run. CPU-bound steps run in a thread, so that heartbeats and signals are served."""

    atlas_root: Path
    predictor: Predictor
    files: ResultFiles
    workdir: Path  # an empty folder for the result files before the upload
    config: JobConfig
    patience: float = PATIENCE  # seconds that finished work waits for the results bucket

    async def do(self, run: Run, question: Question, progress: Progress) -> RunOutcome:
        """Do a run and upload its results. Each phase is reported before it begins.

        Raises:
            Stopped: the run was cancelled, or another process took it over.
            AtlasUnusable: the catalog names an atlas that does not exist.
            Unavailable: the run store or the results bucket stayed unavailable.
        """
        search = await asyncio.to_thread(
            lambda: Search(run, question, atlas_root=self.atlas_root, predictor=self.predictor, config=self.config)
        )
        result = await search.run(progress)
        on_step = progress.steps(2 * len(FILES))  # each file is written and uploaded
        written = await asyncio.to_thread(self._write, result, on_step)
        # A late process writes to a folder of its own, and the record names the files of the process that completed the run.
        folder = results_folder(run.run_id, run.compute.attempt, run.compute.lease_owner or "none")
        stored = []
        for path, media_type in written:
            stored.append(await outlast(partial(self.files.upload, folder, path, media_type), self.patience))
            on_step()
        best = result.best
        return RunOutcome(
            answer=" ".join(headline(result)),
            grounding_score=best.summary.score,
            grounding_p_value=best.summary.p_value,
            success=result.success,
            evidence=run_evidence(result),
            termination_reason=result.termination_reason,
            control_strategy_effective=best.summary.effective,
            num_de_genes=best.summary.num_de_genes,
            top_upregulated=best.differential.top(self.config.top_genes, up=True),
            top_downregulated=best.differential.top(self.config.top_genes, up=False),
            enriched_pathways=notable(best.enrichment, self.config),
            gene_answers=gene_answers(result),
            notes=result.notes,
            files=stored,
        )

    def _write(self, result: SearchResult, on_step: Callable[[], None]) -> list[tuple[Path, str]]:
        written = []
        for write, media_type in FILES:
            written.append((write(result, self.workdir), media_type))
            on_step()
        return written
