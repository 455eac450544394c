"""From which atlas and cells a question is answered."""

from shared.catalog.plans import near_cell_types, query_plans
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from tests.support.catalogs import small_pbmc, small_view

CD14_MONOCYTE = "CL:0001054"
T_CELL = "CL:0000084"
HEPATOCYTE = "CL:0000182"
NK = "CL:0000623"
PLASMA = "CL:0000786"


def test_the_asked_type_itself_gives_the_query_where_it_has_enough_cells() -> None:
    (plan,) = query_plans(small_view(), "IFN-gamma", NK)
    assert (plan.dataset.name, plan.query.entry.label, plan.query.distance) == ("small_pbmc", "NK", 0)
    assert "NK" not in {near.entry.label for near in plan.others}


def test_nine_control_cells_are_too_few_for_a_query() -> None:
    (plan,) = query_plans(small_view(), "IFN-gamma", PLASMA)
    assert plan.query.entry.label != "plasma"
    assert "plasma" in {near.entry.label for near in plan.others}


def test_the_nearest_cell_type_comes_with_its_distance() -> None:
    near = near_cell_types(small_pbmc(), CD14_MONOCYTE)[0]
    assert (near.entry.label, near.distance, near.is_kind) == ("MDC", 2, False)


def test_kinds_of_the_asked_type_come_first_those_with_most_cells_before() -> None:
    near = near_cell_types(small_pbmc(), T_CELL)
    kinds = [item.entry.label for item in near if item.is_kind]
    assert kinds[0] == "CD8_T"
    assert set(kinds) == {"CD8_T", "CD4_T", "Treg", "gdT"}
    assert [item.is_kind for item in near] == sorted((item.is_kind for item in near), reverse=True)


def test_another_lineage_and_a_dataset_that_is_not_ingested_answer_nothing() -> None:
    assert query_plans(small_view(), "IFN-gamma", HEPATOCYTE) == []
    assert query_plans(CatalogView(datasets()), "IFN-gamma", NK) == []


def test_a_label_without_a_term_is_found_by_itself() -> None:
    assert near_cell_types(small_pbmc(), "cluster 7") == []
    assert near_cell_types(small_pbmc(), "mast")[0].distance == 0


def test_the_nearer_cell_type_comes_before_the_larger_atlas() -> None:
    large = small_pbmc("a_large_one").model_copy(update={"n_cells": 10**6})
    far = large.model_copy(update={"cell_types": [each for each in large.cell_types if each.label != "NK"]})
    assert [plan.dataset.name for plan in query_plans(small_view(far, small_pbmc()), "IFN-gamma", NK)] == [
        "small_pbmc",
        "a_large_one",
    ]
    assert query_plans(small_view(large, small_pbmc()), "IFN-gamma", NK)[0].dataset.name == "a_large_one"
