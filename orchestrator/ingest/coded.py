"""Labels of cells as small numbers, so that a million cells cost no more than their distinct labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.ingest.obs_columns import as_label

MISSING = -1


@dataclass(frozen=True)
class Coded:
    """The label of each cell: its place in `labels`, or -1 for a cell without one."""

    codes: np.ndarray
    labels: list[str]

    @classmethod
    def of(cls, column: "pd.Series[object]") -> "Coded":
        """Return the labels of a column as text; equal texts are one label."""
        codes, values = pd.factorize(column)
        return cls(codes.astype(np.int32), [as_label(value) for value in values]).merged()

    @classmethod
    def constant(cls, label: str, n_cells: int) -> "Coded":
        """Return the same label for all cells."""
        return cls(np.zeros(n_cells, dtype=np.int32), [label])

    @property
    def counts(self) -> dict[str, int]:
        """The number of cells of each label that has any, most first."""
        numbers = np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels))
        order = sorted(range(len(self.labels)), key=lambda place: (-numbers[place], self.labels[place]))
        return {self.labels[place]: int(numbers[place]) for place in order if numbers[place]}

    @property
    def present(self) -> np.ndarray:
        """Whether each cell has a label."""
        found: np.ndarray = self.codes >= 0
        return found

    def mask(self, label: str) -> np.ndarray:
        """Return which cells have a label."""
        found: np.ndarray = self.codes == (self.labels.index(label) if label in self.labels else MISSING - 1)
        return found

    def relabeled(self, new: Mapping[str, str | None]) -> "Coded":
        """Return the cells with other labels; None takes the label away, labels that are not named stay."""
        places: dict[str, int] = {}
        table = np.full(len(self.labels) + 1, MISSING, dtype=np.int32)  # the last entry is that of missing labels
        for place, label in enumerate(self.labels):
            name = new.get(label, label)
            if name is not None:
                table[place] = places.setdefault(name, len(places))
        return Coded(table[self.codes], list(places))

    def merged(self) -> "Coded":
        """Return the cells with each distinct label once."""
        return self if len(set(self.labels)) == len(self.labels) else self.relabeled({})

    def where(self, keep: np.ndarray) -> "Coded":
        """Return the cells with the labels of those outside `keep` taken away."""
        return Coded(np.where(keep, self.codes, MISSING).astype(np.int32), self.labels)

    def crossed(self, other: "Coded") -> dict[tuple[str, str], int]:
        """Return the number of cells of each pair of labels that occurs."""
        both = self.present & other.present
        pairs = self.codes[both].astype(np.int64) * max(len(other.labels), 1) + other.codes[both]
        found, numbers = np.unique(pairs, return_counts=True)
        size = max(len(other.labels), 1)
        return {
            (self.labels[pair // size], other.labels[pair % size]): int(number)
            for pair, number in zip(found.tolist(), numbers.tolist(), strict=True)
        }

    def categorical(self) -> pd.Categorical:
        """Return the labels as categories, without those that no cell has."""
        return pd.Categorical.from_codes(self.codes, categories=self.labels).remove_unused_categories()
