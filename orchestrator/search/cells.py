"""Read the cells of a run from its atlas: only the rows of the prompt's groups, their controls, and the query."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from orchestrator.atlas.atlas import Atlas, Group
from orchestrator.config import JobConfig
from orchestrator.prediction.delta_transfer import PromptCells
from orchestrator.question.analysis import Target
from orchestrator.search.prompts import Prompt
from orchestrator.search.strategies import AvailableGroups


@dataclass(frozen=True)
class QueryCells:
    """The cells that are predicted."""

    counts: sparse.csr_matrix  # raw counts, cells × genes
    donors: list[str]  # of each cell
    rows: np.ndarray  # of each cell in the `.h5ad`


class CellSource:
    """Reads the cells of one run from its atlas; `seed` selects the cells of groups above the limit."""

    def __init__(self, atlas: Atlas, target: Target, config: JobConfig, seed: int) -> None:
        self._atlas = atlas
        self._target = target
        self._config = config
        self._seed = seed
        self._references: dict[str, sparse.csr_matrix] = {}
        self.genes = atlas.genes
        self.available = AvailableGroups({group: atlas.size(group) for group in atlas.groups}, target, config)

    @cached_property
    def query(self) -> QueryCells:
        """At most `max_query_cells` control cells of the query type, spread evenly over donors."""
        cells = self._control_rows(self._target.query_type)
        rows = np.array([row for row, _ in cells], dtype=np.int64)
        return QueryCells(self._atlas.counts(rows), [donor for _, donor in cells], rows)

    def prompt(self, prompt: Prompt) -> list[PromptCells]:
        """Return the cells of a prompt, group by group, each with its matched controls."""
        share = self._config.max_prompt_cells // len(prompt.groups)
        limit = min(self._config.max_group_cells, max(share, self._config.min_group_cells))
        return [self._group(group, limit) for group in prompt.groups]

    def _group(self, group: Group, limit: int) -> PromptCells:
        matched = self.available.controls(group)
        return PromptCells(
            donor=group.donor,
            cell_type=group.cell_type,
            perturbed=self._atlas.counts(self._rows([group], limit)),
            control=self._atlas.counts(self._rows(matched, limit)) if matched else None,
            reference=self._reference(group.cell_type),
        )

    def _reference(self, cell_type: str) -> sparse.csr_matrix:
        """Return control cells of a cell type from all donors; the query cells if the atlas has none."""
        if cell_type not in self._references:
            rows = np.array([row for row, _ in self._control_rows(cell_type)], dtype=np.int64)
            self._references[cell_type] = self._atlas.counts(rows) if len(rows) else self.query.counts
        return self._references[cell_type]

    def _control_rows(self, cell_type: str) -> list[tuple[int, str]]:
        """Return at most `max_query_cells` control cells of a type with their donors, sorted and spread evenly over donors."""
        controls = self._target.controls
        groups = [g for g in self._atlas.groups if g.cell_type == cell_type and g.condition in controls]
        donors = sorted({group.donor for group in groups})
        share = max(self._config.max_query_cells // max(len(donors), 1), 1)
        rows = {donor: self._rows([group for group in groups if group.donor == donor], share) for donor in donors}
        return sorted((int(row), donor) for donor, own in rows.items() for row in own)

    def _rows(self, groups: list[Group], limit: int) -> np.ndarray:
        """Return at most `limit` rows of these groups, sorted; each call returns the same ones."""
        rng = np.random.default_rng([self._seed, len(groups), *(self._atlas.groups.index(group) for group in groups)])
        parts = [self._atlas.rows(group, limit, rng) for group in groups]
        rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
        return rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False))
