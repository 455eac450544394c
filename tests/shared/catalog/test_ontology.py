"""The Cell Ontology: names, ancestors, distances."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import data
from shared.catalog.ontology import GROUPINGS, Ontology, Term, cell_ontology

IDS = sorted(row["cl_id"] for row in data.table("cell_ontology"))
CD14_MONOCYTE = "CL:0001054"
MONOCYTE = "CL:0000576"
MONONUCLEAR_PHAGOCYTE = "CL:0000113"
DENDRITIC = "CL:0000451"
MAST = "CL:0000097"
HEPATOCYTE = "CL:0000182"
T_CELL = "CL:0000084"
CD4_T = "CL:0000624"


@pytest.fixture
def family() -> Ontology:
    """A lineage of four generations and a stranger below a mere grouping."""
    terms = [
        Term("CL:0000000", "cell", (), ()),
        Term("g", "grandmother", ("CL:0000000",), ("old one",)),
        Term("m", "mother", ("g",), ()),
        Term("a", "aunt", ("g",), ("twin",)),
        Term("d", "daughter", ("m",), ("twin",)),
        Term("s", "stranger", ("CL:0000000",), ()),
    ]
    return Ontology({term.id: term for term in terms})


def test_every_term_of_the_facts_is_there() -> None:
    assert len(cell_ontology()) == len(IDS) == 3324


def test_groupings_and_edges_name_terms_that_exist() -> None:
    ontology = cell_ontology()
    assert all(ontology.term(grouping) for grouping in GROUPINGS)
    assert all(ontology.term(parent) for term in ontology for parent in term.parents)


@pytest.mark.parametrize("name", ["CD14-positive monocyte", "cd14 positive monocyte", "CD14-Positive Monocyte"])
def test_a_term_is_found_by_its_label_however_it_is_written(name: str) -> None:
    found = cell_ontology().find(name)
    assert found is not None
    assert found.id == CD14_MONOCYTE


def test_a_label_wins_over_a_synonym_and_the_first_of_two_terms_with_a_synonym_is_taken(family: Ontology) -> None:
    assert family.find("mother") == family.term("m")
    assert family.find("Old-One") == family.term("g")
    assert family.find("twin") == family.term("a")
    assert family.find("nobody") is None


def test_ancestors_carry_the_fewest_edges(family: Ontology) -> None:
    assert family.ancestors("d") == {"d": 0, "m": 1, "g": 2, "CL:0000000": 3}
    assert family.ancestors("nobody") == {}


def test_a_term_is_a_kind_of_itself_and_of_its_ancestors_only(family: Ontology) -> None:
    assert family.is_a("d", "d")
    assert family.is_a("d", "g")
    assert not family.is_a("g", "d")
    assert not family.is_a("nobody", "nobody")


def test_distance_goes_up_to_the_common_ancestor_and_down(family: Ontology) -> None:
    relation = family.relation("d", "a")
    assert relation is not None
    assert (relation.ancestor, relation.up, relation.down, relation.distance) == ("g", 2, 1, 3)


def test_terms_that_share_only_a_grouping_are_unrelated(family: Ontology) -> None:
    assert family.distance("d", "s") is None
    assert cell_ontology().nearest(HEPATOCYTE, [MONONUCLEAR_PHAGOCYTE, MAST, T_CELL]) == []


def test_the_mononuclear_phagocyte_is_nearest_to_a_cd14_monocyte() -> None:
    near = cell_ontology().nearest(CD14_MONOCYTE, [T_CELL, MAST, DENDRITIC, MONONUCLEAR_PHAGOCYTE])
    assert near[0] == (MONONUCLEAR_PHAGOCYTE, 2)
    assert [candidate for candidate, _ in near] == [MONONUCLEAR_PHAGOCYTE, DENDRITIC, MAST, T_CELL]


def test_at_the_same_distance_a_kind_of_the_target_comes_before_what_it_is_a_kind_of() -> None:
    assert cell_ontology().nearest(MONOCYTE, [MONONUCLEAR_PHAGOCYTE, CD14_MONOCYTE]) == [
        (CD14_MONOCYTE, 1),
        (MONONUCLEAR_PHAGOCYTE, 1),
    ]


@given(st.sampled_from(IDS), st.sampled_from(IDS))
def test_distance_is_symmetric(first: str, second: str) -> None:
    assert cell_ontology().distance(first, second) == cell_ontology().distance(second, first)


@given(st.sampled_from(IDS))
def test_a_term_is_at_no_distance_from_itself_and_one_edge_from_its_parents(term: str) -> None:
    ontology = cell_ontology()
    assert ontology.distance(term, term) == 0
    assert all(ontology.distance(term, parent) == 1 for parent in ontology.parents(term))


@given(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), max_size=8), st.randoms(use_true_random=False))
def test_nearest_does_not_depend_on_the_order_of_candidates(target: str, candidates: list[str], random: Random) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)
    ranked = cell_ontology().nearest(target, candidates)
    assert ranked == cell_ontology().nearest(target, shuffled)
    assert [distance for _, distance in ranked] == sorted(distance for _, distance in ranked)
