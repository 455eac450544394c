"""How a prediction compares with the measured cells that were withheld from its atlas.

Both are compared with control cells in the same way: as the change of log1p(pooled counts per 10,000), which the service's held-out figures
use. Which genes really changed is what the service's own test finds in the withheld cells, donor by donor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from local.demo_atlas import CONTROL, WITHHELD_CONDITION, WITHHELD_TYPE, KangFiles
from orchestrator.atlas.counts import read_rows
from orchestrator.atlas.expression import Floats, profile
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare
from orchestrator.evidence.inference import response_of
from orchestrator.prediction.predictor import PromptCells, PromptGroup
from orchestrator.prediction.transfer import correlation

# The cell type of the atlas that is nearest to the withheld one in the Cell Ontology.
NEAREST_TYPE: Final = "FCGR3A+ Monocytes"


@dataclass(frozen=True)
class Cells:
    """Raw counts, cells × genes, with the labels of each cell."""

    counts: sparse.csr_matrix
    labels: dict[str, NDArray[np.str_]]
    genes: tuple[str, ...]

    def where(self, **wanted: str) -> sparse.csr_matrix:
        """Return the counts of the cells that have all these labels."""
        chosen = np.ones(self.counts.shape[0], dtype=bool)
        for name, label in wanted.items():
            chosen &= self.labels[name] == label
        return self.counts[np.flatnonzero(chosen)]

    def kinds(self, name: str) -> list[str]:
        """Return the labels that occur, sorted."""
        return sorted({str(label) for label in self.labels[name]})

    def having(self, genes: Sequence[str]) -> "Cells":
        """Return the same cells with these genes, which they must have, in this order."""
        place = {gene: at for at, gene in enumerate(self.genes)}
        return Cells(self.counts[:, [place[gene] for gene in genes]], self.labels, tuple(genes))


@dataclass(frozen=True)
class Change:
    """What happens to each gene."""

    change: Floats  # of log1p(pooled counts per 10,000)
    log2_fold_change: Floats
    called: NDArray[np.bool_]  # whether the gene is called changed

    def largest(self, n: int) -> list[int]:
        """Return at most n called genes, those that change most first."""
        return [int(i) for i in np.argsort(-np.abs(self.change), kind="stable") if self.called[i]][:n]


@dataclass(frozen=True)
class Method:
    """A way to predict, and the change that it predicts for each gene."""

    name: str
    change: Floats


@dataclass(frozen=True)
class Comparison:
    """A prediction beside the measurement."""

    genes: tuple[str, ...]
    predicted: Change
    measured: Change
    baselines: tuple[Method, ...]
    cells: int  # withheld
    controls: int
    donors: tuple[str, ...]

    def pearson(self, change: Floats) -> float:
        """Return the correlation of a predicted change with the measured one, over all genes; 0 for no change."""
        return correlation(change, self.measured.change)

    def error(self, change: Floats) -> float:
        """Return the squared error of a predicted change, relative to that of no change."""
        power = float(self.measured.change @ self.measured.change)
        return float(np.sum((change - self.measured.change) ** 2)) / max(power, 1e-12)

    @property
    def n_called(self) -> int:
        """The number of genes that the prediction calls changed."""
        return int(self.predicted.called.sum())

    @property
    def n_changed(self) -> int:
        """The number of genes that really changed."""
        return int(self.measured.called.sum())

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which genes are called changed and really changed in that direction."""
        found: NDArray[np.bool_] = (
            self.predicted.called
            & self.measured.called
            & (np.sign(self.predicted.log2_fold_change) == np.sign(self.measured.log2_fold_change))
        )
        return found

    @property
    def precision(self) -> float | None:
        """The share of the called genes that are right; None if none is called."""
        return float(self.right.sum()) / self.n_called if self.n_called else None

    @property
    def recall(self) -> float | None:
        """The share of the really changed genes that are right; None if none changed."""
        return float(self.right.sum()) / self.n_changed if self.n_changed else None

    @property
    def by_chance(self) -> float | None:
        """The precision of as many rises and falls assigned to random genes; None if none is called."""
        if not self.n_called:
            return None
        rises = self.predicted.log2_fold_change > 0
        really = self.measured.log2_fold_change > 0
        shares = [
            float((self.predicted.called & (rises == up)).sum()) * float((self.measured.called & (really == up)).mean())
            for up in (True, False)
        ]
        return sum(shares) / self.n_called


def compare_with_withheld(predictions: Path, parts: KangFiles, config: JobConfig | None = None) -> Comparison:
    """Compare the predictions of a run with the cells that were withheld from its atlas.

    Args:
        predictions: the run's `.h5ad`.
        parts: the cells of the atlas, and the withheld ones.
        config: the thresholds for calling a gene changed.
    """
    config = config or JobConfig()
    everything = read_cells(predictions, "layers/counts", ("condition",))
    labels = ("cell_type", "condition", "donor")
    atlas, withheld = (read_cells(path, "X", labels) for path in parts)
    # The ingest may leave out genes or write them otherwise.
    kept = np.isin(everything.genes, withheld.genes)
    run = everything.having([gene for gene, shared in zip(everything.genes, kept, strict=True) if shared])
    atlas, withheld = atlas.having(run.genes), withheld.having(run.genes)
    # Without matched controls, there are no predicted ones.
    baseline = "control" if "control" in run.kinds("condition") else "query"
    with h5py.File(predictions) as file:
        called, fold = (file[f"var/{name}"][:][kept] for name in ("is_de", "log2_fold_change"))
    change = profile(run.where(condition="predicted")) - profile(run.where(condition=baseline))
    predicted = Change(change, fold.astype(np.float64), called.astype(bool))
    others = [label for label in atlas.kinds("cell_type") if label != WITHHELD_TYPE]
    known = {label: _known_change(atlas, label) for label in others}
    return Comparison(
        genes=run.genes,
        predicted=predicted,
        measured=measured_change(withheld, atlas, config),
        baselines=(
            Method(f"copy of the nearest type, {NEAREST_TYPE}", known[NEAREST_TYPE]),
            Method(f"mean of the {len(others)} other types", np.mean(list(known.values()), axis=0)),
            Method("no change", np.zeros(len(run.genes))),
        ),
        cells=withheld.counts.shape[0],
        controls=atlas.where(cell_type=WITHHELD_TYPE, condition=CONTROL).shape[0],
        donors=tuple(withheld.kinds("donor")),
    )


def measured_change(withheld: Cells, atlas: Cells, config: JobConfig) -> Change:
    """Test what changes between the withheld cells and the control cells of their type, each donor against its own controls."""
    controls = atlas.where(cell_type=WITHHELD_TYPE, condition=CONTROL)
    groups, sizes = [], []
    for donor in withheld.kinds("donor"):
        own = atlas.where(cell_type=WITHHELD_TYPE, condition=CONTROL, donor=donor)
        cells = withheld.where(donor=donor)
        groups.append(PromptGroup.of(donor, WITHHELD_TYPE, PromptCells(cells, own, own)))
        sizes.append(cells.shape[0])
    response = response_of(groups, [size / sum(sizes) for size in sizes])
    found = compare(withheld.counts, controls, withheld.genes, config, response)
    return Change(profile(withheld.counts) - profile(controls), found.log2_fold_change, found.is_de)


def read_cells(path: Path, matrix: str, labels: Sequence[str]) -> Cells:
    """Read counts, labels and genes of an `.h5ad` that this project wrote.

    Not with anndata, whose import takes two seconds.
    """
    with h5py.File(path) as file:
        var = file["var"]
        genes = tuple(str(gene) for gene in var[var.attrs["_index"]].asstr()[:])
        n_cells = int(file[matrix].attrs["shape"][0])
        counts = read_rows(file[matrix], np.arange(n_cells), len(genes))
        return Cells(counts, {name: _labels(file[f"obs/{name}"]) for name in labels}, genes)


def _labels(column: h5py.Group | h5py.Dataset) -> NDArray[np.str_]:
    if isinstance(column, h5py.Dataset):
        return np.asarray(column.asstr()[:], dtype=str)
    found: NDArray[np.str_] = np.asarray(column["categories"].asstr()[:], dtype=str)[column["codes"][:]]
    return found


def _known_change(atlas: Cells, cell_type: str) -> Floats:
    perturbed, control = (
        atlas.where(cell_type=cell_type, condition=condition) for condition in (WITHHELD_CONDITION, CONTROL)
    )
    return profile(perturbed) - profile(control)
