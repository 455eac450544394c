"""An ingested atlas: raw counts by group. Only the requested rows are read.

A group is a (donor, cell type, condition). `groups.npz` holds the `.h5ad` rows of all groups, concatenated (`rows`), the start of each
group (`starts`, one longer than the number of groups), its labels (`donors`, `cell_types`, `conditions`), and the gene symbols (`genes`).
`counts.h5` holds the counts in the same order, and `profiles.h5` the profile of each group.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from orchestrator.atlas.counts import BLOCK_VALUES, COUNTS_FILE, Rows, read_rows, value_blocks
from orchestrator.atlas.errors import AtlasUnusable as AtlasUnusable  # noqa: PLC0414  # known from here to many modules
from orchestrator.atlas.profiles import Profile, read_profile, write_profiles
from shared.catalog.folders import PROFILES_FILE, newest_version

GROUPS_FILE = "groups.npz"


@dataclass(frozen=True, order=True)
class Group:
    """A group of cells, by its labels in the dataset."""

    donor: str
    cell_type: str
    condition: str


@dataclass(frozen=True)
class GroupIndex:
    """The sorted `.h5ad` rows of each group, and the gene symbols of the atlas."""

    rows: dict[Group, Rows]
    genes: list[str]

    @property
    def order(self) -> Rows:
        """All rows, group by group: the order of the counts."""
        parts = [self.rows[group] for group in sorted(self.rows)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write the index to `path`, complete or not at all."""
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
            AtlasUnusable: the file does not exist.
        """
        try:
            with np.load(path) as saved:
                rows, starts = saved["rows"], saved["starts"]
                labels = zip(saved["donors"], saved["cell_types"], saved["conditions"], strict=True)
                groups = {
                    Group(str(donor), str(cell_type), str(condition)): rows[starts[i] : starts[i + 1]]
                    for i, (donor, cell_type, condition) in enumerate(labels)
                }
                return cls(groups, [str(gene) for gene in saved["genes"]])
        except FileNotFoundError as error:
            raise AtlasUnusable(f"{path.parent} holds no ingested atlas. Run orchestrator.ingest first.") from error


class Atlas:
    """An ingested atlas, open for reading raw counts, in its folder (`DatasetEntry.folder`) below `Settings.atlas_root`.

    Args:
        folder: folder of a version, or of a dataset, of which the newest complete version is read.

    Raises:
        AtlasUnusable: the folder holds no ingested atlas. The methods raise it too, if somebody removes the atlas.
    """

    def __init__(self, folder: Path) -> None:
        folder = folder.parent / newest_version(folder.parent, folder.name)
        self._path = folder / COUNTS_FILE
        self._profiles = folder / PROFILES_FILE
        self._index = GroupIndex.load(folder / GROUPS_FILE)
        self._groups = sorted(self._index.rows)
        self._place = {group: place for place, group in enumerate(self._groups)}
        for path in (self._path, self._profiles):
            if not path.exists():
                raise AtlasUnusable(f"{path} is missing. Run orchestrator.ingest again.")
        order = self._index.order
        self._positions = np.full(order.max(initial=-1) + 1, -1, dtype=np.int64)
        self._positions[order] = np.arange(len(order))

    @property
    def genes(self) -> list[str]:
        """The gene symbols, in column order."""
        return self._index.genes

    @property
    def groups(self) -> list[Group]:
        """All groups that have cells, sorted."""
        return self._groups

    def size(self, group: Group) -> int:
        """Return the number of cells of a group."""
        return len(self._index.rows.get(group, ()))

    def profile(self, groups: Sequence[Group]) -> Profile:
        """Return the profile of all cells of these groups, at least one; no cell is read."""
        with self._present():
            return read_profile(self._profiles, [self._place[group] for group in groups])

    def rows(self, group: Group, limit: int, rng: np.random.Generator) -> Rows:
        """Return the sorted `.h5ad` rows of a group; a random sample of `limit` rows if it has more."""
        rows = self._index.rows.get(group, np.empty(0, dtype=np.int64))
        if len(rows) <= limit:
            return rows
        return np.sort(rng.choice(rows, size=limit, replace=False))

    def counts(self, rows: Rows) -> sparse.csr_matrix:
        """Return the raw counts of these `.h5ad` rows, in the given order: rows × genes, float32 with whole values."""
        positions = self._positions[rows]
        in_order = np.argsort(positions)
        with self._present(), h5py.File(self._path) as file:
            found = read_rows(file, positions[in_order], len(self.genes))
        return found[np.argsort(in_order)]

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise AtlasUnusable(f"{self._path.parent} was removed while it was read.") from error


def profile_groups(folder: Path, report: Callable[[int, int], None] | None = None) -> None:
    """Write the profile of each group of an atlas whose index and counts are in this folder.

    Args:
        report: receives the number of cells that are done, and of all cells.
    """
    index = GroupIndex.load(folder / GROUPS_FILE)
    sizes = [len(index.rows[group]) for group in sorted(index.rows)]
    with h5py.File(folder / COUNTS_FILE) as file:
        profiles = _profiles(file, sizes, len(index.genes), report)
        write_profiles(profiles, len(sizes), len(index.genes), folder / PROFILES_FILE)


def _profiles(
    file: h5py.File, sizes: Sequence[int], n_genes: int, report: Callable[[int, int], None] | None
) -> Iterator[Profile]:
    """Yield the profile of each group, from blocks of bounded size: reading each small group alone takes most of the time."""
    ends = np.cumsum(sizes).tolist()
    group, total = 0, None
    for first, last in value_blocks(file["indptr"][:].astype(np.int64), BLOCK_VALUES):
        block, start = read_rows(file, np.arange(first, last), n_genes), first
        while start < last:
            stop = min(last, ends[group])
            part = Profile.of(block[start - first : stop - first])
            total, start = part if total is None else total + part, stop
            if stop == ends[group]:
                yield total
                group, total = group + 1, None
        if report is not None:
            report(last, ends[-1])
