"""The catalog entry of an atlas."""

from typing import Any

import numpy as np

from orchestrator.atlas.atlas import AtlasUnusable, Group
from orchestrator.ingest.options import Options
from shared.catalog.entries import DatasetEntry, GroupCount
from shared.resolver import labels


def dataset_entry(
    dataset: str,
    rows: dict[Group, np.ndarray],
    options: Options,
    metadata: dict[str, Any],
    *,
    n_cells: int,
    n_genes: int,
) -> DatasetEntry:
    """Return the entry of an atlas with these groups.

    Raises:
        AtlasUnusable: no condition is a control.
    """
    donors = sorted({group.donor for group in rows})
    conditions = [labels.condition_entry(label) for label in sorted({group.condition for group in rows})]
    conditions = [
        entry.model_copy(update={"perturbation": None, "kind": "control", "is_control": True})
        if entry.label in options.controls
        else entry
        for entry in conditions
    ]
    if not any(entry.is_control for entry in conditions):
        raise AtlasUnusable(
            "No condition is recognized as a control. Name one with --control; available: "
            f"{', '.join(entry.label for entry in conditions)}."
        )
    counts: dict[tuple[str, str], list[int]] = {}
    for group, members in rows.items():
        by_donor = counts.setdefault((group.cell_type, group.condition), [0] * len(donors))
        by_donor[donors.index(group.donor)] = len(members)
    semi_synthetic = options.semi_synthetic
    return DatasetEntry(
        name=dataset,
        title=options.title or str(metadata.get("title", dataset)),
        description=options.description or str(metadata.get("description", "")),
        licence=options.licence or str(metadata.get("licence", "not stated")),
        source=options.source or str(metadata.get("source", "not stated")),
        ingested=True,
        semi_synthetic=bool(metadata.get("semi_synthetic", False)) if semi_synthetic is None else semi_synthetic,
        atlas=dataset,
        n_cells=n_cells,
        n_genes=n_genes,
        donors=donors,
        cell_types=[labels.cell_type_entry(label) for label in sorted({group.cell_type for group in rows})],
        conditions=conditions,
        groups=[
            GroupCount(cell_type=cell_type, condition=condition, cells=sum(by_donor), donors=by_donor)
            for (cell_type, condition), by_donor in sorted(counts.items())
        ],
    )
