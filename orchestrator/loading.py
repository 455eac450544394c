"""From a prompt to cells: only the rows of its groups, of their controls and of the query are read from the atlas."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from orchestrator.atlas import Atlas, Group
from orchestrator.config import JobConfig
from orchestrator.inference import PromptCells
from orchestrator.prompt_strategies import Supply
from orchestrator.prompts import Asked, Prompt


@dataclass(frozen=True)
class QueryCells:
    """The cells that a prediction is made for.

    Attributes:
        counts: raw counts, cells × genes.
        donors: the donor of each cell.
        rows: their positions in the atlas.
    """

    counts: sparse.csr_matrix
    donors: list[str]
    rows: np.ndarray


class CellSource:
    """Reads the cells of one run from its atlas.

    Args:
        atlas: the dataset's atlas.
        asked: what is asked.
        config: the limits.
        seed: which cells are taken where a group has more than the limit.
    """

    def __init__(self, atlas: Atlas, asked: Asked, config: JobConfig, seed: int) -> None:
        self._atlas = atlas
        self._asked = asked
        self._config = config
        self._seed = seed
        self._references: dict[str, sparse.csr_matrix] = {}
        self.genes = atlas.genes
        self.supply = Supply({group: atlas.size(group) for group in atlas.groups}, asked, config)

    @cached_property
    def query(self) -> QueryCells:
        """Control cells of the query type: all donors, and at most `max_query_cells`, the donors as even as they can be."""
        placed = self._control_rows(self._asked.query_type)
        positions = np.array([row for row, _ in placed], dtype=np.int64)
        return QueryCells(self._atlas.counts(positions), [donor for _, donor in placed], positions)

    def prompt(self, prompt: Prompt) -> list[PromptCells]:
        """The cells of a prompt, group by group, each with its matched controls."""
        share = self._config.max_prompt_cells // len(prompt.groups)
        limit = min(self._config.max_group_cells, max(share, self._config.min_group_cells))
        return [self._group(group, limit) for group in prompt.groups]

    def _group(self, group: Group, limit: int) -> PromptCells:
        matched = self.supply.controls(group)
        return PromptCells(
            donor=group.donor,
            cell_type=group.cell_type,
            perturbed=self._atlas.counts(self._rows([group], limit)),
            control=self._atlas.counts(self._rows(matched, limit)) if matched else None,
            reference=self._reference(group.cell_type),
        )

    def _reference(self, cell_type: str) -> sparse.csr_matrix:
        """Control cells of a cell type, of all donors; where the atlas has none, the query cells stand in."""
        if cell_type not in self._references:
            rows = np.array([row for row, _ in self._control_rows(cell_type)], dtype=np.int64)
            self._references[cell_type] = self._atlas.counts(rows) if len(rows) else self.query.counts
        return self._references[cell_type]

    def _control_rows(self, cell_type: str) -> list[tuple[int, str]]:
        """Control cells of a type, sorted, each with its donor: at most `max_query_cells`, the donors as even as they can be."""
        controls = self._asked.controls
        groups = [g for g in self._atlas.groups if g.cell_type == cell_type and g.condition in controls]
        donors = sorted({group.donor for group in groups})
        share = max(self._config.max_query_cells // max(len(donors), 1), 1)
        rows = {donor: self._rows([group for group in groups if group.donor == donor], share) for donor in donors}
        return sorted((int(row), donor) for donor, mine in rows.items() for row in mine)

    def _rows(self, groups: list[Group], limit: int) -> np.ndarray:
        """At most `limit` rows of these groups, sorted; the same ones at each call."""
        rng = np.random.default_rng([self._seed, len(groups), *(self._atlas.groups.index(group) for group in groups)])
        parts = [self._atlas.rows(group, limit, rng) for group in groups]
        rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
        return rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False))
