"""The Cell Ontology: ancestors, distances and major lineages."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import data
from shared.catalog.ontology import GROUPINGS, LINEAGES, Ontology, Term, cell_ontology, lineage_of

IDS = sorted(row["cl_id"] for row in data.table("cell_ontology"))
CD14_MONOCYTE = "CL:0001054"
MONOCYTE = "CL:0000576"
MONONUCLEAR_PHAGOCYTE = "CL:0000113"
DENDRITIC = "CL:0000451"
MAST = "CL:0000097"
HEPATOCYTE = "CL:0000182"
T_CELL = "CL:0000084"
CD4_T = "CL:0000624"

# The lineages that may occur in each compartment of Tabula Sapiens.
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


@pytest.fixture
def family() -> Ontology:
    """A lineage of four generations, and a stranger that shares only a grouping with it."""
    terms = [
        Term("CL:0000000", "cell", (), ()),
        Term("g", "grandmother", ("CL:0000000",), ()),
        Term("m", "mother", ("g",), ()),
        Term("a", "aunt", ("g",), ()),
        Term("d", "daughter", ("m",), ()),
        Term("s", "stranger", ("CL:0000000",), ()),
    ]
    return Ontology({term.id: term for term in terms})


def distance(first: str, second: str) -> int | None:
    relation = cell_ontology().relation(first, second)
    return relation.distance if relation else None


def test_every_term_of_the_table_is_loaded() -> None:
    assert len(list(cell_ontology())) == len(IDS) == 3324


def test_groupings_and_edges_name_terms_that_exist() -> None:
    ontology = cell_ontology()
    assert all(ontology.term(grouping) for grouping in GROUPINGS)
    assert all(ontology.term(parent) for term in ontology for parent in term.parents)


def test_ancestors_carry_the_fewest_edges(family: Ontology) -> None:
    assert family.ancestors("d") == {"d": 0, "m": 1, "g": 2, "CL:0000000": 3}
    assert family.ancestors("nobody") == {}


def test_a_term_is_a_subtype_of_itself_and_of_its_ancestors_only(family: Ontology) -> None:
    assert family.is_a("d", "d")
    assert family.is_a("d", "g")
    assert not family.is_a("g", "d")
    assert not family.is_a("nobody", "nobody")


def test_distance_goes_up_to_the_common_ancestor_and_down(family: Ontology) -> None:
    relation = family.relation("d", "a")
    assert relation is not None
    assert (relation.ancestor, relation.up, relation.down, relation.distance) == ("g", 2, 1, 3)


def test_terms_that_share_only_a_grouping_are_unrelated(family: Ontology) -> None:
    assert family.relation("d", "s") is None
    assert cell_ontology().nearest(HEPATOCYTE, [MONONUCLEAR_PHAGOCYTE, MAST, T_CELL]) == []


def test_the_mononuclear_phagocyte_is_nearest_to_a_cd14_monocyte() -> None:
    near = cell_ontology().nearest(CD14_MONOCYTE, [T_CELL, MAST, DENDRITIC, MONONUCLEAR_PHAGOCYTE])
    assert near[0] == (MONONUCLEAR_PHAGOCYTE, 2)
    assert [candidate for candidate, _ in near] == [MONONUCLEAR_PHAGOCYTE, DENDRITIC, MAST, T_CELL]


def test_at_the_same_distance_a_subtype_comes_before_a_supertype() -> None:
    assert cell_ontology().nearest(MONOCYTE, [MONONUCLEAR_PHAGOCYTE, CD14_MONOCYTE]) == [
        (CD14_MONOCYTE, 1),
        (MONONUCLEAR_PHAGOCYTE, 1),
    ]


@given(st.sampled_from(IDS), st.sampled_from(IDS))
def test_distance_is_symmetric(first: str, second: str) -> None:
    assert distance(first, second) == distance(second, first)


@given(st.sampled_from(IDS))
def test_a_term_has_distance_zero_to_itself_and_one_to_its_parents(term_id: str) -> None:
    term = cell_ontology().term(term_id)
    assert term is not None
    assert distance(term_id, term_id) == 0
    assert all(distance(term_id, parent) == 1 for parent in term.parents)


@given(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), max_size=8), st.randoms(use_true_random=False))
def test_nearest_does_not_depend_on_the_order_of_candidates(target: str, candidates: list[str], random: Random) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)
    ranked = cell_ontology().nearest(target, candidates)
    assert ranked == cell_ontology().nearest(target, shuffled)
    assert [distance for _, distance in ranked] == sorted(distance for _, distance in ranked)


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
    (term,) = (term for term in cell_ontology() if term.label == name)
    assert lineage_of(term.id) == lineage


def test_lineages_agree_with_the_compartments_of_tabula_sapiens() -> None:
    rows = list(data.table("tabula_sapiens_cell_types"))
    for row in rows:
        assert lineage_of(row["cl_id"]) in COMPARTMENTS[row["compartment"]], row["cell_type"]
    placed = [row for row in rows if lineage_of(row["cl_id"])]
    assert len(placed) > 0.9 * len(rows)


def test_every_lineage_starts_at_a_term_of_the_ontology_and_an_unknown_id_has_none() -> None:
    assert all(cell_ontology().term(term_id) for term_id, _ in LINEAGES)
    assert lineage_of("CL:9999999") is None
