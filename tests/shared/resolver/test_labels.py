"""From the labels of datasets to the ontology and to canonical names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.ontology import cell_ontology
from shared.resolver.labels import cell_type_entry, condition_entry

CELL_TYPES = {
    "MDC": "CL:0000113",
    "CD8_T": "CL:0000625",
    "CD4_T": "CL:0000624",
    "Treg": "CL:0000815",
    "B_memory": "CL:0000787",
    "NK": "CL:0000623",
    "plasma": "CL:0000786",
    "B_naive": "CL:0000788",
    "B_GC": "CL:0000844",
    "DC": "CL:0000451",
    "gdT": "CL:0000798",
    "pDC": "CL:0000784",
    "mast": "CL:0000097",
    "ILC3": "CL:0001071",
    "CD14 Mono": "CL:0001054",
    "CD16 Mono": "CL:0002396",
    # Kang et al. 2018
    "CD14+ Monocytes": "CL:0001054",
    "FCGR3A+ Monocytes": "CL:0002396",
    "CD4 T cells": "CL:0000624",
    "CD8 T cells": "CL:0000625",
    "B cells": "CL:0000236",
    "NK cells": "CL:0000623",
    "Dendritic cells": "CL:0000451",
    "Megakaryocytes": "CL:0000556",
    # common in Seurat and Scanpy tutorials
    "Naive CD4 T": "CL:0000895",
    "Memory CD4 T": "CL:0000897",
    "CD4 Naive": "CL:0000895",
    "CD8 TEM": "CL:0000913",
    "B": "CL:0000236",
    "T": "CL:0000084",
    "Platelet": "CL:0000233",
    "Plasmablast": "CL:0000980",
    "cDC2": "CL:0002399",
    "HSPC": "CL:0008001",
    "NK_CD56bright": "CL:0000938",
    "natural killer cell": "CL:0000623",
    "CD14-low, CD16-positive monocyte": "CL:0002396",
}


@pytest.mark.parametrize(("label", "term"), CELL_TYPES.items())
def test_a_common_label_maps_to_its_term(label: str, term: str) -> None:
    entry = cell_type_entry(label)
    found = cell_ontology().term(term)
    assert found is not None
    assert entry.label == label
    assert (entry.cell_ontology_id, entry.cell_ontology_label) == (term, found.label)


@pytest.mark.parametrize("label", ["cluster 7", "unknown", "doublet", "", "Other", "12", "cell"])
def test_a_label_that_names_no_cell_type_has_no_term(label: str) -> None:
    entry = cell_type_entry(label)
    assert (entry.label, entry.cell_ontology_id, entry.cell_ontology_label) == (label, None, None)


@pytest.mark.parametrize(
    ("label", "name", "kind"),
    [
        ("IFN-gamma", "IFN-gamma", "cytokine"),
        ("IFNg", "IFN-gamma", "cytokine"),
        ("TNFa", "TNF-alpha", "cytokine"),
        ("IL_21", "IL-21", "cytokine"),
        ("Venetoclax", "ABT-199 (GDC-0199)", "compound"),
        ("LIGHT", "LIGHT", "cytokine"),
        ("light", "LIGHT", "cytokine"),
        ("stim", "stim", "other"),
        ("STAT1_KO", "STAT1 knockout", "gene"),
        ("IFN-gamma+TNF", "IFN-gamma + TNF-alpha", "combination"),
        ("TNFSF1", "TNFSF1", "other"),  # a synonym of two cytokines
        ("sf", "sf", "other"),
    ],
)
def test_a_condition_gets_its_canonical_name(label: str, name: str, kind: str) -> None:
    entry = condition_entry(label)
    assert (entry.label, entry.perturbation, entry.kind, entry.is_control) == (label, name, kind, False)


@pytest.mark.parametrize("label", ["PBS", "ctrl", "DMSO_0.1%", "Dimethyl Sulfoxide", "untreated"])
def test_a_control_has_no_perturbation(label: str) -> None:
    entry = condition_entry(label)
    assert (entry.perturbation, entry.kind, entry.is_control) == (None, "control", True)


@given(st.text(max_size=60))
def test_any_label_has_an_entry_that_keeps_it(label: str) -> None:
    assert cell_type_entry(label).label == label
    entry = condition_entry(label)
    assert entry.label == label
    assert entry.is_control == (entry.perturbation is None)


def test_the_second_sample_of_interferon_beta_is_not_called_by_an_old_name_of_il_6() -> None:
    assert condition_entry("IFNb_1").perturbation == "IFN-beta"
    assert condition_entry("IFNb_2").perturbation != "IL-6"


def test_a_numbered_cluster_is_of_its_cell_type() -> None:
    assert cell_type_entry("CD14 Mono_2").cell_ontology_label == "CD14-positive monocyte"
    assert cell_type_entry("NK-3").cell_ontology_label == "natural killer cell"
    assert cell_type_entry("M_2").cell_ontology_id is None
    assert cell_type_entry("T_1").cell_ontology_label == "T cell"
    assert cell_type_entry("12").cell_ontology_id is None


@pytest.mark.parametrize("label", ["B_1", "B_2", "B 2", "B.1", "Bcell_1", "B cells 2", "B cell-1"])
def test_a_numbered_cluster_of_b_cells_is_no_b_1_cell(label: str) -> None:
    """Regression: the clusters B_1 and B_2 were read as B-1 and B-2 cells."""
    assert cell_type_entry(label).cell_ontology_label == "B cell"


@pytest.mark.parametrize("label", ["B-1", "B1", "B-1 cell", "B1 cells", "B-1 B cell"])
def test_a_b_1_cell_that_is_written_as_one_stays_one(label: str) -> None:
    assert cell_type_entry(label).cell_ontology_label == "B-1 B cell"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("IFN-alpha1", "IFN-alpha1"),
        ("IFNA2", "IFN-alpha2"),
        ("IFN-alpha 2", "IFN-alpha2"),
        ("IFNa2b", "IFN-alpha2b"),
        ("rhIFN-alpha2a", "IFN-alpha2a"),
        ("Pegasys", "Pegasys"),
    ],
)
def test_each_subtype_of_interferon_alpha_has_a_name_of_its_own(label: str, name: str) -> None:
    entry = condition_entry(label)
    assert (entry.perturbation, entry.kind) == (name, "cytokine")
