"""The numbers that a run is made with, in one place; they are written into every result."""

from dataclasses import dataclass

from shared.catalog.plans import MIN_GROUP_CELLS


@dataclass(frozen=True)
class JobConfig:
    """The job's configuration.

    Attributes:
        max_query_cells: most query cells (control cells of the asked type) that a prediction is made for.
        max_group_cells: most cells read of one group (donor, cell type, condition).
        max_prompt_cells: most perturbed cells read of one prompt; the more groups it has, the fewer cells are read of each.
        min_group_cells: a group with fewer cells is no prompt.
        min_expressing_cells: a gene with counts in fewer of the compared cells is not tested.
        max_adjusted_p: a gene is called differentially expressed below this Benjamini-Hochberg adjusted p ...
        min_log2_fold_change: ... and at or above this absolute log2 fold change.
        similarity_power: exponent on the correlation of control profiles; higher trusts the most similar prompt more.
        top_genes: how many genes are listed in each direction.
        top_pathways: how many gene sets are listed.
        few_de_genes: with fewer genes called, the next prompt is chosen for its number of cells.
        strong_part: a part of the score at or above this is no weakness that the next prompt should mend.
        plateau: the run stops after so many iterations in a row without a better score.
        heartbeat_seconds: how often the job says that it lives.
    """

    max_query_cells: int = 400
    max_group_cells: int = 300
    max_prompt_cells: int = 6000
    min_group_cells: int = MIN_GROUP_CELLS
    min_expressing_cells: int = 5
    max_adjusted_p: float = 0.05
    min_log2_fold_change: float = 0.25
    similarity_power: float = 4.0
    top_genes: int = 25
    top_pathways: int = 20
    few_de_genes: int = 20
    strong_part: int = 8
    plateau: int = 3
    heartbeat_seconds: float = 60.0
