"""What questions can name and be answered for: entries of the catalog with enough cells in ingested atlases. Pure."""

from shared.catalog.plans import MIN_QUERY_CELLS, control_cells
from shared.catalog.schemas import CellTypeInfo, PerturbationInfo
from shared.catalog.view import CatalogView


def askable_perturbations(view: CatalogView, dataset: str | None = None) -> list[PerturbationInfo]:
    """List the perturbations of one dataset or of all that have perturbed and control cells, ordered by name.

    Raises:
        DatasetNotFound: the dataset is unknown.
    """
    return [info for info in view.perturbations(dataset) if info.cell_count and info.control_count]


def askable_cell_types(view: CatalogView, dataset: str | None = None) -> list[CellTypeInfo]:
    """List the cell types of one dataset or of all that have enough control cells of their own, ordered by name.

    Raises:
        DatasetNotFound: the dataset is unknown.
    """
    selected = view.datasets if dataset is None else (view.dataset(dataset),)
    enough = {
        cell_type.cell_ontology_id or cell_type.label
        for entry in selected
        if entry.ingested
        for cell_type in entry.cell_types
        if control_cells(entry, cell_type.label) >= MIN_QUERY_CELLS
    }
    return [info for info in view.cell_types(dataset) if (info.cell_ontology_id or info.name) in enough]
