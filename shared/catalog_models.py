"""The wire models of the catalog: perturbations, cell types and datasets, field by field as the contract has them."""

from shared.fields import Model


class PerturbationInfo(Model):
    """A perturbation that the catalog knows; counts are None while no dataset with it is ingested."""

    name: str
    type: str
    synonyms: list[str]
    targets: list[str]
    receptors: list[str]
    family: str | None
    datasets: list[str]
    cell_count: int | None
    control_count: int | None


class CellTypeInfo(Model):
    """A cell type that the catalog knows; the count is None while no dataset with it is ingested."""

    name: str
    cell_ontology_id: str | None
    lineage: str | None
    synonyms: list[str]
    datasets: list[str]
    cell_count: int | None


class DatasetInfo(Model):
    """A dataset that the catalog knows, in numbers; what is not known is None or empty."""

    name: str
    title: str
    description: str
    licence: str
    source: str
    ingested: bool
    semi_synthetic: bool
    cells: int | None
    genes: int | None
    donors: list[str]
    control_conditions: list[str]
    perturbations: int
    cell_types: int
