"""The numerical settings of a run, in one place; they are written into every result."""

from dataclasses import dataclass

from shared.catalog.plans import MIN_GROUP_CELLS


@dataclass(frozen=True)
class JobConfig:
    """The job's numerical settings."""

    max_query_cells: int = 400  # query cells (control cells of the target cell type) to predict
    max_permuted_cells: int = (
        1200  # prompt cells whose treatment labels are permuted, divided among groups and conditions
    )
    min_group_cells: int = MIN_GROUP_CELLS  # groups with fewer cells are not used in prompts
    min_expressing_cells: int = 20  # genes with counts in fewer of the prompt cells and their controls are not tested
    max_adjusted_p: float = 0.05  # a gene is called below this Benjamini-Hochberg adjusted p ...
    min_log2_fold_change: float = 0.25  # ... and at or above this absolute log2 fold change
    pseudocount: float = 0.001  # counts per 10,000 added to both means of a fold change; scanpy adds 1e-9
    top_genes: int = 25  # listed genes in each direction
    top_pathways: int = 20  # listed gene sets
    plateau: int = 3  # the search stops after this many consecutive iterations without a better expected accuracy
    heartbeat_seconds: float = 60.0
