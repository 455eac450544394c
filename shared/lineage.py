"""The major lineage of a cell type: the first of a few groups that the Cell Ontology places it under.

The groups go from special to general, because terms have several parents: a retinal pigment epithelial cell is epithelial before it is
neural, an erythrocyte erythroid before it is myeloid.
"""

from typing import Final

from shared.ontology import cell_ontology

LINEAGES: Final = (
    ("CL:0000586", "germline"),  # germ cell
    ("CL:0000542", "immune/lymphoid"),  # lymphocyte
    ("CL:0000945", "immune/lymphoid"),  # lymphocyte of B lineage
    ("CL:0000838", "immune/lymphoid"),  # lymphoid lineage restricted progenitor cell
    ("CL:0000764", "hematopoietic/erythroid"),  # erythroid lineage cell
    ("CL:0000556", "hematopoietic/megakaryocytic"),  # megakaryocyte
    ("CL:0000233", "hematopoietic/megakaryocytic"),  # platelet
    ("CL:0000763", "immune/myeloid"),  # myeloid cell
    ("CL:0000451", "immune/myeloid"),  # dendritic cell
    ("CL:0000113", "immune/myeloid"),  # mononuclear phagocyte
    ("CL:0000738", "immune"),  # leukocyte
    ("CL:0000988", "hematopoietic"),  # hematopoietic cell
    ("CL:0000115", "endothelial"),  # endothelial cell
    ("CL:0000066", "epithelial"),  # epithelial cell
    ("CL:0002319", "neural"),  # neural cell
    ("CL:0000187", "muscle"),  # muscle cell
    ("CL:0002320", "stromal"),  # connective tissue cell
    ("CL:0000499", "stromal"),  # stromal cell
    ("CL:0000057", "stromal"),  # fibroblast
    ("CL:0000134", "stromal"),  # mesenchymal stem cell
    ("CL:0008034", "stromal"),  # mural cell
)
"""Ancestor and lineage; the first one that fits counts."""


def lineage_of(cell_ontology_id: str) -> str | None:
    """The major lineage of a cell type, None where it belongs to none of the groups.

    Args:
        cell_ontology_id: the Cell Ontology id.
    """
    ancestors = cell_ontology().ancestors(cell_ontology_id)
    return next((lineage for ancestor, lineage in LINEAGES if ancestor in ancestors), None)
