"""Profiles: what inference and statistics need of a set of cells, without the cells.

A profile holds sums over cells, so the profile of several groups is the sum of theirs, and a comparison costs the same for ten cells as for
a million. `profiles.h5` holds the profile of each group of an atlas, in the order of its groups, one chunk for each row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from scipy import sparse

from orchestrator.atlas.expression import SCALE, Floats, depths


@dataclass(frozen=True)
class Profile:
    """Sums over a set of cells; a gene's count in a cell is x, and the total count of the cell is d."""

    cells: float
    depth: float  # Σ d
    squared_depth: float  # Σ d²
    counts: Floats  # Σ x of each gene
    squares: Floats  # Σ x²
    products: Floats  # Σ x·d
    expressing: Floats  # cells with counts of the gene

    @classmethod
    def of(cls, counts: sparse.csr_matrix) -> "Profile":
        """Return the profile of raw counts, cells × genes."""
        depth = depths(counts)
        values, genes, n_genes = counts.data.astype(np.float64), counts.indices, counts.shape[1]

        def by_gene(weights: Floats) -> Floats:
            return np.bincount(genes, weights=weights, minlength=n_genes).astype(np.float64, copy=False)

        return cls(
            cells=float(counts.shape[0]),
            depth=float(depth.sum()),
            squared_depth=float(depth @ depth),
            counts=by_gene(values),
            squares=by_gene(values * values),
            products=by_gene(values * np.repeat(depth, np.diff(counts.indptr))),
            expressing=by_gene((values > 0).astype(np.float64)),
        )

    def __add__(self, other: "Profile") -> "Profile":
        """Return the profile of the cells of both."""
        return Profile(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @cached_property
    def expression(self) -> Floats:
        """log1p of the pooled counts per 10,000. Pooled before the logarithm, sparsely measured genes stay unbiased."""
        logged: Floats = np.log1p(self._rate * SCALE)
        return logged

    @cached_property
    def sampling_variance(self) -> Floats:
        """The variance of `expression` as the cells show it: that of a ratio of sums over cells (delta method); 0 without counts."""
        rate, total = self._rate, max(self.depth, 1.0)
        residual = self.squares - 2 * rate * self.products + rate**2 * self.squared_depth
        spread: Floats = np.maximum(residual, 0.0) * self.cells / max(self.cells - 1, 1) / total**2
        return spread * self._slope**2

    @cached_property
    def variance(self) -> Floats:
        """The variance of `expression`, at least that of counting.

        Half a count is added for counting, so that a gene without counts has a variance too.
        """
        counting = (self.counts + 0.5) / max(self.depth, 1.0) ** 2 * self._slope**2
        variance: Floats = np.maximum(self.sampling_variance, counting)
        return variance

    @property
    def _slope(self) -> Floats:
        return SCALE / (1.0 + self._rate * SCALE)

    @property
    def _rate(self) -> Floats:
        return self.counts / max(self.depth, 1.0)


_SCALARS, _GENES = ("cells", "depth", "squared_depth"), ("counts", "squares", "products", "expressing")


# Profiles are written together, because a small write costs as much as a large one.
_BATCH_VALUES: Final = 500_000


def write_profiles(profiles: Iterator[Profile], n_groups: int, n_genes: int, path: Path) -> None:
    """Write the profiles of all groups; the file appears complete or not at all."""
    draft = path.with_suffix(".part")
    with h5py.File(draft, "w") as file:
        scalars = np.zeros((n_groups, len(_SCALARS)))
        options: dict[str, Any] = {"chunks": (1, n_genes), "compression": "lzf", "shuffle": True} if n_genes else {}
        tables = {name: file.create_dataset(name, (n_groups, n_genes), dtype=np.float32, **options) for name in _GENES}
        step = max(_BATCH_VALUES // max(n_genes, 1), 1)
        for first in range(0, n_groups, step):
            batch = list(islice(profiles, step))
            rows = slice(first, first + len(batch))
            scalars[rows] = [[getattr(profile, name) for name in _SCALARS] for profile in batch]
            for name, table in tables.items():
                table[rows] = np.array([getattr(profile, name) for profile in batch], dtype=np.float32)
        file["scalars"] = scalars
    draft.replace(path)


def read_profile(path: Path, rows: Sequence[int]) -> Profile:
    """Return the profile of the cells of all these groups, at least one."""
    with h5py.File(path) as file:
        parts = [_read(file, row) for row in rows]
    return sum(parts[1:], parts[0])


def _read(file: h5py.File, row: int) -> Profile:
    cells, depth, squared_depth = map(float, file["scalars"][row])
    counts, squares, products, expressing = (file[name][row].astype(np.float64) for name in _GENES)
    return Profile(cells, depth, squared_depth, counts, squares, products, expressing)
