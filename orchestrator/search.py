"""The iterations of a run: prompt, predict and evaluate until the score is good enough, and keep the best.

What was done by an attempt that lost its machine is not done again. Which prompt is chosen follows from the scores so far, so the choices
are taken again with the scores that were kept, and the search goes on behind them. Only where one of those iterations is what is
delivered, its prediction is made once more: the same seed gives the same numbers.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from orchestrator.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.finding import Attempt, Finding, Trial
from orchestrator.inference import Predictor
from orchestrator.loading import CellSource
from orchestrator.prompt_strategies import candidates
from orchestrator.prompts import Prompt, choose, lesson
from orchestrator.query_analysis import NotUnderstood, Question
from orchestrator.reporter import Reporter
from orchestrator.resumption import NotReproduced
from orchestrator.trials import Trials
from shared import logs
from shared.logs import Severity
from shared.runs.records import Iteration, Run
from shared.runs.states import Phase


def seed_of(run: Run) -> int:
    """The seed of a run: the one asked for, else one that follows from the run id, so that all attempts have the same."""
    return run.random_seed if run.random_seed is not None else int(run.run_id.removeprefix("run_"), 16) % 2**32


class Search:
    """The iterations of one run.

    Args:
        run: the run, with the iterations that an attempt before this one has done.
        question: what it asks.
        atlas_root: the folder of ingested atlases.
        predictor: what makes predictions.
        config: the numbers.
    """

    def __init__(
        self, run: Run, question: Question, *, atlas_root: Path, predictor: Predictor, config: JobConfig
    ) -> None:
        self._run = run
        self._question = question
        self._predictor = predictor
        self._config = config
        atlas = Atlas(atlas_root / (question.dataset.atlas or question.dataset.name))
        seed = seed_of(run)
        self._source = CellSource(atlas, question.asked, config, seed)
        self._candidates = candidates(question.asked, self._source.supply)
        self._trials = Trials(
            question, run.control_strategy, source=self._source, predictor=predictor, config=config, seed=seed
        )

    async def run(self, reporter: Reporter) -> Finding:
        """Iterate until there is a reason to stop; at least once.

        Raises:
            NotUnderstood: the atlas has too few cells for any prompt.
        """
        try:
            return await self._go_on(self._run.iterations, reporter)
        except NotReproduced as error:
            logs.log(Severity.WARNING, "the search begins anew", detail=str(error))
            return await self._go_on([], reporter)

    async def _go_on(self, kept: Sequence[Iteration], reporter: Reporter) -> Finding:
        attempts = await asyncio.to_thread(self._recalled, kept)
        prompt = self._following(attempts)
        if prompt is None and not attempts:
            raise NotUnderstood(
                f"The atlas {self._question.dataset.name} has too few cells under {self._question.perturbation.name} and its relatives "
                f"(at least {self._config.min_group_cells} of a donor and cell type are needed)."
            )
        best: Trial | None = None
        while (reason := self._reason_to_stop(attempts, prompt)) is None:
            assert prompt is not None
            number = len(attempts) + 1
            finished = attempts[-1].summary if attempts else None
            await reporter.phase(Phase.PROMPT_GENERATION, number, finished=finished)
            trial = await self._trials.make(prompt, number, reporter.phase)
            attempts.append(trial.attempt)
            best = trial if _delivered(attempts) is trial.attempt else best
            prompt = self._following(attempts)
        chosen = _delivered(attempts)
        await reporter.phase(
            Phase.OUTPUT_GENERATION, len(attempts), finished=attempts[-1].summary, effective=chosen.effective
        )
        if best is None or best.attempt is not chosen:
            best = await self._trials.once_more(chosen)
        return Finding(
            run_id=self._run.run_id,
            asked_at=self._run.created_at,
            question=self._question,
            requested=self._run.control_strategy,
            score_threshold=self._run.score_threshold,
            max_iterations=self._run.max_iterations,
            attempts=attempts,
            best=best,
            shuffled_score=await asyncio.to_thread(self._trials.shuffled, best),
            query=self._source.query,
            seed=seed_of(self._run),
            predictor=self._predictor.name,
            config=self._config,
            termination_reason=reason,
        )

    def _recalled(self, kept: Sequence[Iteration]) -> list[Attempt]:
        """What was tried in these iterations, the prompts chosen again.

        Raises:
            NotReproduced: another prompt is chosen now, or its prediction would be made from something else.
        """
        attempts: list[Attempt] = []
        for number, summary in enumerate(kept, start=1):
            attempts.append(self._trials.recall(self._following(attempts), number, summary))
        if attempts:
            logs.log(Severity.INFO, "the search goes on behind an earlier attempt's", iterations=len(attempts))
        return attempts

    def _following(self, attempts: Sequence[Attempt]) -> Prompt | None:
        tried = [attempt.prompt for attempt in attempts]
        if not attempts:
            return choose(self._candidates, tried)
        last = attempts[-1].summary
        return choose(self._candidates, tried, lesson(last.components, last.num_de_genes, self._config))

    def _reason_to_stop(self, attempts: Sequence[Attempt], following: Prompt | None) -> str | None:
        return reason_to_stop(
            [attempt.summary.score for attempt in attempts],
            threshold=self._run.score_threshold,
            most=self._run.max_iterations,
            plateau=self._config.plateau,
            another=following is not None,
        )


def _delivered(attempts: Sequence[Attempt]) -> Attempt:
    """The first of those that score best."""
    return max(attempts, key=lambda attempt: attempt.summary.score)


def reason_to_stop(scores: Sequence[int], *, threshold: int, most: int, plateau: int, another: bool) -> str | None:
    """Why to stop after these iterations, or None to go on.

    Args:
        scores: the scores so far.
        threshold: the score that is good enough.
        most: the most iterations.
        plateau: so many iterations in a row without a better score are enough.
        another: whether there is a prompt that was not tried.
    """
    if not scores:
        return None
    if max(scores) >= threshold:
        return f"score_threshold: {max(scores)} reaches the threshold of {threshold}"
    if len(scores) >= most:
        return f"max_iterations: {most} iteration(s) done, the threshold of {threshold} was not reached"
    if len(scores) - 1 - scores.index(max(scores)) >= plateau:
        return f"plateau: no better score in {plateau} iterations"
    if not another:
        return "no_new_prompt: all prompts that the atlas offers were tried"
    return None
