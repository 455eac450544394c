"""Atlases with the truth held back: a question whose own combination of cell type and perturbation is taken out of the prompts."""

from collections.abc import Sequence
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
from orchestrator.evaluation import Origin
from orchestrator.expression import Floats, profile
from orchestrator.inference import DeltaTransfer, Prediction
from orchestrator.ingest import ingest
from orchestrator.judgement import Judge
from orchestrator.loading import CellSource
from orchestrator.prompt_strategies import Supply, candidates
from orchestrator.prompts import Prompt, choose
from orchestrator.query_analysis import Question, analyse
from shared.catalog.entries import DatasetEntry
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView

CONFIG = JobConfig()


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
        return profile(self.counts(cell_type, conditions))

    def counts(self, cell_type: str, conditions: Sequence[str]) -> sparse.csr_matrix:
        """All cells of a type in these conditions."""
        rng = np.random.default_rng(0)
        rows = [self.atlas.rows(group, self.atlas.size(group), rng) for group in self._groups(cell_type, conditions)]
        return self.atlas.counts(np.sort(np.concatenate(rows)))

    def _groups(self, cell_type: str, conditions: Sequence[str]) -> list[Group]:
        return [g for g in self.atlas.groups if g.cell_type == cell_type and g.condition in conditions]


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

    def true_score(self, seed: int) -> int:
        """What the held-out cells themselves score as the answer, beside their controls: the best that any prediction can deserve."""
        asked = self.question.asked
        true, control = (self.data.counts(self.label, labels) for labels in (asked.conditions, asked.controls))
        return self.judge(true, control, seed, origin=Origin.ASKED)

    def judge(
        self,
        perturbed: sparse.csr_matrix,
        control: sparse.csr_matrix,
        seed: int,
        answering: str = "",
        origin: Origin = Origin.CARRIED,
    ) -> int:
        """The score of cells as the answer to this question, or to that of another perturbation; predictions are carried over."""
        asked = answering or self.question.perturbation.name
        judge = Judge(asked, self.source.genes, self.source.query.counts, CONFIG)
        return judge.judge(perturbed, control, origin=origin, seed=seed).grounding.score


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
