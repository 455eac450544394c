"""Major lineages by the Cell Ontology."""

import pytest

from shared import data
from shared.catalog.ontology import LINEAGES, cell_ontology, lineage_of

COMPARTMENTS: dict[str, set[str | None]] = {
    "Endothelium": {"endothelial"},
    "Epithelium": {"epithelial", None},
    "Germline": {"germline"},
    "Immune": {
        "immune",
        "immune/lymphoid",
        "immune/myeloid",
        "hematopoietic",
        "hematopoietic/erythroid",
        "hematopoietic/megakaryocytic",
    },
    "Neural": {"neural"},
    "Stromal": {"stromal", "muscle", "neural", None},
}


@pytest.mark.parametrize(
    ("name", "lineage"),
    [
        ("regulatory T cell", "immune/lymphoid"),
        ("natural killer cell", "immune/lymphoid"),
        ("plasmablast", "immune/lymphoid"),
        ("CD14-positive monocyte", "immune/myeloid"),
        ("plasmacytoid dendritic cell", "immune/myeloid"),
        ("mononuclear phagocyte", "immune/myeloid"),
        ("leukocyte", "immune"),
        ("erythrocyte", "hematopoietic/erythroid"),
        ("platelet", "hematopoietic/megakaryocytic"),
        ("hematopoietic stem cell", "hematopoietic"),
        ("hepatocyte", "epithelial"),
        ("type B pancreatic cell", "epithelial"),
        ("capillary endothelial cell", "endothelial"),
        ("fibroblast", "stromal"),
        ("smooth muscle cell", "muscle"),
        ("neuron", "neural"),
        ("oocyte", "germline"),
        ("cell", None),
    ],
)
def test_a_cell_type_has_the_lineage_that_a_biologist_expects(name: str, lineage: str | None) -> None:
    term = cell_ontology().find(name)
    assert term is not None
    assert lineage_of(term.id) == lineage


def test_lineages_agree_with_the_compartments_of_tabula_sapiens() -> None:
    rows = list(data.table("tabula_sapiens_cell_types"))
    for row in rows:
        assert lineage_of(row["cl_id"]) in COMPARTMENTS[row["compartment"]], row["cell_type"]
    placed = [row for row in rows if lineage_of(row["cl_id"])]
    assert len(placed) > 0.9 * len(rows)


def test_every_group_is_a_term_of_the_ontology_and_an_unknown_id_has_none() -> None:
    assert all(cell_ontology().term(term_id) for term_id, _ in LINEAGES)
    assert lineage_of("CL:9999999") is None
