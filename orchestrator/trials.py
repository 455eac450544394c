"""One iteration of a run: a prompt's cells, a prediction from them, and its judgement."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Protocol

from orchestrator.baselines import shuffled_score
from orchestrator.caveats import held_out
from orchestrator.config import JobConfig
from orchestrator.evaluation import Origin
from orchestrator.finding import Attempt, GroupUse, Trial
from orchestrator.inference import Predictor, PromptCells
from orchestrator.judgement import Judge
from orchestrator.loading import CellSource
from orchestrator.prompts import Prompt
from orchestrator.query_analysis import Question
from orchestrator.resumption import NotReproduced, check_same, made_from
from shared.fields import ControlStrategy
from shared.runs.records import Iteration
from shared.runs.states import Phase


class Tell(Protocol):
    """Says that a phase of an iteration begins; raises `Stopped` where it must not."""

    def __call__(self, phase: Phase, iteration: int, *, effective: ControlStrategy | None = None) -> Awaitable[None]:
        """See `Reporter.phase`."""


class Trials:
    """Makes the trials of one run. The heavy work runs in a thread, so that heartbeats and signals are served.

    Args:
        question: what is asked.
        requested: what predictions shall be compared with.
        source: the cells.
        predictor: what makes predictions.
        config: the numbers.
        seed: the run's seed.
    """

    def __init__(
        self,
        question: Question,
        requested: ControlStrategy,
        *,
        source: CellSource,
        predictor: Predictor,
        config: JobConfig,
        seed: int,
    ) -> None:
        self._question = question
        self._requested = requested
        self._source = source
        self._predictor = predictor
        self._config = config
        self._seed = seed

    async def make(self, prompt: Prompt, number: int, tell: Tell) -> Trial:
        """Predict from a prompt and judge what comes out, telling which phase begins.

        Args:
            prompt: the prompt.
            number: which iteration it is; each draws other numbers, the same ones each time.
            tell: is told of the phases.
        """
        started = time.monotonic()
        cells = await asyncio.to_thread(self._source.prompt, prompt)
        effective = self._effective(cells)
        notes = held_out(prompt, self._question)
        if effective is not self._requested:
            notes.append(
                "No matched control cells (same donor and cell type) were found for all prompt cells; "
                "the prediction is compared with the query cells instead of a predicted control."
            )
        await tell(Phase.INFERENCE, number, effective=effective)
        query = await asyncio.to_thread(lambda: self._source.query)
        seed = (self._seed + number) % 2**32
        prediction = await asyncio.to_thread(
            self._predictor.predict, query.counts, cells, genes=self._source.genes, seed=seed
        )
        await tell(Phase.EVALUATION, number)
        control = prediction.control if effective is ControlStrategy.SYNTHETIC_CONTROL else None
        compared_with = query.counts if control is None else control
        found = await asyncio.to_thread(
            self._judge().judge, prediction.perturbed, compared_with, origin=self._origin(prompt), seed=seed
        )
        groups = await asyncio.to_thread(self._uses, cells)
        summary = Iteration(
            number=number,
            strategy=prompt.strategy,
            score=found.grounding.score,
            components=found.grounding.parts,
            duration_seconds=round(time.monotonic() - started, 2),
            num_de_genes=int(found.differential.is_de.sum()),
            made_from=self._made_from(prompt),
        )
        attempt = Attempt(prompt, groups, effective, summary)
        notes += found.grounding.limits
        return Trial(attempt, prediction, found.differential, found.enrichment, tuple(notes))

    def recall(self, prompt: Prompt | None, number: int, kept: Iteration) -> Attempt:
        """What was tried in an iteration of which only the summary was kept; nothing is predicted.

        Args:
            prompt: the prompt that is chosen for this iteration now, if any is.
            number: which iteration it is.
            kept: its summary.

        Raises:
            NotReproduced: its prediction would be made from something else now.
        """
        if prompt is None or kept.number != number or kept.made_from != self._made_from(prompt):
            raise NotReproduced(number, "it was made from something else than is chosen now")
        cells = self._source.prompt(prompt)
        return Attempt(prompt, self._uses(cells), self._effective(cells), kept)

    async def once_more(self, attempt: Attempt) -> Trial:
        """The trial of a recalled attempt, made again. It is no news to anybody, so no phase is told.

        Raises:
            NotReproduced: it comes out differently.
        """
        trial = await self.make(attempt.prompt, attempt.summary.number, _say_nothing)
        check_same(attempt.summary, trial.attempt.summary)
        return Trial(attempt, trial.prediction, trial.differential, trial.enrichment, trial.notes)

    def shuffled(self, trial: Trial) -> int:
        """What the trial's changes score on genes drawn at random."""
        query, control = self._source.query.counts, trial.prediction.control
        synthetic = trial.attempt.effective is ControlStrategy.SYNTHETIC_CONTROL and control is not None
        return shuffled_score(
            self._judge(),
            trial.prediction.perturbed,
            control if synthetic else query,
            origin=self._origin(trial.attempt.prompt),
            seed=self._seed,
        )

    def _origin(self, prompt: Prompt) -> Origin:
        return prompt.origin(self._question.query_type.label)

    def _judge(self) -> Judge:
        return Judge(self._question.perturbation.name, self._source.genes, self._source.query.counts, self._config)

    def _effective(self, cells: Sequence[PromptCells]) -> ControlStrategy:
        matched = all(group.control is not None for group in cells)
        return self._requested if matched else ControlStrategy.QUERY_AS_CONTROL

    def _uses(self, cells: Sequence[PromptCells]) -> tuple[GroupUse, ...]:
        weights = self._predictor.weights(self._source.query.counts, cells)
        return tuple(
            GroupUse(
                donor=group.donor,
                cell_type=group.cell_type,
                perturbed_cells=group.perturbed.shape[0],
                control_cells=0 if group.control is None else group.control.shape[0],
                weight=round(weight, 4),
            )
            for group, weight in zip(cells, weights, strict=True)
        )

    def _made_from(self, prompt: Prompt) -> str:
        return made_from(
            prompt,
            self._question,
            requested=self._requested,
            predictor=self._predictor.name,
            config=self._config,
            seed=self._seed,
        )


async def _say_nothing(phase: Phase, iteration: int, *, effective: ControlStrategy | None = None) -> None:
    """A `Tell` to nobody."""
