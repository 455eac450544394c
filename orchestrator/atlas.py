"""An ingested atlas: its counts group by group, and where the cells of each group are. Only the rows that are asked for are read.

A group is a (donor, cell type, condition). `groups.npz` holds the rows in the `.h5ad` of all groups one after the other (`rows`), where
each group begins (`starts`, one longer than the groups), its labels (`donors`, `cell_types`, `conditions`) and the gene symbols (`genes`).
`counts.h5` holds the counts in that same order.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from orchestrator.counts_file import COUNTS_FILE, Rows, read_rows

GROUPS_FILE = "groups.npz"


class AtlasUnusable(Exception):
    """An atlas that cannot be read or ingested; the message says why and what to do."""


@dataclass(frozen=True, order=True)
class Group:
    """A group of cells of a dataset, by its labels."""

    donor: str
    cell_type: str
    condition: str


@dataclass(frozen=True)
class GroupIndex:
    """Which rows of the `.h5ad` each group has (sorted), and the atlas's gene symbols."""

    rows: dict[Group, Rows]
    genes: list[str]

    @property
    def order(self) -> Rows:
        """All rows, group by group: the order of the counts."""
        parts = [self.rows[group] for group in sorted(self.rows)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write the index to `path`, whole or not at all."""
        groups = sorted(self.rows)
        draft = path.with_suffix(".part.npz")
        np.savez(
            draft,
            rows=self.order,
            starts=np.cumsum([0, *(len(self.rows[group]) for group in groups)]),
            donors=np.array([group.donor for group in groups], dtype=str),
            cell_types=np.array([group.cell_type for group in groups], dtype=str),
            conditions=np.array([group.condition for group in groups], dtype=str),
            genes=np.array(self.genes, dtype=str),
        )
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> "GroupIndex":
        """Read an index that `save` wrote.

        Raises:
            AtlasUnusable: there is none.
        """
        try:
            with np.load(path) as kept:
                rows, starts = kept["rows"], kept["starts"]
                labels = zip(kept["donors"], kept["cell_types"], kept["conditions"], strict=True)
                groups = {
                    Group(str(donor), str(cell_type), str(condition)): rows[starts[i] : starts[i + 1]]
                    for i, (donor, cell_type, condition) in enumerate(labels)
                }
                return cls(groups, [str(gene) for gene in kept["genes"]])
        except FileNotFoundError as error:
            raise AtlasUnusable(
                f"There is no ingested atlas in {path.parent}. Run orchestrator.ingest first."
            ) from error


class Atlas:
    """An ingested atlas, opened for reading raw counts.

    Args:
        folder: the folder of the dataset below `Settings.atlas_dir`.

    Raises:
        AtlasUnusable: the folder holds no ingested atlas.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / COUNTS_FILE
        self._index = GroupIndex.load(folder / GROUPS_FILE)
        self._groups = sorted(self._index.rows)
        if not self._path.exists():
            raise AtlasUnusable(f"{self._path} is missing. Run orchestrator.ingest again.")
        order = self._index.order
        self._positions = np.full(order.max(initial=-1) + 1, -1, dtype=np.int64)
        self._positions[order] = np.arange(len(order))

    @property
    def genes(self) -> list[str]:
        """The gene symbols, in the order of the columns."""
        return self._index.genes

    @property
    def groups(self) -> list[Group]:
        """All groups that have cells, sorted."""
        return self._groups

    def size(self, group: Group) -> int:
        """How many cells a group has."""
        return len(self._index.rows.get(group, ()))

    def rows(self, group: Group, limit: int, rng: np.random.Generator) -> Rows:
        """The rows of a group, by their number in the `.h5ad`, sorted; a random `limit` of them where it has more."""
        rows = self._index.rows.get(group, np.empty(0, dtype=np.int64))
        if len(rows) <= limit:
            return rows
        return np.sort(rng.choice(rows, size=limit, replace=False))

    def counts(self, rows: Rows) -> sparse.csr_matrix:
        """The raw counts of these rows: len(rows) × genes, float32 with whole values, in the order given.

        Args:
            rows: rows of groups, as `rows` gives them.
        """
        positions = self._positions[rows]
        in_order = np.argsort(positions)
        with h5py.File(self._path) as file:
            found = read_rows(file, positions[in_order], len(self.genes))
        return found[np.argsort(in_order)]
