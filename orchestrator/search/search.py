"""The search of a run: the prompt that is expected to be most accurate, and further ones while it does not succeed.

The first prompt is delivered. Delivering whichever prompt scores best would report a score that was sought for. The further prompts show
how much the answer depends on the choice of cells.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.evidence.confidence import Basis, confidence
from orchestrator.evidence.permutation import MAX_P
from orchestrator.prediction.predictor import Predictor
from orchestrator.progress import Progress
from orchestrator.question.analysis import NotUnderstood, Question
from orchestrator.search.cells import CellSource, QueryCells
from orchestrator.search.iteration import IterationResult, IterationRunner, IterationSummary
from orchestrator.search.left_out import LeaveOneOut
from orchestrator.search.prompts import Prompt, choose, eligible
from orchestrator.search.strategies import candidates
from shared.runs.evidence import Confidence
from shared.runs.records import Run
from shared.runs.states import Phase


@dataclass(frozen=True)
class SearchResult:
    """A finished search."""

    run: Run
    question: Question
    iterations: Sequence[IterationSummary]
    best: IterationResult  # the one that is delivered: of the prompt that is expected to be most accurate
    query: QueryCells
    seed: int
    predictor: str
    config: JobConfig
    termination_reason: str

    @property
    def success(self) -> bool:
        """Whether the delivered iteration reaches the threshold, by more than an accident of the treatment labels."""
        return self.best.summary.succeeds(self.run.score_threshold)

    @property
    def confidence(self) -> tuple[Confidence, str]:
        """The confidence in the delivered iteration, and its reason as a sentence."""
        best = self.best
        return confidence(
            Basis(
                expected=best.accuracy.expected,
                origin=best.origin,
                p_value=best.summary.p_value,
                reaches_threshold=best.summary.reaches(self.run.score_threshold),
                limited=best.limited,
                judgeable=best.response.judgeable,
                called=best.summary.num_de_genes,
                donors=len(best.response.donors),
                matched=best.response.matched,
                confounded_with=self._confounded_with,
                not_judged=best.summary.not_judged,
            )
        )

    @property
    def _confounded_with(self) -> list[str]:
        used = {group.condition for group in self.best.summary.prompt.groups}
        found = (each.confounded_with for each in self.question.dataset.conditions if each.label in used)
        return sorted({column for columns in found for column in columns})

    @property
    def notes(self) -> list[str]:
        """The caveats, as sentences."""
        return [*self.question.notes, *self.best.notes]


def seed_of(run: Run) -> int:
    """Return the run's seed: the requested one, else one derived from the run id, so that all attempts use the same."""
    return run.random_seed if run.random_seed is not None else int(run.run_id.removeprefix("run_"), 16) % 2**32


class Search:
    """The search of one run."""

    def __init__(
        self, run: Run, question: Question, *, atlas_root: Path, predictor: Predictor, config: JobConfig
    ) -> None:
        self._run = run
        self._question = question
        self._predictor = predictor
        self._config = config
        self._seed = seed_of(run)
        atlas = Atlas(atlas_root / question.dataset.folder)
        self._source = CellSource(atlas, question.target, config, self._seed)
        self._candidates = candidates(question.target, self._source.available)
        self._left_out = LeaveOneOut(self._source, question, predictor)
        self._runner = IterationRunner(question, run.control_strategy, self._source, predictor, config, self._seed)

    async def run(self, progress: Progress) -> SearchResult:
        """Iterate until there is a reason to stop, at least once, and deliver the first iteration.

        Raises:
            NotUnderstood: the atlas has too few cells for any prompt.
            Stopped: the run no longer belongs to this process.
        """
        done: list[IterationSummary] = []
        best: IterationResult | None = None
        await progress.phase(Phase.PROMPT_GENERATION, 1, interpretation=self._question.interpretation)
        first = eligible(self._candidates, [], self._question.query_type.label)
        await asyncio.to_thread(self._test, first, progress.steps(len(first)))
        prompt = await asyncio.to_thread(self._next_prompt, done)
        while (reason := self._reason_to_stop(done, prompt)) is None and prompt is not None:
            number = len(done) + 1
            if done:
                await progress.phase(Phase.PROMPT_GENERATION, number, finished=done[-1].record)
            accuracy = await asyncio.to_thread(self._left_out.accuracy, prompt)
            result = await self._runner.run(prompt, accuracy, number, progress)
            done.append(result.summary)
            best = best or result
            prompt = await asyncio.to_thread(self._next_prompt, done)
        if best is None or reason is None:
            raise NotUnderstood(
                f"The atlas {self._question.dataset.name} has too few cells under {self._question.perturbation.name} and related "
                f"perturbations: at least {self._config.min_group_cells} cells per donor and cell type are required.",
                self._question.interpretation,
            )
        await progress.phase(
            Phase.OUTPUT_GENERATION, len(done), finished=done[-1].record, effective=best.summary.effective
        )
        return SearchResult(
            run=self._run,
            question=self._question,
            iterations=done,
            best=best,
            query=self._source.query,
            seed=self._seed,
            predictor=self._predictor.name,
            config=self._config,
            termination_reason=reason,
        )

    def _test(self, prompts: Sequence[Prompt], on_step: Callable[[], None]) -> None:
        """Test the prompts of the first choice, one after another; `LeaveOneOut` keeps what it finds."""
        for prompt in prompts:
            self._left_out.accuracy(prompt)
            on_step()

    def _next_prompt(self, done: Sequence[IterationSummary]) -> Prompt | None:
        return choose(
            self._candidates,
            [iteration.prompt for iteration in done],
            self._question.query_type.label,
            lambda prompt: self._left_out.accuracy(prompt).estimate,
        )

    def _reason_to_stop(self, done: Sequence[IterationSummary], next_prompt: Prompt | None) -> str | None:
        return reason_to_stop(
            [iteration.score for iteration in done],
            succeeds=bool(done) and done[0].succeeds(self._run.score_threshold),
            threshold=self._run.score_threshold,
            max_iterations=self._run.max_iterations,
            plateau=self._config.plateau,
            another=next_prompt is not None,
        )


def reason_to_stop(
    scores: Sequence[int | None],
    *,
    succeeds: bool,
    threshold: int,
    max_iterations: int,
    plateau: int,
    another: bool,
) -> str | None:
    """Return the reason to stop after iterations with these scores, the delivered one first, or None.

    Args:
        scores: None for an iteration that cannot be judged.
        succeeds: whether the delivered one reaches the threshold with enough evidence.
        another: whether an untried prompt is left.
    """
    if not scores:
        return None
    if succeeds:
        return f"score_threshold: {scores[0]} reaches the threshold of {threshold}"
    if len(scores) >= max_iterations:
        return f"max_iterations: {_without_success(scores[0], threshold)} in {_iterations(max_iterations)}"
    if len(scores) > plateau:
        return f"plateau: {plateau} further prompts were tried, and none is expected to be more accurate"
    if not another:
        return "no_new_prompt: all prompts from the atlas were tried"
    return None


def _without_success(score: int | None, threshold: int) -> str:
    if score is None:
        return "the score could not be judged"
    not_enough = (
        f"reached, but without enough evidence (p of at least {MAX_P}, or known responses that are not predicted),"
    )
    reached = not_enough if score >= threshold else "not reached"
    return f"the threshold of {threshold} was {reached}"


def _iterations(number: int) -> str:
    return f"{number} iteration{'s' * (number != 1)}"
