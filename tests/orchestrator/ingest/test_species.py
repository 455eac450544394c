"""Species that a file declares for its cells."""

import pandas as pd
import pytest

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.species import about_species


@pytest.mark.parametrize(
    ("column", "labels", "told"),
    [
        ("organism", ["Mus musculus"] * 4, r"obs\.organism says Mus musculus for 4 of 4 cells\..*--organism human"),
        ("Species", ["Homo sapiens", "Homo sapiens", "rat", "rat"], r"obs\.Species says rat for 2 of 4 cells"),
        ("organism_ontology_term_id", ["NCBITaxon:9544"] * 4, "NCBITaxon:9544 for 4 of 4 cells"),
    ],
)
def test_regression_cells_of_another_species_are_refused(column: str, labels: list[str], told: str) -> None:
    obs = pd.DataFrame({column: labels})
    with pytest.raises(AtlasUnusable, match=told):
        list(about_species(obs, None))
    (warning,) = about_species(obs, "human")
    assert warning.endswith("they are taken as human (--organism).")


@pytest.mark.parametrize("labels", [["Homo sapiens", "human"], ["NCBITaxon:9606", None], ["unknown", "Human"]])
def test_human_and_unnamed_cells_are_accepted(labels: list[str | None]) -> None:
    assert list(about_species(pd.DataFrame({"organism": labels}), None)) == []
    assert list(about_species(pd.DataFrame({"strain": ["C57BL/6", "x"]}), None)) == []
