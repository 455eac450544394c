"""One iteration of a run: read a prompt's cells, predict from them, evaluate the prediction."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from orchestrator.atlas.expression import SMALL_PANEL, profile
from orchestrator.config import JobConfig
from orchestrator.evidence.confidence import Accuracy, accuracy_of
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.evaluation import EVALUATION_STEPS, Evaluator
from orchestrator.evidence.gene_sets import program_genes
from orchestrator.evidence.grounding import Origin
from orchestrator.evidence.inference import Response, response_of
from orchestrator.evidence.permutation import MAX_P, program_p_value
from orchestrator.outputs.words import listed, plural
from orchestrator.prediction.predictor import Prediction, Predictor, PromptGroup
from orchestrator.prediction.transfer import extrapolation
from orchestrator.progress import Progress
from orchestrator.question.analysis import Question
from orchestrator.search.cells import CellSource
from orchestrator.search.left_out import PromptAccuracy
from orchestrator.search.prompts import Prompt
from shared.catalog.interpretation import Evidence
from shared.catalog.plans import MIN_GROUP_CELLS
from shared.fields import ControlStrategy
from shared.runs.records import Iteration, PathwayChange
from shared.runs.states import Phase

# Names of cell types contain commas, so a note lists only a few; the report has a table of all.
NAMED_TYPES = 2
# Cells further than this outside the measured cell types get a note, and no more than low confidence.
MAX_EXTRAPOLATION = 0.2


@dataclass(frozen=True)
class GroupUse:
    """A prompt group as it was used: numbers of cells and matched controls, and its weight in the prediction."""

    donor: str
    cell_type: str
    perturbed_cells: int
    control_cells: int
    weight: float


@dataclass(frozen=True)
class IterationSummary:
    """An iteration without its cells."""

    prompt: Prompt
    groups: tuple[GroupUse, ...]  # the use of each group of the prompt
    effective: ControlStrategy  # the control strategy that was used
    num_de_genes: int  # genes called differentially expressed
    p_value: float | None  # of the expected program against shuffled treatment labels; None if it cannot be judged
    expected_pearson: float | None  # median expected correlation with a measurement; None if nothing is expected
    predicts_known: bool  # False if known responses are not predicted better than by chance or by "no change"
    not_judged: str  # why there is no score; empty if there is one
    record: Iteration  # as it is stored with the run

    @property
    def number(self) -> int:
        """The number of the iteration, from 1."""
        return self.record.number

    @property
    def score(self) -> int | None:
        """The grounding score; None if nothing can be judged."""
        return self.record.score

    def reaches(self, threshold: int) -> bool:
        """Return whether there is a score and it reaches a threshold."""
        return self.score is not None and self.score >= threshold

    def succeeds(self, threshold: int) -> bool:
        """Return whether the score reaches a threshold, is no accident of the labels, and no known response contradicts it."""
        significant = self.p_value is not None and self.p_value < MAX_P
        return self.reaches(threshold) and significant and self.predicts_known


@dataclass(frozen=True)
class IterationResult:
    """An iteration with its prediction; a search holds only the delivered one. `notes` are the caveats of this iteration."""

    summary: IterationSummary
    accuracy: PromptAccuracy
    origin: Origin
    limited: bool  # whether the grounding score was limited, or the cells are unlike those of the prompt
    prediction: Prediction
    response: Response  # what the prediction rests on
    differential: Differential
    enrichment: Sequence[PathwayChange]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class IterationRunner:
    """Runs the iterations of one run. CPU-bound steps run in a thread, so that heartbeats and signals are served."""

    question: Question
    requested: ControlStrategy
    source: CellSource
    predictor: Predictor
    config: JobConfig
    seed: int

    async def run(self, prompt: Prompt, accuracy: PromptAccuracy, number: int, progress: Progress) -> IterationResult:
        """Predict from a prompt and evaluate the prediction; the run's seed and the iteration's number seed the random draws.

        Raises:
            Stopped: the run no longer belongs to this process.
        """
        started = time.monotonic()
        groups = await asyncio.to_thread(lambda: [self.source.group(group) for group in prompt.groups])
        notes = caveats(prompt, self.question)
        matched = all(group.control is not None for group in groups)
        effective = self.requested if matched else ControlStrategy.QUERY_AS_CONTROL
        if effective is not self.requested:
            notes.append(
                "Not all prompt cells have matched control cells (same donor and cell type), so the prediction is compared with the "
                "query cells instead of a predicted control."
            )
        await progress.phase(Phase.INFERENCE, number, effective=effective)
        query = await asyncio.to_thread(lambda: self.source.query)
        seed = (self.seed + number) % 2**32
        predictor = self.predictor.tuned(accuracy.settings)
        weights = await asyncio.to_thread(predictor.weights, query.profile, groups)
        prediction = await asyncio.to_thread(
            predictor.predict, query.counts, groups, genes=self.source.genes, seed=seed
        )
        await progress.phase(Phase.EVALUATION, number)
        on_step = progress.steps(1 + len(groups) + EVALUATION_STEPS)
        control = self._control(prediction, effective)
        response = await asyncio.to_thread(self._response, groups, weights, prediction.perturbed, control)
        on_step()
        p_value = await asyncio.to_thread(self._p_value, groups, weights, response, seed, on_step)
        evaluation = await asyncio.to_thread(
            self._evaluator().evaluate,
            prediction.perturbed,
            control,
            response=response,
            p_value=p_value,
            origin=self._origin(prompt),
            seed=seed,
            on_step=on_step,
        )
        grounding = evaluation.grounding
        record = Iteration(
            number=number,
            strategy=prompt.strategy,
            score=grounding.score,
            components=grounding.parts,
            duration_seconds=round(time.monotonic() - started, 2),
        )
        summary = IterationSummary(
            prompt=prompt,
            groups=_uses(groups, weights),
            effective=effective,
            num_de_genes=int(evaluation.differential.is_de.sum()),
            p_value=p_value,
            expected_pearson=None if accuracy.expected is None else accuracy.expected.pearson.median,
            predicts_known=accuracy_of(accuracy.expected) is not Accuracy.POOR,
            not_judged=grounding.not_judged,
            record=record,
        )
        notes += grounding.limits
        unlike = await asyncio.to_thread(self._extrapolation, groups)
        if unlike > MAX_EXTRAPOLATION:
            cells, perturbation = plural(self.question.query_type.name), self.question.perturbation.name
            notes.append(
                f"{cells} are less like the cell types that were measured under {perturbation} than these are like each other, so the "
                "response may not carry over, and the expected accuracy may be too high."
            )
        if not response.judgeable:
            notes.append(
                "The perturbed cells and their controls come from different donors, and too few donors have controls to tell a response "
                "from a difference between donors, so no gene is called changed."
            )
        return IterationResult(
            summary=summary,
            accuracy=accuracy,
            origin=self._origin(prompt),
            limited=bool(grounding.limits) or unlike > MAX_EXTRAPOLATION,
            prediction=prediction,
            response=response,
            differential=evaluation.differential,
            enrichment=evaluation.enrichment,
            notes=tuple(notes),
        )

    def _p_value(
        self,
        groups: Sequence[PromptGroup],
        weights: Sequence[float],
        response: Response,
        seed: int,
        on_group: Callable[[], None],
    ) -> float | None:
        """Return how often permuted treatment labels raise the expected program as much."""
        names = program_genes(self.question.agent)
        if not names or not response.judgeable:
            return None
        columns = [place for place, gene in enumerate(self.source.genes) if gene in names]
        limit = max(self.config.max_permuted_cells // (2 * len(groups)), self.config.min_group_cells)
        cells = [group.cells(limit) for group in groups]
        return program_p_value(cells, weights, response, columns, seed=seed, on_group=on_group)

    def _response(
        self,
        groups: Sequence[PromptGroup],
        weights: Sequence[float],
        perturbed: sparse.csr_matrix,
        control: sparse.csr_matrix,
    ) -> Response:
        """Return what a prediction rests on: the response of the prompts, or the predictor's own with their uncertainty."""
        unlike = self._extrapolation(groups)
        response = response_of(groups, weights, extrapolation=unlike)
        if self.predictor.transfers:
            return response
        return replace(response, effect=profile(perturbed) - profile(control))

    def _extrapolation(self, groups: Sequence[PromptGroup]) -> float:
        """Return how unlike the cell types of the prompt the query cells are; 0 if theirs is among them."""
        if any(group.cell_type == self.question.query_type.label for group in groups):
            return 0.0
        return extrapolation(self.source.query.profile.expression, [group.reference.expression for group in groups])

    def _control(self, prediction: Prediction, effective: ControlStrategy) -> sparse.csr_matrix:
        synthetic = effective is ControlStrategy.SYNTHETIC_CONTROL and prediction.control is not None
        return prediction.control if synthetic else self.source.query.counts

    def _origin(self, prompt: Prompt) -> Origin:
        # A close variant has the name of the perturbation that was measured, so the prompt cannot tell that it stands in.
        if self.question.perturbation.evidence is Evidence.RELATED_PERTURBATION:
            return Origin.RELATED_PERTURBATION
        return prompt.origin(self.question.query_type.label)

    def _evaluator(self) -> Evaluator:
        return Evaluator(self.question.agent, self.source.genes, self.source.query.counts, self.config)


def _uses(groups: Sequence[PromptGroup], weights: Sequence[float]) -> tuple[GroupUse, ...]:
    return tuple(
        GroupUse(
            donor=group.donor,
            cell_type=group.cell_type,
            perturbed_cells=round(group.perturbed.cells),
            control_cells=0 if group.control is None else round(group.control.cells),
            weight=round(weight, 4),
        )
        for group, weight in zip(groups, weights, strict=True)
    )


def caveats(prompt: Prompt, question: Question) -> list[str]:
    """Return sentences about a prediction from other cell types or another perturbation, unless the interpretation has them."""
    label, perturbation = question.query_type.label, question.perturbation.name
    own_type = any(group.cell_type == label for group in prompt.groups)
    used = ", ".join(sorted({group.condition for group in prompt.groups})) if prompt.related_only else perturbation
    notes = []
    if prompt.related_only and question.perturbation.used == perturbation:
        notes.append(
            f"This answer is inferred from cells under {used}, not under {perturbation}: {prompt.rationale} "
            "Treat it as a hypothesis: it cannot show how the two perturbations differ."
        )
    if not own_type:
        own = plural(question.query_type.name)
        types = sorted({plural(question.cell_name(group.cell_type)) for group in prompt.groups})
        others = listed(types) if len(types) <= NAMED_TYPES else f"{len(types)} other cell types"
        notes.append(
            f"No {own} under {used} were used. The response was transferred from {others}; "
            f"responses that only {own} show are missing."
        )
    notes += _donors_left_out(prompt, question)
    n_genes = question.dataset.n_genes
    if n_genes is not None and n_genes < SMALL_PANEL:
        notes.append(
            f"The atlas measures only {n_genes} genes. Expression is relative to their total, so genes that rise make others appear to "
            "fall."
        )
    return notes


def _donors_left_out(prompt: Prompt, question: Question) -> Iterator[str]:
    """Yield how many donors were measured, but in too few cells."""
    used = {group.condition for group in prompt.groups if group.cell_type == question.query_type.label}
    by_donor = np.array([group.donors for group in question.dataset.counts.groups(used, question.query_type.label)])
    largest = by_donor.max(axis=0, initial=0)
    if few := int(((largest > 0) & (largest < MIN_GROUP_CELLS)).sum()):
        cells, names = plural(question.query_type.name), listed(sorted(used))
        yield f"Not used: {few} of {int((largest > 0).sum())} donors, with fewer than {MIN_GROUP_CELLS} {cells} under {names}."
