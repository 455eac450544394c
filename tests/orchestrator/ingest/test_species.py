"""Species that a file declares for its cells."""

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.build import examine
from orchestrator.ingest.options import Options
from orchestrator.ingest.species import about_species
from tests.support.orchestrator import raw_files


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


@pytest.mark.parametrize(
    ("name", "species"), [("organism", "mouse"), ("organism_ontology_term_id", "NCBITaxon:9544"), ("Species", "rat")]
)
def test_regression_a_file_of_another_species_is_refused(name: str, species: str, tmp_path: Path) -> None:
    cells = raw_files.atlas()
    cells.uns[name] = species
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(AtlasUnusable, match=rf"uns\.{name} says {species}\. Only human cells.*--organism human"):
        examine("cells", tmp_path / "cells.h5ad")
    found = examine("cells", tmp_path / "cells.h5ad", Options(organism="human"))
    assert f"uns.{name} says {species}; they are taken as human (--organism)." in found.meaning.warnings


@pytest.mark.parametrize("species", ["Homo sapiens", "NCBITaxon:9606", "unknown", ["mouse", "human"]])
def test_a_file_of_human_or_unnamed_cells_is_accepted(species: object, tmp_path: Path) -> None:
    cells = raw_files.atlas()
    cells.uns["organism"] = species
    cells.write_h5ad(tmp_path / "cells.h5ad")
    assert not any("says" in each for each in examine("cells", tmp_path / "cells.h5ad").meaning.warnings)
