"""Is the job's answer right, and does a wrong one score worse? `python -m benchmarks.honesty FOLDER [--kang PATH.h5ad] [--seeds 10]`.

Each question is answered as if its own combination of cell type and perturbation had never been measured: those cells are taken out of
what prompts are made from, and serve as the truth. Two tables are printed. The first tells how near the predicted change is to the true
one, beside two baselines that any method must beat: no change at all, and the mean change of the other cell types. The second tells how
the right answer scores beside wrong ones.

The demo atlas is made in FOLDER; its responses are simulated, so that its numbers show that the method works, not that it is right. The
data of Kang et al. 2018 (interferon-beta, real) is used where its path is given.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from local import demo_atlas
from orchestrator.atlas import Atlas, Group
from orchestrator.config import JobConfig
from orchestrator.expression import Floats, profile
from orchestrator.inference import DeltaTransfer, Prediction, shifted
from orchestrator.ingest import ingest
from orchestrator.judgement import Judge
from orchestrator.loading import CellSource
from orchestrator.prompt_strategies import Supply, candidates
from orchestrator.prompts import Prompt, choose
from orchestrator.query_analysis import Question, analyse
from shared.catalog import DatasetEntry
from shared.catalog_view import CatalogView
from shared.reference import datasets

CONFIG = JobConfig()
MIN_TRUE_CELLS = 10
"""A held-out group with fewer true cells tells nothing: its own noise is larger than any difference of methods."""
DEMO_OTHERS = {
    "IFN-gamma": "TNF-alpha",
    "IFN-beta": "TNF-alpha",
    "TNF-alpha": "IFN-beta",
    "TGF-beta1": "TNF-alpha",
    "IFN-alpha1": "TNF-alpha",
    "IL-1-beta": "IFN-beta",
    "IL-2": "TNF-alpha",
    "IL-6": "TNF-alpha",
    "TRAIL": "IFN-beta",
    "EGF": "IFN-beta",
}
"""The cytokines of the demo atlas, each with one of another programme that gives the wrong answer."""
DEMO_TYPES = ("MDC", "CD8_T")


@dataclass(frozen=True, eq=False)
class Data:
    """An ingested atlas to ask; equal to itself only, so that what was measured can be kept by it."""

    name: str
    entry: DatasetEntry
    root: Path

    @cached_property
    def atlas(self) -> Atlas:
        """The atlas, opened."""
        return Atlas(self.root / self.entry.name)

    @cached_property
    def view(self) -> CatalogView:
        """A catalog with nothing else ingested."""
        return CatalogView(datasets(), [self.entry])

    @property
    def perturbations(self) -> list[str]:
        """The perturbations it has, by name."""
        return sorted({each.perturbation for each in self.entry.conditions if each.perturbation})

    def cells(self, cell_type: str, conditions: Sequence[str]) -> int:
        """How many cells of a type there are in these conditions."""
        return sum(self.atlas.size(group) for group in self._groups(cell_type, conditions))

    @cache  # noqa: B019  # a benchmark's data lives as long as the benchmark
    def profile(self, cell_type: str, conditions: tuple[str, ...]) -> Floats:
        """The profile of all cells of a type in these conditions."""
        rng = np.random.default_rng(0)
        rows = [self.atlas.rows(group, self.atlas.size(group), rng) for group in self._groups(cell_type, conditions)]
        return profile(self.atlas.counts(np.sort(np.concatenate(rows))))

    def _groups(self, cell_type: str, conditions: Sequence[str]) -> list[Group]:
        return [g for g in self.atlas.groups if g.cell_type == cell_type and g.condition in conditions]


@dataclass(frozen=True)
class Row:
    """How near a prediction came: Pearson correlation with the true change, and squared error as a share of that of "no change"."""

    cell_type: str
    cells: int
    pearson: float
    pearson_mean: float
    error: float
    error_mean: float


@dataclass(frozen=True)
class Scores:
    """What the right answer and the wrong ones score, one number a seed."""

    question: str
    right: list[int]
    shuffled: list[int]
    unchanged: list[int]
    other: list[int]

    def wins(self, wrong: Sequence[int]) -> int:
        """In how many seeds the right answer scores higher."""
        return sum(mine > theirs for mine, theirs in zip(self.right, wrong, strict=True))


class HeldOut:
    """A question whose own combination of cell type and perturbation is taken out of the prompts.

    Args:
        data: the atlas.
        cell_type: its label in the atlas.
        perturbation: canonical name.
        seed: which cells are drawn.
    """

    def __init__(self, data: Data, cell_type: str, perturbation: str, seed: int) -> None:
        entry = next(each for each in data.entry.cell_types if each.label == cell_type)
        name = entry.cell_ontology_label or cell_type
        self.question: Question = analyse(f"How would {name} respond to {perturbation}?", data.view)
        asked, atlas = self.question.asked, data.atlas
        self.data, self.label = data, self.question.query_type.label
        self.source = CellSource(atlas, asked, CONFIG, seed)
        sizes = {g: atlas.size(g) for g in atlas.groups if not (g.cell_type == self.label and self._is_asked(g))}
        self.source.supply = Supply(sizes, asked, CONFIG)

    def _is_asked(self, group: Group) -> bool:
        return group.condition in self.question.asked.conditions

    def prompt(self) -> Prompt:
        """The first prompt that the job would choose."""
        found = choose(candidates(self.question.asked, self.source.supply), [])
        assert found is not None, f"nothing to predict {self.question.text} from"
        return found

    def predict(self, seed: int) -> Prediction:
        """The prediction from the first prompt."""
        cells = self.source.prompt(self.prompt())
        predictor = DeltaTransfer(CONFIG.similarity_power)
        return predictor.predict(self.source.query.counts, cells, genes=self.source.genes, seed=seed)

    def truth(self) -> Floats:
        """The true change of the held-out cells."""
        return self.change(self.label)

    def change(self, cell_type: str) -> Floats:
        """The measured change of a cell type under the asked perturbation."""
        asked = self.question.asked
        return self.data.profile(cell_type, asked.conditions) - self.data.profile(cell_type, asked.controls)

    def mean_change(self) -> Floats:
        """The baseline: the mean change of all other cell types, each counting alike."""
        others = [near.cell_type for near in self.question.asked.neighbours]
        measured = [name for name in others if self.measured_cells(name) >= CONFIG.min_group_cells]
        mean: Floats = np.mean([self.change(name) for name in measured], axis=0)
        return mean

    def measured_cells(self, cell_type: str) -> int:
        """How many cells of a type its measured change is made of: perturbed or control, whichever are fewer."""
        asked = self.question.asked
        return min(self.data.cells(cell_type, asked.conditions), self.data.cells(cell_type, asked.controls))

    def judge(self, perturbed: sparse.csr_matrix, control: sparse.csr_matrix, seed: int, answering: str = "") -> int:
        """The score of cells as the answer to this question, or to that of another perturbation."""
        asked = answering or self.question.perturbation.name
        judge = Judge(asked, self.source.genes, self.source.query.counts, CONFIG)
        return judge.judge(perturbed, control, seed=seed).grounding.score


def change_of(prediction: Prediction) -> Floats:
    """The predicted change of the group's profile."""
    assert prediction.control is not None
    return profile(prediction.perturbed) - profile(prediction.control)


def pearson(one: Floats, other: Floats) -> float:
    """Pearson's correlation."""
    return float(np.corrcoef(one, other)[0, 1])


def accuracy(data: Data, perturbation: str, *, seed: int = 0) -> Iterator[Row]:
    """How near the prediction comes, for each cell type that has enough cells to tell."""
    for entry in data.entry.cell_types:
        held_out = HeldOut(data, entry.label, perturbation, seed)
        if held_out.label != entry.label or held_out.measured_cells(entry.label) < MIN_TRUE_CELLS:
            continue
        truth, mean = held_out.truth(), held_out.mean_change()
        predicted = change_of(held_out.predict(seed))
        nothing = float(np.sum(truth**2))
        yield Row(
            cell_type=entry.label,
            cells=held_out.measured_cells(entry.label),
            pearson=pearson(predicted, truth),
            pearson_mean=pearson(mean, truth),
            error=float(np.sum((predicted - truth) ** 2)) / nothing,
            error_mean=float(np.sum((mean - truth) ** 2)) / nothing,
        )


def scores(data: Data, cell_type: str, perturbation: str, other: str, seeds: Iterable[int]) -> Scores:
    """How the right answer scores beside wrong ones: its change dealt to random genes, no change, another cytokine's.

    Where the atlas has no other cytokine, the same cells are scored as the answer to a question about it.
    """
    found = Scores(f"{data.name}: {cell_type}, {perturbation}, not {other}", [], [], [], [])
    for seed in seeds:
        asked = HeldOut(data, cell_type, perturbation, seed)
        query, right = asked.source.query.counts, asked.predict(seed)
        assert right.control is not None
        rng = np.random.default_rng(seed)
        shuffled = shifted(query, rng.permutation(change_of(right)), rng)
        found.right.append(asked.judge(right.perturbed, right.control, seed))
        found.shuffled.append(asked.judge(shuffled, query, seed))
        found.unchanged.append(asked.judge(query, query, seed))
        if other in data.perturbations:
            wrong = HeldOut(data, cell_type, other, seed).predict(seed)
            assert wrong.control is not None
            found.other.append(asked.judge(wrong.perturbed, wrong.control, seed))
        else:
            found.other.append(asked.judge(right.perturbed, right.control, seed, answering=other))
    return found


def demo(folder: Path) -> Data:
    """The demo atlas, made and ingested in a folder."""
    made = demo_atlas.build(folder / "demo.h5ad", folder)
    return Data("demo (simulated)", ingest(demo_atlas.DATASET, made, folder), folder)


def kang(path: Path, folder: Path) -> Data:
    """The data of Kang et al. 2018, ingested in a folder; the two samples of a donor are joined."""
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


def _print_accuracy(all_data: Sequence[Data]) -> None:
    print(
        "| data | perturbation | held-out cell type | cells | Pearson | of mean delta | of no change | error | of mean delta |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for data in all_data:
        for perturbation in data.perturbations:
            rows = list(accuracy(data, perturbation))
            shown = rows if len(data.perturbations) == 1 else []
            for row in [*shown, _mean(rows)]:
                numbers = f"{row.pearson:.3f} | {row.pearson_mean:.3f} | 0 | {row.error:.2f} | {row.error_mean:.2f}"
                print(f"| {data.name} | {perturbation} | {row.cell_type} | {row.cells} | {numbers} |", flush=True)


def _mean(rows: Sequence[Row]) -> Row:
    means = [
        float(np.mean([getattr(row, name) for row in rows]))
        for name in ("pearson", "pearson_mean", "error", "error_mean")
    ]
    return Row(f"mean of {len(rows)}", round(float(np.mean([row.cells for row in rows]))), *means)


def _print_scores(questions: Sequence[tuple[Data, str, str, str]], seeds: int) -> None:
    print(
        f"| held-out question | right | shuffled | no change | another cytokine's | right is higher, of {seeds} seeds |"
    )
    print("|---|---|---|---|---|---|")
    for data, cell_type, perturbation, other in questions:
        found = scores(data, cell_type, perturbation, other, range(seeds))
        columns = (found.right, found.shuffled, found.unchanged, found.other)
        told = " | ".join(f"{np.mean(each):.1f} ({min(each)}-{max(each)})" for each in columns)
        wins = " / ".join(str(found.wins(wrong)) for wrong in columns[1:])
        print(f"| {found.question} | {told} | {wins} |", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Print both tables; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.honesty", description="Print both tables of honesty.")
    parser.add_argument("folder", type=Path, help="where atlases are made")
    parser.add_argument("--kang", type=Path, help="the interferon-beta data")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    made = demo(given.folder)
    real = [kang(given.kang, given.folder)] if given.kang else []
    _print_accuracy([*real, made])
    print()
    questions = [(data, entry.label, "IFN-beta", "TNF-alpha") for data in real for entry in data.entry.cell_types]
    questions += [(made, cell_type, name, other) for name, other in DEMO_OTHERS.items() for cell_type in DEMO_TYPES]
    _print_scores(questions, given.seeds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
