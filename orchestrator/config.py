"""The numerical settings of a run, in one place; they are written into every result."""

from dataclasses import dataclass

from shared.catalog.plans import MIN_GROUP_CELLS


@dataclass(frozen=True)
class JobConfig:
    """The job's numerical settings."""

    max_query_cells: int = 400  # query cells (control cells of the target cell type) to predict
    max_group_cells: int = 300  # cells read from one group (donor, cell type, condition)
    max_prompt_cells: int = 6000  # perturbed cells read for one prompt, divided among its groups
    min_group_cells: int = MIN_GROUP_CELLS  # groups with fewer cells are not used in prompts
    min_expressing_cells: int = 20  # genes with counts in fewer of the prompt cells and their controls are not tested
    max_adjusted_p: float = 0.05  # a gene is called below this Benjamini-Hochberg adjusted p ...
    min_log2_fold_change: float = 0.25  # ... and at or above this absolute log2 fold change
    similarity_power: float = 4.0  # exponent on the correlation of control profiles; higher favors similar groups
    top_genes: int = 25  # listed genes in each direction
    top_pathways: int = 20  # listed gene sets
    few_de_genes: int = 20  # with fewer called genes, the next prompt is chosen for its number of cells
    strong_part: int = 8  # a score part at or above this value does not influence the choice of the next prompt
    plateau: int = 3  # the search stops after this many consecutive iterations without a better score
    heartbeat_seconds: float = 60.0
