"""Wire models of the catalog, and of the validation of a question before it runs."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from shared.catalog.interpretation import Interpretation
from shared.fields import ControlStrategy, Model, Query

# A screen may have 10,000 guides; as one response they would be 2 MB.
MAX_PAGE: Final = 1000


class PerturbationInfo(Model):
    """A perturbation in the catalog."""

    name: str = Field(description="Catalog name.")
    type: str = Field(description="Kind of perturbation, such as `cytokine` or `compound`.")
    synonyms: list[str] = Field(description="Other recognized names.")
    targets: list[str] = Field(description="Gene symbols of the targets of a compound.")
    receptors: list[str] = Field(description="Gene symbols of the receptors of a cytokine.")
    family: str | None = Field(description="Family of the perturbation.")
    datasets: list[str] = Field(description="Datasets with this perturbation.")
    cell_count: int | None = Field(
        description="Number of perturbed cells in ingested datasets; null if none is ingested."
    )
    control_count: int | None = Field(
        description="Number of control cells in ingested datasets; null if none is ingested."
    )


class CellTypeInfo(Model):
    """A cell type in the catalog."""

    name: str = Field(description="Catalog name.")
    cell_ontology_id: str | None = Field(description="Cell Ontology term.")
    lineage: str | None = Field(description="Lineage of the cell type.")
    synonyms: list[str] = Field(description="Other recognized names.")
    datasets: list[str] = Field(description="Datasets with this cell type.")
    cell_count: int | None = Field(description="Number of cells in ingested datasets; null if none is ingested.")


class DatasetInfo(Model):
    """A dataset in the catalog; unknown values are null or empty."""

    name: str = Field(description="Dataset name.")
    title: str = Field(description="Title.")
    description: str = Field(description="Short description.")
    licence: str = Field(description="License terms.")
    source: str = Field(description="Origin of the data.")
    ingested: bool = Field(description="Whether runs can use the cells of this dataset.")
    semi_synthetic: bool = Field(description="Whether the perturbed cells are simulated.")
    cells: int | None = Field(description="Number of cells.")
    genes: int | None = Field(description="Number of genes.")
    donors: list[str] = Field(description="Names of the donors.")
    control_conditions: list[str] = Field(description="Names of the control conditions.")
    perturbations: int = Field(description="Number of perturbations, without controls.")
    cell_types: int = Field(description="Number of cell types.")


class MetadataQuery(Model):
    """Filter of a catalog list."""

    dataset: Annotated[str | None, Field(max_length=63, description="Only entries of this dataset.")] = None


def _flag(value: object) -> object:
    # Only the two spellings of JSON; pydantic alone takes `yes`, `on` and `1` too.
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


class EntriesQuery(MetadataQuery):
    """Filters and page of a list of perturbations or cell types."""

    all: Annotated[
        bool,
        Field(
            strict=True,
            description="Also list entries that no run can use yet, because no ingested dataset has enough cells of them.",
        ),
        BeforeValidator(_flag),
    ] = False
    page: Annotated[int, Field(ge=1, le=10_000, description="Page number, starting at 1.")] = 1
    page_size: Annotated[
        int, Field(ge=1, le=MAX_PAGE, description="Maximum number of entries per page; `Link` says if there are more.")
    ] = MAX_PAGE


class ControlStrategyValidationRequest(Model):
    """A question and its control strategy, to validate before a run."""

    query: Query = Field(description="Question in plain language, as for a run.")
    control_strategy: ControlStrategy = Field(
        ControlStrategy.SYNTHETIC_CONTROL, description="What the prediction is compared with."
    )


class MatchedTerm(Model):
    """Catalog entry that part of the question matches."""

    name: str = Field(description="Catalog name.")
    matched_text: str = Field(description="Matched part of the question, as written.")
    match: str = Field(description="Kind of match: `exact`, `synonym`, `ontology` or `fuzzy`.")
    cell_ontology_id: str | None = Field(None, description="Cell Ontology term of a cell type; null if there is none.")
    kind: str | None = Field(None, description="Kind of entry, such as `cytokine` or `cell_type`.")
    candidates: list[str] = Field([], description="Other entries that the text may refer to.")


class ControlStrategyValidation(Model):
    """Availability of a synthetic control for a question, and the interpretation of the question."""

    synthetic_control_available: bool = Field(description="Whether the atlas that answers has matched control cells.")
    control_cells_found: int = Field(
        description="Number of matched control cells in the atlas that answers, `interpretation.dataset`."
    )
    control_donors: list[str] = Field(description="Donors of the matched control cells.")
    control_conditions: list[str] = Field(description="Control conditions of the matched control cells.")
    recommendation: ControlStrategy = Field(description="Recommended control strategy.")
    warning: str | None = Field(description="What to consider before the run; null if there is nothing.")
    cell_type: MatchedTerm | None = Field(description="Cell type that the question names; null if it names none.")
    perturbation: MatchedTerm | None = Field(description="Perturbation that the question names; null if it names none.")
    datasets: list[str] = Field(
        description="Ingested datasets that can answer the question; a run uses the one of `interpretation.dataset`."
    )
    interpretation: Interpretation = Field(description="How the question is read, and what is not taken into account.")
    suggestions: list[str] = Field(description="Similar questions that can be answered, if this one cannot be.")
