"""The loop: understand the question, then prompt, predict and evaluate until the score is good enough, and deliver the best.

Before each phase the run store is told, and asked whether to go on. Heavy work runs in a thread, so that heartbeats and signals are served.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import outputs, report
from orchestrator.atlas import Atlas
from orchestrator.baselines import shuffled_score
from orchestrator.caveats import held_out
from orchestrator.config import JobConfig
from orchestrator.enrichment import notable
from orchestrator.finding import Attempt, Finding, GroupUse, Trial
from orchestrator.inference import Predictor
from orchestrator.judgement import Judge
from orchestrator.loading import CellSource
from orchestrator.prompt_strategies import candidates
from orchestrator.prompts import Prompt, choose, lesson
from orchestrator.proposal import understand
from orchestrator.query_analysis import NotUnderstood, Question
from orchestrator.reporter import Reporter
from shared.catalog_view import CatalogView
from shared.models import ControlStrategy, IterationSummary
from shared.ports import ResultFiles
from shared.records import Run, RunOutcome
from shared.runs import Phase


@dataclass(frozen=True)
class Tools:
    """What the loop works with.

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


def seed_of(run: Run) -> int:
    """The seed of a run: the one asked for, else one that belongs to the run id."""
    return run.random_seed if run.random_seed is not None else int(run.run_id.removeprefix("run_"), 16) % 2**32


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
    await reporter.phase(Phase.QUERY_ANALYSIS, 0)
    question = await understand(run, tools.view, tools.environment)
    search = await asyncio.to_thread(_Search, run, question, tools)
    finding = await search.run(reporter)
    paths = await asyncio.to_thread(_write, finding, tools.workdir)
    stored = [await tools.files.upload(run.run_id, path, media_type) for path, media_type in paths]
    best = finding.best
    return RunOutcome(
        grounding_score=best.attempt.summary.score,
        termination_reason=finding.termination_reason,
        control_strategy_effective=best.attempt.effective,
        num_de_genes=best.attempt.num_de,
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


class _Search:
    """The iterations of one run."""

    def __init__(self, run: Run, question: Question, tools: Tools) -> None:
        self._run = run
        self._question = question
        self._tools = tools
        self._seed = seed_of(run)
        atlas = Atlas(tools.atlas_root / (question.dataset.atlas or question.dataset.name))
        self._source = CellSource(atlas, question.asked, tools.config, self._seed)
        self._candidates = candidates(question.asked, self._source.supply)

    async def run(self, reporter: Reporter) -> Finding:
        """Iterate until there is a reason to stop; at least once.

        Raises:
            NotUnderstood: the atlas has too few cells for any prompt.
        """
        attempts: list[Attempt] = []
        prompt = choose(self._candidates, [])
        if prompt is None:
            raise NotUnderstood(
                f"The atlas {self._question.dataset.name} has too few cells under {self._question.perturbation.name} and its relatives "
                f"(at least {self._tools.config.min_group_cells} of a donor and cell type are needed)."
            )
        best: Trial | None = None
        reason = None
        while reason is None:
            assert prompt is not None
            number = len(attempts) + 1
            finished = attempts[-1].summary if attempts else None
            await reporter.phase(Phase.PROMPT_GENERATION, number, finished=finished)
            trial = await self._iterate(prompt, number, reporter)
            attempts.append(trial.attempt)
            if best is None or trial.attempt.summary.score > best.attempt.summary.score:
                best = trial
            learnt = lesson(trial.attempt.summary.components, trial.attempt.num_de, self._tools.config)
            prompt = choose(self._candidates, [attempt.prompt for attempt in attempts], learnt)
            reason = self._reason_to_stop(attempts, prompt)
        assert best is not None
        await reporter.phase(
            Phase.OUTPUT_GENERATION, len(attempts), finished=attempts[-1].summary, effective=best.attempt.effective
        )
        return Finding(
            run_id=self._run.run_id,
            asked_at=self._run.created_at,
            question=self._question,
            requested=self._run.control_strategy,
            score_threshold=self._run.score_threshold,
            max_iterations=self._run.max_iterations,
            attempts=attempts,
            best=best,
            shuffled_score=await asyncio.to_thread(self._shuffled, best),
            query=self._source.query,
            seed=self._seed,
            predictor=self._tools.predictor.name,
            config=self._tools.config,
            termination_reason=reason,
        )

    async def _iterate(self, prompt: Prompt, number: int, reporter: Reporter) -> Trial:
        started = time.monotonic()
        cells = await asyncio.to_thread(self._source.prompt, prompt)
        matched = all(group.control is not None for group in cells)
        wanted = self._run.control_strategy
        effective = wanted if matched else ControlStrategy.QUERY_AS_CONTROL
        notes = held_out(prompt, self._question)
        if effective is not wanted:
            notes.append(
                "No matched control cells (same donor and cell type) were found for all prompt cells; "
                "the prediction is compared with the query cells instead of a predicted control."
            )
        await reporter.phase(Phase.INFERENCE, number, effective=effective)
        query = await asyncio.to_thread(lambda: self._source.query)
        seed = (self._seed + number) % 2**32
        prediction = await asyncio.to_thread(
            self._tools.predictor.predict, query.counts, cells, genes=self._source.genes, seed=seed
        )
        await reporter.phase(Phase.EVALUATION, number)
        control = prediction.control if effective is ControlStrategy.SYNTHETIC_CONTROL else None
        compared_with = query.counts if control is None else control
        judge = Judge(self._question.perturbation.name, self._source.genes, query.counts, self._tools.config)
        found = await asyncio.to_thread(
            judge.judge, prediction.perturbed, compared_with, inferred=prompt.inferred, seed=seed
        )
        groups = tuple(
            GroupUse(
                donor=group.donor,
                cell_type=group.cell_type,
                perturbed_cells=group.perturbed.shape[0],
                control_cells=0 if group.control is None else group.control.shape[0],
                weight=round(weight, 4),
            )
            for group, weight in zip(cells, prediction.weights, strict=True)
        )
        summary = IterationSummary(
            number=number,
            strategy=prompt.strategy,
            score=found.grounding.score,
            components=found.grounding.parts,
            duration_seconds=round(time.monotonic() - started, 2),
        )
        attempt = Attempt(prompt, groups, int(found.differential.is_de.sum()), effective, summary)
        notes += found.grounding.limits
        return Trial(attempt, prediction, found.differential, found.enrichment, tuple(notes))

    def _shuffled(self, best: Trial) -> int:
        query, control = self._source.query.counts, best.prediction.control
        synthetic = best.attempt.effective is ControlStrategy.SYNTHETIC_CONTROL and control is not None
        judge = Judge(self._question.perturbation.name, self._source.genes, query, self._tools.config)
        return shuffled_score(
            judge,
            best.prediction.perturbed,
            control if synthetic else query,
            inferred=best.attempt.prompt.inferred,
            seed=self._seed,
        )

    def _reason_to_stop(self, attempts: Sequence[Attempt], following: Prompt | None) -> str | None:
        return reason_to_stop(
            [attempt.summary.score for attempt in attempts],
            threshold=self._run.score_threshold,
            most=self._run.max_iterations,
            plateau=self._tools.config.plateau,
            another=following is not None,
        )


def reason_to_stop(scores: Sequence[int], *, threshold: int, most: int, plateau: int, another: bool) -> str | None:
    """Why to stop after these iterations, or None to go on.

    Args:
        scores: the scores so far, at least one.
        threshold: the score that is good enough.
        most: the most iterations.
        plateau: so many iterations in a row without a better score are enough.
        another: whether there is a prompt that was not tried.
    """
    if max(scores) >= threshold:
        return f"score_threshold: {max(scores)} reaches the threshold of {threshold}"
    if len(scores) >= most:
        return f"max_iterations: {most} iteration(s) done, the threshold of {threshold} was not reached"
    if len(scores) - 1 - scores.index(max(scores)) >= plateau:
        return f"plateau: no better score in {plateau} iterations"
    if not another:
        return "no_new_prompt: all prompts that the atlas offers were tried"
    return None
