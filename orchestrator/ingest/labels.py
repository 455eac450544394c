"""Which columns of an atlas say the donor, the cell type and the condition of a cell."""

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.donors import donors_without_condition
from orchestrator.ingest.options import Options

CELL_TYPE_COLUMNS = (
    "cell_type",
    "cell_types",
    "celltype",
    "cell_ontology_class",
    "cluster_id",
    "cell_type_annotations",
)
CONDITION_COLUMNS = ("condition", "cytokine", "perturbation", "sm_name", "treatment", "group_id", "stim")
DONOR_COLUMNS = ("donor", "donor_id", "sample_id", "patient", "ind")
ONE_DONOR = "all donors"


def labeled(obs: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return row, donor, cell type and condition of every cell that has all labels, as categories."""
    cell_type = _column(obs, options.cell_type_column, CELL_TYPE_COLUMNS, "--cell-type-column")
    condition = _column(obs, options.condition_column, CONDITION_COLUMNS, "--condition-column")
    if options.donor_column or any(name in obs for name in DONOR_COLUMNS):
        donor = obs[_column(obs, options.donor_column, DONOR_COLUMNS, "--donor-column")]
    else:
        print(
            f"no donor column found ({', '.join(DONOR_COLUMNS)}): all cells are treated as one donor", file=sys.stderr
        )
        donor = pd.Series(ONE_DONOR, index=obs.index)
    parts = {"donor": donor, "cell_type": obs[cell_type], "condition": obs[condition]}
    cells = pd.DataFrame({name: pd.Categorical(part) for name, part in parts.items()})
    cells["row"] = np.arange(len(cells), dtype=np.int64)
    complete = cells.dropna()
    joined = donors_without_condition(complete["donor"].astype(str), complete["condition"].astype(str))
    if joined is not None:
        example = complete["donor"].iloc[0]
        print(
            f"donor labels contain the condition: {joined.iloc[0]} is used for {example}, so that controls are found",
            file=sys.stderr,
        )
        complete = complete.assign(donor=pd.Categorical(joined))
    if len(complete) < len(cells):
        print(f"{len(cells) - len(complete)} cells with a missing label were skipped", file=sys.stderr)
    return complete


def _column(obs: pd.DataFrame, given: str | None, known: Sequence[str], option: str) -> str:
    names = (given,) if given else known
    found = next((name for name in names if name in obs), None)
    if found is None:
        raise AtlasUnusable(
            f"obs has no column {' or '.join(names)}. Name one with {option}; available: {', '.join(map(str, obs.columns))}."
        )
    return found
