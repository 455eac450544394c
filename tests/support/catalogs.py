"""Ingested datasets, as the ingest would write them, for tests of everything above the catalog."""

from collections.abc import Container, Mapping
from functools import cache
from random import Random

from shared.catalog.entries import DatasetEntry, GroupCount
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.resolver import labels

CELL_TYPES = ("MDC", "CD8_T", "CD4_T", "Treg", "B_memory", "NK", "plasma", "B_naive", "DC", "gdT", "pDC", "mast")
DONORS = ["donor_1", "donor_2", "donor_3"]

# The demo atlas: cells of each donor by type, the same in every condition.
_DEMO_CELLS = {
    "B_GC": [2, 2, 3],
    "B_memory": [17, 17, 17],
    "B_naive": [6, 7, 6],
    "CD4_T": [88, 88, 88],
    "CD8_T": [108, 108, 108],
    "DC": [6, 7, 6],
    "ILC3": [1, 1, 0],
    "MDC": [48, 47, 48],
    "NK": [12, 12, 13],
    "Treg": [24, 23, 23],
    "gdT": [4, 4, 4],
    "mast": [4, 3, 3],
    "pDC": [3, 4, 3],
    "plasma": [11, 10, 11],
}
_DEMO_CONDITIONS = (
    "EGF", "IFN-alpha1", "IFN-beta", "IFN-gamma", "IL-1-beta", "IL-2", "IL-6", "PBS", "TGF-beta1", "TNF-alpha", "TRAIL",
)  # fmt: skip


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


def demo_entry(
    *more: str,
    without: Container[str] = (),
    cells: Mapping[str, list[int]] = _DEMO_CELLS,
    name: str = "demo_immune_semisynthetic",
) -> DatasetEntry:
    """Return the demo atlas with its real numbers of cells.

    Args:
        more: labels of further conditions, with as many cells as the others.
        without: labels of conditions to leave out.
        cells: cells of each donor by type, in place of the real ones.
    """
    names = [label for label in (*_DEMO_CONDITIONS, *more) if label not in without]
    conditions = labels.told_apart([labels.condition_entry(label) for label in names])
    groups = [
        GroupCount(cell_type=label, condition=condition.label, cells=sum(donors), donors=donors)
        for label, donors in cells.items()
        for condition in conditions
    ]
    return DatasetEntry(
        name=name,
        title="Demo atlas",
        description="For tests.",
        licence="MIT",
        source="made up",
        ingested=True,
        semi_synthetic=True,
        atlas=name,
        n_cells=sum(group.cells for group in groups),
        n_genes=6397,
        donors=["DonorA", "DonorB", "DonorC"],
        cell_types=[labels.cell_type_entry(label) for label in cells],
        conditions=conditions,
        groups=groups,
    )


@cache
def large_entry(
    name: str = "guides", *, conditions: int = 10_000, cell_types: int = 5, donors: int = 12, cells: int = 300
) -> DatasetEntry:
    """Return an ingested dataset as large as real screens: groups of every condition, cell type and donor, with up to `cells` cells.

    The first cell types are CD14 monocytes and NK cells; the conditions are GENE0, GENE1, ... and a non-targeting control.
    """
    rng = Random(1)  # noqa: S311  # numbers that compress as badly as real ones
    types = ["CD14+ Monocytes", "NK", *(f"cluster {number}" for number in range(2, cell_types))][:cell_types]
    names = ["non-targeting", *(f"GENE{number}" for number in range(conditions))]
    groups = []
    for label in types:
        for condition in names:
            by_donor = [rng.randint(5, cells) for _ in range(donors)]
            groups.append(GroupCount(cell_type=label, condition=condition, cells=sum(by_donor), donors=by_donor))
    return DatasetEntry(
        name=name,
        title="A screen",
        description="For tests.",
        licence="MIT",
        source="made up",
        ingested=True,
        atlas=name,
        n_cells=sum(group.cells for group in groups),
        n_genes=20_000,
        donors=[f"donor_{number}" for number in range(donors)],
        cell_types=[labels.cell_type_entry(label) for label in types],
        conditions=[labels.condition_entry(label) for label in names],
        groups=groups,
    )


def demo_view(*more: str, without: Container[str] = (), cells: Mapping[str, list[int]] = _DEMO_CELLS) -> CatalogView:
    """Return a view of the reference datasets with the demo atlas, changed as `demo_entry` does."""
    return CatalogView(datasets(), [demo_entry(*more, without=without, cells=cells)])


def _shared(label: str) -> list[int]:
    return [20, 20, 20] if label == "CD8_T" else [10, 10, 10]
