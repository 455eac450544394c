"""The catalog entry of an atlas."""

from typing import Any

from orchestrator.ingest.meaning import Meaning
from orchestrator.ingest.options import Options
from shared.catalog.entries import DatasetEntry, GroupCount


def dataset_entry(
    dataset: str, meaning: Meaning, options: Options, metadata: dict[str, Any], *, n_genes: int
) -> DatasetEntry:
    """Return the entry of an atlas with these groups."""
    donors = sorted({group.donor for group in meaning.rows})
    places = {donor: place for place, donor in enumerate(donors)}
    counts: dict[tuple[str, str], list[int]] = {}
    for group, members in meaning.rows.items():
        by_donor = counts.setdefault((group.cell_type, group.condition), [0] * len(donors))
        by_donor[places[group.donor]] = len(members)
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
        n_cells=meaning.n_cells,
        n_genes=n_genes,
        donors=donors,
        cell_types=meaning.cell_types,
        conditions=meaning.conditions,
        groups=[
            GroupCount(cell_type=cell_type, condition=condition, cells=sum(by_donor), donors=by_donor)
            for (cell_type, condition), by_donor in sorted(counts.items())
        ],
    )
