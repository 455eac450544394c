"""The groups of a run from its atlas: profiles of its prompts, and the few cells that are read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from orchestrator.atlas.atlas import Atlas, Group
from orchestrator.atlas.expression import Floats
from orchestrator.atlas.profiles import Profile
from orchestrator.config import JobConfig
from orchestrator.prediction.predictor import PromptCells, PromptGroup
from orchestrator.question.analysis import Target
from orchestrator.search.strategies import AvailableGroups

MIN_CONTROL_DONORS = 2


@dataclass(frozen=True)
class QueryCells:
    """The cells that are predicted."""

    counts: sparse.csr_matrix  # raw counts, cells × genes
    donors: list[str]  # of each cell
    rows: np.ndarray  # of each cell in the `.h5ad`

    @cached_property
    def profile(self) -> Profile:
        """The profile of these cells."""
        return Profile.of(self.counts)


class CellSource:
    """The cells of one run, from its atlas; `seed` selects the cells of groups above a limit."""

    def __init__(self, atlas: Atlas, target: Target, config: JobConfig, seed: int) -> None:
        self._atlas = atlas
        self._target = target
        self._config = config
        self._seed = seed
        self._profiles: dict[Group, Profile] = {}
        self._references: dict[tuple[str, tuple[str, ...]], Profile] = {}
        self._groups: dict[Group, PromptGroup] = {}
        self.genes = atlas.genes
        self.available = AvailableGroups({group: atlas.size(group) for group in atlas.groups}, target, config)

    @cached_property
    def query(self) -> QueryCells:
        """At most `max_query_cells` control cells of the query type, spread evenly over donors."""
        cells = self._control_rows(self._target.query_type, self._config.max_query_cells, self._target.controls)
        rows = np.array([row for row, _ in cells], dtype=np.int64)
        return QueryCells(self._atlas.counts(rows), [donor for _, donor in cells], rows)

    def group(self, group: Group) -> PromptGroup:
        """Return a perturbed group with its controls."""
        if group not in self._groups:
            matched = self.available.controls(group)
            labels = self._target.controls_of(group.condition)
            self._groups[group] = PromptGroup(
                donor=group.donor,
                cell_type=group.cell_type,
                perturbed=self._profile([group]),
                control=self._profile(matched) if matched else None,
                reference=self.reference(group.cell_type, labels),
                cells=lambda limit: self._cells(group, matched, limit),
                donor_variance=None if matched else self._donor_variance(group.cell_type, labels),
                control_donors=len({control.donor for control in self._controls(group.cell_type, labels)}),
            )
        return self._groups[group]

    def reference(self, cell_type: str, labels: tuple[str, ...] | None = None) -> Profile:
        """Return the profile of the control cells of a cell type from all donors; of the query cells if the atlas has none.

        Args:
            labels: of the control conditions; None: those of the asked perturbation.
        """
        key = cell_type, self._target.controls if labels is None else labels
        if key not in self._references:
            controls = self._controls(*key)
            self._references[key] = self._profile(controls) if controls else self.query.profile
        return self._references[key]

    def _profile(self, groups: list[Group]) -> Profile:
        for group in groups:
            if group not in self._profiles:
                self._profiles[group] = self._atlas.profile([group])
        parts = [self._profiles[group] for group in groups]
        return sum(parts[1:], parts[0])

    def _donor_variance(self, cell_type: str, labels: tuple[str, ...]) -> Floats | None:
        """Return how much the control profiles of a cell type differ between donors; None with fewer than two donors."""
        controls = self._controls(cell_type, labels)
        donors = sorted({group.donor for group in controls})
        if len(donors) < MIN_CONTROL_DONORS:
            return None
        profiles = [self._profile([group for group in controls if group.donor == donor]) for donor in donors]
        variance: Floats = np.var([each.expression for each in profiles], axis=0, ddof=1)
        return variance

    def _cells(self, group: Group, matched: list[Group], limit: int) -> PromptCells:
        perturbed = self._atlas.counts(self._rows([group], limit))
        if matched:
            control = self._atlas.counts(self._rows(matched, limit))
            return PromptCells(perturbed, control, control)
        labels = self._target.controls_of(group.condition)
        rows = np.array([row for row, _ in self._control_rows(group.cell_type, limit, labels)], dtype=np.int64)
        return PromptCells(perturbed, None, self._atlas.counts(rows) if len(rows) else self.query.counts[:limit])

    def _controls(self, cell_type: str, labels: tuple[str, ...]) -> list[Group]:
        return [group for group in self._atlas.groups if group.cell_type == cell_type and group.condition in labels]

    def _control_rows(self, cell_type: str, limit: int, labels: tuple[str, ...]) -> list[tuple[int, str]]:
        """Return at most `limit` control cells of a type with their donors, sorted and spread evenly over donors."""
        groups = self._controls(cell_type, labels)
        donors = sorted({group.donor for group in groups})
        share = max(limit // max(len(donors), 1), 1)
        rows = {donor: self._rows([group for group in groups if group.donor == donor], share) for donor in donors}
        return sorted((int(row), donor) for donor, own in rows.items() for row in own)

    def _rows(self, groups: list[Group], limit: int) -> np.ndarray:
        """Return at most `limit` rows of these groups, sorted; each call returns the same ones."""
        rng = np.random.default_rng([self._seed, len(groups), *(self._atlas.groups.index(group) for group in groups)])
        parts = [self._atlas.rows(group, limit, rng) for group in groups]
        rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
        return rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False))
