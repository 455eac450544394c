"""The wire models of the catalog: perturbations, cell types and datasets, field by field as the contract has them."""

from typing import Annotated

from pydantic import Field

from shared.fields import ControlStrategy, Model, Query


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


# FOLDED from validation_models.py: """The wire models of a question that is checked before it is run, field by field as the contract has them."""  # noqa: E501
class ControlStrategyValidationRequest(Model):
    """A question whose control strategy is to be checked before it is run."""

    query: Query
    control_strategy: ControlStrategy = ControlStrategy.SYNTHETIC_CONTROL


class MatchedTerm(Model):
    """What a piece of the question was taken for.

    `matched_text` is the piece as it was written; `match` tells how it matched (exact, synonym, ontology, fuzzy).
    """

    name: str
    matched_text: str
    match: str
    cell_ontology_id: str | None = None
    kind: str | None = None
    candidates: list[str] = []


class ControlStrategyValidation(Model):
    """Whether a synthetic control can be had for a question, and what the question was taken for."""

    synthetic_control_available: bool
    control_cells_found: int
    control_donors: list[str]
    control_conditions: list[str]
    recommendation: ControlStrategy
    warning: str | None
    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    datasets: list[str]


class MetadataQuery(Model):
    """What to list of the catalog."""

    dataset: Annotated[str | None, Field(max_length=63, description="Only what this dataset has.")] = None
