"""Held-out accuracy: predictions for combinations of cell type and perturbation that are removed from the prompts.

    python -m tools.benchmarks.held_out FOLDER [--kang PATH.h5ad] [--seeds 10] [--only TEXT ...] [--json]

The removed cells are the truth. The first table compares the predicted with the true change of expression, next to the
baselines that any method must beat, the accuracy that the job expects without the truth, and the called genes with those that a
test of the true cells calls. The second table compares the grounding score of the right answer with those of wrong answers, and with
the score of the true cells: if the truth does not score higher than a wrong answer, the expectations cannot tell them apart on this data,
and the question is not judged. The third table runs the job where nothing happened (`tools.benchmarks.nulls`).

The demo atlas is built in FOLDER; its responses are simulated, so its figures show that the method works, not that it is
right. The data of Kang et al. 2018 (interferon-beta, real) are used if `--kang` names them.

Exit code: 1 if, for a judged question, the right answer does not score higher in nine of ten seeds, or if more than one null run succeeds.
"""

import argparse
import json
import operator
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from local.demo_atlas import SEMI_SYNTHETIC
from local.demo_atlas import build as demo_atlas
from orchestrator.atlas.atlas import Atlas, Group
from orchestrator.atlas.expression import Floats, profile
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare
from orchestrator.evidence.evaluation import Evaluator
from orchestrator.evidence.gene_sets import program_genes
from orchestrator.evidence.grounding import Origin
from orchestrator.evidence.inference import Response, response_of
from orchestrator.evidence.permutation import program_p_value
from orchestrator.ingest.build import ingest
from orchestrator.prediction.delta_transfer import DeltaTransfer, shifted
from orchestrator.prediction.transfer import extrapolation
from orchestrator.question.analysis import analyze
from orchestrator.search.cells import CellSource
from orchestrator.search.left_out import LeaveOneOut
from orchestrator.search.prompts import choose
from orchestrator.search.strategies import AvailableGroups, candidates
from shared.catalog.entries import DatasetEntry
from shared.catalog.plans import MIN_QUERY_CELLS, control_cells
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from tools.benchmarks.nulls import nulls
from tools.benchmarks.report import table

CONFIG: Final = JobConfig()
# The noise of a held-out group with fewer true cells is larger than any difference between methods.
MIN_TRUE_CELLS: Final = 10
# The wrong answer is the response to a cytokine of another program: IFN-beta for these, TNF-alpha for all others.
UNLIKE_IFN_BETA: Final = frozenset({"TNF-alpha", "IL-1-beta", "TRAIL", "EGF"})
DEMO_TYPES: Final = ("MDC", "CD8_T")
# What a score that cannot be judged, as of "no change", counts as: the lowest.
NOT_JUDGED: Final = 1
# Share of the seeds in which the right answer must score higher than each wrong answer.
ENOUGH: Final = 0.9
WRONG: Final = ("shuffled", "unchanged", "other")
Row = dict[str, Any]


class Data:
    """An ingested atlas."""

    def __init__(self, name: str, entry: DatasetEntry, root: Path) -> None:
        self.name, self.entry, self.atlas = name, entry, Atlas(root / entry.folder)
        self.perturbations = sorted({each.perturbation for each in entry.conditions if each.perturbation})

    def cells(self, cell_type: str, conditions: Sequence[str]) -> int:
        """Return the number of cells of a type in these conditions."""
        return sum(self.atlas.size(group) for group in self._groups(cell_type, conditions))

    def counts(self, cell_type: str, conditions: Sequence[str]) -> sparse.csr_matrix:
        """Return the counts of all cells of a type in these conditions."""
        rng = np.random.default_rng(0)
        rows = [self.atlas.rows(group, self.atlas.size(group), rng) for group in self._groups(cell_type, conditions)]
        return self.atlas.counts(np.sort(np.concatenate(rows)))

    def _groups(self, cell_type: str, conditions: Sequence[str]) -> list[Group]:
        return [g for g in self.atlas.groups if g.cell_type == cell_type and g.condition in conditions]


class Answer(NamedTuple):
    """Counts of perturbed cells and of the control that they are compared with, and what a prediction rests on."""

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix
    response: Response | None = None  # None for measured cells

    def change(self) -> Floats:
        """Return the change of expression."""
        return profile(self.perturbed) - profile(self.control)


class HeldOut:
    """A question whose own cells are removed from the prompts.

    Args:
        cell_type: label of the cell type in the atlas.
        perturbation: catalog name.
        seed: selects the cells that are drawn.
    """

    def __init__(self, data: Data, cell_type: str, perturbation: str, seed: int) -> None:
        entry = next(each for each in data.entry.cell_types if each.label == cell_type)
        text = f"How would {entry.cell_ontology_label or cell_type} respond to {perturbation}?"
        question = analyze(text, CatalogView(datasets(), [data.entry]))
        self.data, self.perturbation, self.seed = data, question.perturbation.name, seed
        self.target, self.label = question.target, question.query_type.label
        self.source = CellSource(data.atlas, self.target, CONFIG, seed)
        sizes = {
            group: data.atlas.size(group)
            for group in data.atlas.groups
            if not (group.cell_type == self.label and group.condition in self.target.conditions)
        }
        self.source.available = AvailableGroups(sizes, self.target, CONFIG)

        left_out = LeaveOneOut(self.source, question, DeltaTransfer())
        prompt = choose(
            candidates(self.target, self.source.available),
            [],
            self.label,
            lambda each: left_out.accuracy(each).estimate,
        )
        assert prompt is not None, f"no prompt for {self.perturbation} in {self.label}"
        self.accuracy = left_out.accuracy(prompt)
        self._groups = [self.source.group(group) for group in prompt.groups]
        self._predictor = DeltaTransfer(self.accuracy.settings)
        self._weights = self._predictor.weights(self.source.query.profile, self._groups)
        unlike = extrapolation(
            self.source.query.profile.expression, [each.reference.expression for each in self._groups]
        )
        own = any(group.cell_type == self.label for group in self._groups)
        self._response = response_of(self._groups, self._weights, extrapolation=0.0 if own else unlike)

    def predict(self) -> Answer:
        """Return the prediction from the prompt that the job would deliver."""
        query, genes = self.source.query.counts, self.source.genes
        found = self._predictor.predict(query, self._groups, genes=genes, seed=self.seed)
        return Answer(found.perturbed, query if found.control is None else found.control, self._response)

    def p_value(self, perturbation: str, order: NDArray[np.int64] | None = None) -> float | None:
        """Return the p of the expected program of a perturbation against permuted labels, after the genes are reordered."""
        names = program_genes(perturbation)
        places = range(len(self.source.genes)) if order is None else order
        columns = [int(place) for place, gene in zip(places, self.source.genes, strict=True) if gene in names]
        limit = max(CONFIG.max_permuted_cells // (2 * len(self._groups)), CONFIG.min_group_cells)
        cells = [group.cells(limit) for group in self._groups]
        return program_p_value(cells, self._weights, self._response, columns, seed=self.seed)

    def truth(self) -> Answer:
        """Return the held-out cells."""
        return Answer(*(self.data.counts(self.label, labels) for labels in self._conditions))

    def others(self) -> dict[str, Floats]:
        """Return the change of each other cell type that has enough cells, nearest in the Cell Ontology first."""
        names = [
            near.cell_type for near in self.target.neighbors if self.cells(near.cell_type) >= CONFIG.min_group_cells
        ]
        return {name: _change(self.data, name, *self._conditions) for name in names}

    def called(self, answer: Answer) -> NDArray[np.bool_]:
        """Return which genes are called changed."""
        return compare(answer.perturbed, answer.control, self.source.genes, CONFIG, answer.response).is_de

    def cells(self, cell_type: str) -> int:
        """Return the number of measured cells of a type: perturbed or control, whichever are fewer."""
        return min(self.data.cells(cell_type, labels) for labels in self._conditions)

    def score(
        self,
        answer: Answer,
        perturbation: str = "",
        origin: Origin = Origin.CROSS_CELL_TYPE,
        p_value: float | None = None,
    ) -> int:
        """Return the score of an answer to this question, or to one about another perturbation."""
        name = perturbation or self.perturbation
        evaluator = Evaluator(name, self.source.genes, self.source.query.counts, CONFIG)
        found = evaluator.evaluate(
            answer.perturbed,
            answer.control,
            response=answer.response,
            p_value=p_value,
            origin=origin,
            seed=self.seed,
        )
        return found.grounding.score or NOT_JUDGED

    @property
    def _conditions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(self.target.conditions), tuple(self.target.controls)


@cache
def _change(data: Data, cell_type: str, conditions: tuple[str, ...], controls: tuple[str, ...]) -> Floats:
    return Answer(data.counts(cell_type, conditions), data.counts(cell_type, controls)).change()


def accuracy(data: Data, cell_type: str, perturbation: str) -> Iterator[Row]:
    """Yield the accuracy of the prediction and of the baselines, if there are enough true cells.

    `pearson` is the correlation with the true change, `error` the squared error relative to that of no change, `expected` the
    correlation that the job expects without the truth. `precision` and `recall` compare the called genes with those of the true cells.
    """
    if control_cells(data.entry, cell_type) < MIN_QUERY_CELLS:
        return  # the job refuses questions about it
    held_out = HeldOut(data, cell_type, perturbation, seed=0)
    cells = held_out.cells(held_out.label)
    if held_out.label == cell_type and cells >= MIN_TRUE_CELLS:
        truth, answer, others = held_out.truth(), held_out.predict(), held_out.others()
        change = truth.change()
        row = Row(data=data.name, perturbation=perturbation, cell_type=cell_type, cells=cells)
        methods = {
            "": answer.change(),
            "_mean": np.mean(list(others.values()), axis=0),
            "_nearest": next(iter(others.values())),
        }
        for name, predicted in methods.items():
            row[f"pearson{name}"] = float(np.corrcoef(predicted, change)[0, 1])
        for name, predicted in methods.items():
            row[f"error{name}"] = float(np.sum((predicted - change) ** 2) / np.sum(change**2))
        expected = held_out.accuracy.expected
        row["expected"] = float("nan") if expected is None else expected.pearson.median
        called, true = held_out.called(answer), held_out.called(truth)
        row["called"], row["true"] = int(called.sum()), int(true.sum())
        row["precision"] = float((called & true).sum() / max(called.sum(), 1))
        row["recall"] = float((called & true).sum() / max(true.sum(), 1))
        yield row


def scores(data: Data, cell_type: str, perturbation: str, seeds: int) -> Row:
    """Score the right answer, the true cells and wrong answers for each seed.

    Wrong answers are the right change shuffled among genes, no change, and the response to another cytokine. If the atlas
    does not have the other cytokine, the right answer is scored as the answer to a question about it. `wins` counts the
    seeds in which the right answer scores higher than each wrong one; `judged` says whether the truth does so, often enough.
    """
    other = "IFN-beta" if perturbation in UNLIKE_IFN_BETA else "TNF-alpha"
    found: dict[str, list[int]] = {name: [] for name in ("right", "true", *WRONG)}
    for seed in range(seeds):
        held_out = HeldOut(data, cell_type, perturbation, seed)
        query, right = held_out.source.query.counts, held_out.predict()
        rng = np.random.default_rng(seed)
        order = rng.permutation(query.shape[1])
        assert right.response is not None
        shuffled = Answer(shifted(query, right.change()[order], rng), query, right.response.reordered(order))
        own = held_out.perturbation
        found["right"].append(held_out.score(right, p_value=held_out.p_value(own)))
        found["true"].append(held_out.score(held_out.truth(), origin=Origin.EXACT))
        found["shuffled"].append(held_out.score(shuffled, p_value=held_out.p_value(own, order)))
        found["unchanged"].append(held_out.score(Answer(query, query)))
        if other in data.perturbations:
            unlike = HeldOut(data, cell_type, other, seed)
            found["other"].append(held_out.score(unlike.predict(), p_value=unlike.p_value(own)))
        else:
            found["other"].append(held_out.score(right, perturbation=other, p_value=held_out.p_value(other)))
    wins, true_wins = (
        [sum(map(operator.gt, found[name], found[wrong])) for wrong in WRONG] for name in ("right", "true")
    )
    question = f"{data.name}: {cell_type}, {perturbation}, not {other}"
    return Row(question=question, **found, wins=wins, judged=min(true_wins) >= ENOUGH * seeds)


def demo(folder: Path) -> Data:
    """Build and ingest the demo atlas in a folder."""
    path = demo_atlas.build(folder / "demo.h5ad", folder)
    return Data("demo (simulated)", ingest(SEMI_SYNTHETIC, path, folder), folder)


def kang(path: Path, folder: Path) -> Data:
    """Ingest the data of Kang et al. 2018 in a folder, with the two samples of each donor joined."""
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
    return Data("Kang 2018 (real)", ingest("kang", folder / "kang.h5ad", folder), folder)


def _table(rows: Sequence[Row]) -> str:
    def cell(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    return table([name.replace("_", " ") for name in rows[0]], [list(map(cell, row.values())) for row in rows])


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.held_out",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where atlases are built")
    parser.add_argument("--kang", type=Path, help="the data of Kang et al. 2018")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=[""], help="only questions with one of these texts in their label")
    parser.add_argument("--json", action="store_true", help="print all values as JSON instead of tables")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(sys.stderr):
        atlases = [demo(options.folder)] + ([kang(options.kang, options.folder)] if options.kang else [])
    found: dict[str, list[Row]] = {"accuracy": [], "scores": []}
    questions = [(d, p, e) for d in atlases for p in d.perturbations for e in d.entry.cell_types]
    for number, (data, perturbation, entry) in enumerate(questions, 1):
        label = f"{data.name}: {entry.label}, {perturbation}"
        if any(text in label for text in options.only):
            print(f"{number} of {len(questions)}: {label}", file=sys.stderr)
            found["accuracy"] += accuracy(data, entry.label, perturbation)
            if data is not atlases[0] or entry.label in DEMO_TYPES:
                found["scores"].append(scores(data, entry.label, perturbation, options.seeds))
    if options.kang and options.only == [""]:
        with redirect_stdout(sys.stderr):
            found["nulls"] = nulls(options.kang, options.folder)
    print(json.dumps(found) if options.json else "\n\n".join(_table(rows) for rows in found.values() if rows))
    real = [row for row in found["accuracy"] if row["data"] != atlases[0].name]
    if len(real) > 2 and not options.json:
        rank = stats.spearmanr([row["expected"] for row in real], [row["pearson"] for row in real]).statistic
        print(f"\nSpearman correlation of expected and true Pearson over the {len(real)} real cell types: {rank:.2f}")
    if sum(row["successes"] for row in found.get("nulls", [])) > 1:
        return 1
    lost = [row for row in found["scores"] if row["judged"] and min(row["wins"]) < ENOUGH * options.seeds]
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
