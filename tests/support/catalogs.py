"""A small ingested dataset, as the ingest would write it, for tests of everything above the catalog."""

from shared.catalog.entries import DatasetEntry, GroupCount
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.resolver import labels

CELL_TYPES = ("MDC", "CD8_T", "CD4_T", "Treg", "B_memory", "NK", "plasma", "B_naive", "DC", "gdT", "pDC", "mast")
DONORS = ["donor_1", "donor_2", "donor_3"]


def small_pbmc(name: str = "small_pbmc") -> DatasetEntry:
    """Return twelve immune cell types of three donors in PBS, IFN-gamma and IL-4.

    MDC has cells everywhere. NK cells under IL-4 come from the third donor, who has no NK controls. Plasma cells were never perturbed.
    """
    groups = [
        GroupCount(cell_type=label, condition=condition, cells=60 if label == "CD8_T" else 30, donors=_shared(label))
        for label in CELL_TYPES
        for condition in ("PBS", "IFN-gamma", "IL-4")
        if label not in {"NK", "plasma"}
    ]
    groups += [
        GroupCount(cell_type="NK", condition="PBS", cells=20, donors=[10, 10, 0]),
        GroupCount(cell_type="NK", condition="IFN-gamma", cells=25, donors=[5, 0, 20]),
        GroupCount(cell_type="NK", condition="IL-4", cells=7, donors=[0, 0, 7]),
        GroupCount(cell_type="plasma", condition="PBS", cells=9, donors=[3, 3, 3]),
    ]
    return DatasetEntry(
        name=name,
        title="Small PBMC",
        description="For tests.",
        licence="MIT",
        source="made up",
        ingested=True,
        semi_synthetic=True,
        atlas=name,
        n_cells=sum(group.cells for group in groups),
        n_genes=10,
        donors=DONORS,
        cell_types=[labels.cell_type_entry(label) for label in CELL_TYPES],
        conditions=[labels.condition_entry(label) for label in ("PBS", "IFN-gamma", "IL-4")],
        groups=groups,
    )


def small_view(*ingested: DatasetEntry) -> CatalogView:
    """Return a view of the reference datasets with these ingested ones, by default `small_pbmc`."""
    return CatalogView(datasets(), ingested or [small_pbmc()])


def _shared(label: str) -> list[int]:
    return [20, 20, 20] if label == "CD8_T" else [10, 10, 10]
