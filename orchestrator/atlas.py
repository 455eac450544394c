"""An ingested atlas: an `.h5ad` and, beside it, where the cells of each group are. Only the rows that are asked for are read.

A group is a (donor, cell type, condition). `groups.npz` holds the row positions of all groups one after the other (`rows`), where each
group begins (`starts`, one longer than the groups), its labels (`donors`, `cell_types`, `conditions`), the gene symbols (`genes`) and the
place of the counts in the `.h5ad` (`matrix`, such as `X` or `layers/counts`).
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = NDArray[np.int64]

ATLAS_FILE = "atlas.h5ad"
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
    """Which rows each group has (sorted), and the atlas's gene symbols."""

    rows: dict[Group, Rows]
    genes: list[str]
    matrix: str

    def save(self, path: Path) -> None:
        """Write the index to `path`, whole or not at all."""
        groups = sorted(self.rows)
        parts = [self.rows[group] for group in groups]
        draft = path.with_suffix(".part.npz")
        np.savez(
            draft,
            rows=np.concatenate(parts) if parts else np.empty(0, dtype=np.int64),
            starts=np.cumsum([0, *(len(part) for part in parts)]),
            donors=np.array([group.donor for group in groups], dtype=str),
            cell_types=np.array([group.cell_type for group in groups], dtype=str),
            conditions=np.array([group.condition for group in groups], dtype=str),
            genes=np.array(self.genes, dtype=str),
            matrix=np.array(self.matrix),
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
                return cls(groups, [str(gene) for gene in kept["genes"]], str(kept["matrix"]))
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
        self._path = folder / ATLAS_FILE
        self._index = GroupIndex.load(folder / GROUPS_FILE)
        self._groups = sorted(self._index.rows)
        if not self._path.exists():
            raise AtlasUnusable(f"{self._path} is missing. Run orchestrator.ingest again.")

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
        """The row positions of a group, sorted; a random `limit` of them where it has more."""
        rows = self._index.rows.get(group, np.empty(0, dtype=np.int64))
        if len(rows) <= limit:
            return rows
        return np.sort(rng.choice(rows, size=limit, replace=False))

    def counts(self, rows: Rows) -> sparse.csr_matrix:
        """The raw counts of these rows: len(rows) × genes, float32 with whole values, in the order given.

        Args:
            rows: sorted row positions; neighbours are read in one go.
        """
        with h5py.File(self._path) as file:
            return read_rows(file[self._index.matrix], rows, len(self.genes))


def read_rows(matrix: h5py.Group, rows: Rows, n_genes: int) -> sparse.csr_matrix:
    """Rows of a CSR matrix on disk (an h5py group with `data`, `indices`, `indptr`), reading nothing else of it.

    Args:
        matrix: the h5py group.
        rows: sorted row positions.
        n_genes: the number of columns.
    """
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    data: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]
    indices: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    lengths: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
    for run in np.split(rows, breaks):
        if not len(run):
            continue
        bounds = matrix["indptr"][int(run[0]) : int(run[-1]) + 2].astype(np.int64)
        data.append(matrix["data"][bounds[0] : bounds[-1]].astype(np.float32))
        indices.append(matrix["indices"][bounds[0] : bounds[-1]].astype(np.int64))
        lengths.append(np.diff(bounds))
    pointers = np.cumsum(np.concatenate(lengths))
    return sparse.csr_matrix((np.concatenate(data), np.concatenate(indices), pointers), shape=(len(rows), n_genes))
