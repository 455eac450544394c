"""The search of a run: prompt, predict and evaluate until there is a reason to stop, and deliver the best iteration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.evidence.permutation import MAX_P
from orchestrator.prediction.delta_transfer import Predictor
from orchestrator.progress import Progress
from orchestrator.question.analysis import NotUnderstood, Question
from orchestrator.search.cells import CellSource, QueryCells
from orchestrator.search.iteration import IterationResult, IterationRunner, IterationSummary
from orchestrator.search.prompts import Prompt, choose, lesson
from orchestrator.search.strategies import candidates
from shared.runs.records import Run
from shared.runs.states import Phase


@dataclass(frozen=True)
class SearchResult:
    """A finished search."""

    run: Run
    question: Question
    iterations: Sequence[IterationSummary]
    best: IterationResult  # the one that is delivered
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
        atlas = Atlas(atlas_root / (question.dataset.atlas or question.dataset.name))
        self._source = CellSource(atlas, question.target, config, self._seed)
        self._candidates = candidates(question.target, self._source.available)
        self._runner = IterationRunner(question, run.control_strategy, self._source, predictor, config, self._seed)

    async def run(self, progress: Progress) -> SearchResult:
        """Iterate until there is a reason to stop, at least once.

        Raises:
            NotUnderstood: the atlas has too few cells for any prompt.
            Stopped: the run no longer belongs to this process.
        """
        done: list[IterationSummary] = []
        best: IterationResult | None = None
        prompt = self._next_prompt(done)
        while (reason := self._reason_to_stop(done, prompt)) is None and prompt is not None:
            number = len(done) + 1
            finished = done[-1].record if done else None
            await progress.phase(
                Phase.PROMPT_GENERATION, number, interpretation=self._question.interpretation, finished=finished
            )
            result = await self._runner.run(prompt, number, progress)
            done.append(result.summary)
            if best is None or self._rank(result.summary) > self._rank(best.summary):
                best = result
            prompt = self._next_prompt(done)
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

    def _rank(self, summary: IterationSummary) -> tuple[bool, int]:
        return summary.succeeds(self._run.score_threshold), summary.score

    def _next_prompt(self, done: Sequence[IterationSummary]) -> Prompt | None:
        tried = [iteration.prompt for iteration in done]
        if not done:
            return choose(self._candidates, tried)
        learned = lesson(done[-1].record.components, done[-1].num_de_genes, self._config)
        return choose(self._candidates, tried, learned)

    def _reason_to_stop(self, done: Sequence[IterationSummary], next_prompt: Prompt | None) -> str | None:
        return reason_to_stop(
            [iteration.score for iteration in done],
            succeeds=[iteration.succeeds(self._run.score_threshold) for iteration in done],
            threshold=self._run.score_threshold,
            max_iterations=self._run.max_iterations,
            plateau=self._config.plateau,
            another=next_prompt is not None,
        )


def reason_to_stop(
    scores: Sequence[int],
    *,
    succeeds: Sequence[bool],
    threshold: int,
    max_iterations: int,
    plateau: int,
    another: bool,
) -> str | None:
    """Return the reason to stop after iterations with these scores, or None.

    Args:
        succeeds: whether each reaches the threshold with a significant p.
        another: whether an untried prompt is left.
    """
    if not scores:
        return None
    if any(succeeds):
        best = max(score for score, success in zip(scores, succeeds, strict=True) if success)
        return f"score_threshold: {best} reaches the threshold of {threshold}"
    if len(scores) >= max_iterations:
        reached = f"reached, but not with p below {MAX_P}," if max(scores) >= threshold else "not reached"
        return f"max_iterations: the threshold of {threshold} was {reached} in {_iterations(max_iterations)}"
    if len(scores) - 1 - scores.index(max(scores)) >= plateau:
        return f"plateau: the score did not improve in {_iterations(plateau)}"
    if not another:
        return "no_new_prompt: all prompts from the atlas were tried"
    return None


def _iterations(number: int) -> str:
    return f"{number} iteration{'s' * (number != 1)}"
