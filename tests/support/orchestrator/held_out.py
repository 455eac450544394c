"""Questions whose own combination of cell type and perturbation is withheld from the prompts and serves as the truth."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.atlas import Atlas, Group
from orchestrator.atlas.expression import Floats, profile
from orchestrator.config import JobConfig
from orchestrator.evidence.evaluation import Evaluator
from orchestrator.evidence.gene_sets import program_genes
from orchestrator.evidence.grounding import Origin
from orchestrator.evidence.inference import Response, response_of
from orchestrator.evidence.permutation import program_p_value
from orchestrator.ingest.build import ingest
from orchestrator.prediction.delta_transfer import DeltaTransfer, shifted
from orchestrator.prediction.predictor import Prediction
from orchestrator.question.analysis import Question, analyze
from orchestrator.search.cells import CellSource
from orchestrator.search.left_out import LeaveOneOut, PromptAccuracy
from orchestrator.search.prompts import Prompt, choose
from orchestrator.search.strategies import AvailableGroups, candidates
from shared.catalog.entries import DatasetEntry
from shared.catalog.plans import MIN_QUERY_CELLS, control_cells
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView

CONFIG = JobConfig()
MIN_TRUE_CELLS = 10  # with fewer true cells, their own noise exceeds any difference between methods


class Data(NamedTuple):
    """An ingested atlas: its catalog entry, and the folder of atlases."""

    entry: DatasetEntry
    root: Path


class HeldOut:
    """A question whose own combination of cell type and perturbation is withheld from the prompts."""

    def __init__(self, data: Data, cell_type: str, perturbation: str, seed: int) -> None:
        entry = next(each for each in data.entry.cell_types if each.label == cell_type)
        text = f"How would {entry.cell_ontology_label or cell_type} respond to {perturbation}?"
        question = analyze(text, CatalogView(datasets(), [data.entry]))
        self.target, self.label, self.perturbation = question.target, question.query_type.label, perturbation
        self.atlas = Atlas(data.root / data.entry.folder)
        self.source = CellSource(self.atlas, self.target, CONFIG, seed)
        sizes = {
            group: self.atlas.size(group)
            for group in self.atlas.groups
            if not (group.cell_type == self.label and group.condition in self.target.conditions)
        }
        self.source.available = AvailableGroups(sizes, self.target, CONFIG)

        self.prompt, self.accuracy = first_prompt(question, self.source)
        self._predictor = DeltaTransfer(self.accuracy.settings)
        self._groups_used = [self.source.group(group) for group in self.prompt.groups]
        self._weights = self._predictor.weights(self.source.query.profile, self._groups_used)

    def predict(self, seed: int) -> Prediction:
        """Predict from the first prompt."""
        return self._predictor.predict(self.source.query.counts, self._groups_used, genes=self.source.genes, seed=seed)

    def response(self) -> Response:
        """Return what the prediction rests on."""
        return response_of(self._groups_used, self._weights)

    def p_value(self, seed: int, *, perturbation: str = "", order: NDArray[np.int64] | None = None) -> float | None:
        """Return the p of the expected program of a perturbation, after the genes are reordered."""
        names = program_genes(perturbation or self.perturbation)
        places = range(len(self.source.genes)) if order is None else order
        columns = [int(place) for place, gene in zip(places, self.source.genes, strict=True) if gene in names]
        cells = [group.cells(CONFIG.max_permuted_cells // (2 * len(self._groups_used))) for group in self._groups_used]
        return program_p_value(cells, self._weights, self.response(), columns, seed=seed)

    def score(
        self,
        perturbed: sparse.csr_matrix,
        control: sparse.csr_matrix,
        seed: int,
        *,
        response: Response | None = None,
        p_value: float | None = None,
        perturbation: str = "",
        origin: Origin = Origin.CROSS_CELL_TYPE,
    ) -> int:
        """Score cells as the answer to this question, or to the one about another perturbation; what cannot be judged scores lowest."""
        evaluator = Evaluator(perturbation or self.perturbation, self.source.genes, self.source.query.counts, CONFIG)
        found = evaluator.evaluate(perturbed, control, response=response, p_value=p_value, origin=origin, seed=seed)
        return found.grounding.score or 1

    def true_score(self, seed: int) -> int:
        """Score the held-out cells themselves: the best that any prediction can deserve."""
        true, control = (
            self._counts(self.label, conditions) for conditions in (self.target.conditions, self.target.controls)
        )
        return self.score(true, control, seed, origin=Origin.EXACT)

    def change(self, cell_type: str) -> Floats:
        """Return the measured change of a cell type under the perturbation."""
        perturbed, control = (
            self._counts(cell_type, conditions) for conditions in (self.target.conditions, self.target.controls)
        )
        return profile(perturbed) - profile(control)

    def mean_change(self) -> Floats:
        """Return the mean change of all other cell types."""
        others = [near.cell_type for near in self.target.neighbors]
        measured = [name for name in others if self.measured_cells(name) >= CONFIG.min_group_cells]
        mean: Floats = np.mean([self.change(name) for name in measured], axis=0)
        return mean

    def measured_cells(self, cell_type: str) -> int:
        """Return the number of perturbed or control cells of a type, whichever is smaller."""
        return min(
            sum(self.atlas.size(group) for group in self._groups(cell_type, conditions))
            for conditions in (self.target.conditions, self.target.controls)
        )

    def _counts(self, cell_type: str, conditions: Sequence[str]) -> sparse.csr_matrix:
        rng = np.random.default_rng(0)
        rows = [self.atlas.rows(g, self.atlas.size(g), rng) for g in self._groups(cell_type, conditions)]
        return self.atlas.counts(np.sort(np.concatenate(rows)))

    def _groups(self, cell_type: str, conditions: Sequence[str]) -> list[Group]:
        return [g for g in self.atlas.groups if g.cell_type == cell_type and g.condition in conditions]


@dataclass(frozen=True)
class Accuracy:
    """Pearson correlation with the true change, and squared error relative to "no change"; both also for the mean of the others."""

    cell_type: str
    pearson: float
    pearson_of_mean: float
    error: float
    error_of_mean: float


def accuracy(data: Data, perturbation: str) -> Iterator[Accuracy]:
    """Yield the accuracy for each cell type that has enough true cells."""
    for entry in data.entry.cell_types:
        if control_cells(data.entry, entry.label) < MIN_QUERY_CELLS:
            continue
        held_out = HeldOut(data, entry.label, perturbation, 0)
        if held_out.measured_cells(entry.label) < MIN_TRUE_CELLS:
            continue
        truth, mean, predicted = held_out.change(entry.label), held_out.mean_change(), predicted_change(held_out, 0)
        nothing = float(np.sum(truth**2))
        yield Accuracy(
            cell_type=entry.label,
            pearson=float(np.corrcoef(predicted, truth)[0, 1]),
            pearson_of_mean=float(np.corrcoef(mean, truth)[0, 1]),
            error=float(np.sum((predicted - truth) ** 2)) / nothing,
            error_of_mean=float(np.sum((mean - truth) ** 2)) / nothing,
        )


def predicted_change(held_out: HeldOut, seed: int) -> Floats:
    """Return the predicted change of the group's profile."""
    prediction = held_out.predict(seed)
    assert prediction.control is not None
    return profile(prediction.perturbed) - profile(prediction.control)


class Scores(NamedTuple):
    """The scores of the right answer, of the true cells, and of wrong answers."""

    right: int
    true: int
    shuffled: int
    unchanged: int
    other: int

    @property
    def wrong(self) -> tuple[int, int, int]:
        """The scores of the wrong answers."""
        return self.shuffled, self.unchanged, self.other


def scores(data: Data, cell_type: str, perturbation: str, other: str, seeds: Iterable[int]) -> Iterator[Scores]:
    """Yield the scores by seed. Wrong answers: the change assigned to random genes, no change, and the response to another cytokine.

    If the atlas lacks the other cytokine, the same prediction is scored as the answer to the question about it.
    """
    available = {each.perturbation for each in data.entry.conditions}
    for seed in seeds:
        held_out = HeldOut(data, cell_type, perturbation, seed)
        query, right = held_out.source.query.counts, held_out.predict(seed)
        rng = np.random.default_rng(seed)
        response, order = held_out.response(), rng.permutation(query.shape[1])
        shuffled = shifted(query, predicted_change(held_out, seed)[order], rng)
        unlike = HeldOut(data, cell_type, other, seed) if other in available else held_out
        wrong = unlike.predict(seed)
        name = "" if other in available else other
        yield Scores(
            right=held_out.score(
                right.perturbed, right.control, seed, response=response, p_value=held_out.p_value(seed)
            ),
            true=held_out.true_score(seed),
            shuffled=held_out.score(
                shuffled,
                query,
                seed,
                response=response.reordered(order),
                p_value=held_out.p_value(seed, order=order),
            ),
            unchanged=held_out.score(query, query, seed),
            other=held_out.score(
                wrong.perturbed,
                wrong.control,
                seed,
                response=unlike.response(),
                p_value=unlike.p_value(seed, perturbation=name or perturbation),
                perturbation=name,
            ),
        )


def first_prompt(question: Question, source: CellSource) -> tuple[Prompt, PromptAccuracy]:
    """Return the prompt that a run would deliver, with its accuracy."""
    left_out = LeaveOneOut(source, question, DeltaTransfer())
    prompt = choose(
        candidates(question.target, source.available),
        [],
        question.query_type.label,
        lambda each: left_out.accuracy(each).estimate,
    )
    assert prompt is not None
    return prompt, left_out.accuracy(prompt)


def kang(path: Path, folder: Path) -> Data:
    """Ingest the data of Kang et al. 2018; the two samples of each donor are joined."""
    cells = ad.read_h5ad(path)
    obs = pd.DataFrame(
        {
            "cell_type": cells.obs["cluster_id"].astype(str),
            "condition": cells.obs["group_id"].astype(str).map({"ctrl": "ctrl", "stim": "IFN-beta"}),
            "donor": cells.obs["sample_id"].astype(str).str.replace(r"\D+", "", regex=True),
        }
    )
    joined = ad.AnnData(sparse.csr_matrix(cells.X), obs=obs, var=pd.DataFrame(index=cells.var_names))
    joined.write_h5ad(folder / "kang.h5ad")
    return Data(ingest("kang", folder / "kang.h5ad", folder), folder)
