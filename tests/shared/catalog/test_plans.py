"""Query plans: the atlas and cells that a question is answered from, and related perturbations."""

from shared.catalog.entries import CellTypeEntry, ConditionEntry
from shared.catalog.plans import near_cell_types, query_plans, related_perturbations, related_plan
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from tests.support.catalogs import small_pbmc, small_view

CD14_MONOCYTE = "CL:0001054"
T_CELL = "CL:0000084"
HEPATOCYTE = "CL:0000182"
NK = "CL:0000623"
PLASMA = "CL:0000786"
B_CELL = "CL:0000236"
NEURON = "CL:0000540"


def test_the_queried_type_itself_gives_the_query_cells_if_it_has_enough() -> None:
    (plan,) = query_plans(small_view(), "IFN-gamma", NK)
    assert (plan.dataset.name, plan.query.entry.label, plan.query.distance) == ("small_pbmc", "NK", 0)
    assert "NK" not in {near.entry.label for near in plan.others}


def test_nine_control_cells_are_too_few_for_a_query() -> None:
    entry = small_pbmc()
    ten = [each.model_copy(update={"cells": 10}) if each.cell_type == "plasma" else each for each in entry.groups]
    assert query_plans(small_view(entry), "IFN-gamma", PLASMA) == []
    (plan,) = query_plans(small_view(entry.model_copy(update={"groups": ten})), "IFN-gamma", PLASMA)
    assert plan.query.entry.label == "plasma"


def test_the_nearest_cell_type_comes_with_its_distance() -> None:
    near = near_cell_types(small_pbmc(), CD14_MONOCYTE)[0]
    assert (near.entry.label, near.distance, near.is_kind) == ("MDC", 2, False)


def test_subtypes_of_the_queried_type_come_first_the_largest_before() -> None:
    near = near_cell_types(small_pbmc(), T_CELL)
    kinds = [item.entry.label for item in near if item.is_kind]
    assert kinds[0] == "CD8_T"
    assert set(kinds) == {"CD8_T", "CD4_T", "Treg", "gdT"}
    assert [item.is_kind for item in near] == sorted((item.is_kind for item in near), reverse=True)


def test_another_lineage_or_a_dataset_that_is_not_ingested_gives_no_plan() -> None:
    assert query_plans(small_view(), "IFN-gamma", HEPATOCYTE) == []
    assert query_plans(CatalogView(datasets()), "IFN-gamma", NK) == []


def test_a_label_without_a_term_is_found_by_itself() -> None:
    assert near_cell_types(small_pbmc(), "cluster 7") == []
    assert near_cell_types(small_pbmc(), "mast")[0].distance == 0


def test_the_nearer_cell_type_comes_before_the_larger_atlas() -> None:
    large = small_pbmc("a_large_one").model_copy(update={"n_cells": 10**6})
    monocyte = CellTypeEntry(label="MDC", cell_ontology_id=CD14_MONOCYTE, cell_ontology_label="CD14-positive monocyte")
    small = small_pbmc()
    near = small.model_copy(update={"cell_types": [monocyte, *small.cell_types[1:]]})
    assert [plan.dataset.name for plan in query_plans(small_view(large, near), "IFN-gamma", CD14_MONOCYTE)] == [
        "small_pbmc",
        "a_large_one",
    ]
    assert query_plans(small_view(large, small), "IFN-gamma", CD14_MONOCYTE)[0].dataset.name == "a_large_one"


def test_a_measured_atlas_comes_before_a_nearer_and_larger_semi_synthetic_one() -> None:
    monocyte = CellTypeEntry(label="MDC", cell_ontology_id=CD14_MONOCYTE, cell_ontology_label="CD14-positive monocyte")
    small = small_pbmc("a_simulated_one")
    simulated = small.model_copy(update={"cell_types": [monocyte, *small.cell_types[1:]], "n_cells": 10**6})
    measured = small_pbmc("measured").model_copy(update={"semi_synthetic": False})
    plans = query_plans(small_view(simulated, measured), "IFN-gamma", CD14_MONOCYTE)
    assert [(plan.dataset.name, plan.query.distance) for plan in plans] == [("measured", 2), ("a_simulated_one", 0)]
    assert [plan.dataset.name for plan in query_plans(small_view(simulated), "IFN-gamma", CD14_MONOCYTE)] == [
        "a_simulated_one"
    ]


def test_a_related_perturbation_that_was_measured_comes_before_one_that_was_simulated() -> None:
    simulated = small_pbmc("a_simulated_one").model_copy(update={"conditions": having("IL-4")})
    measured = small_pbmc("measured").model_copy(update={"semi_synthetic": False, "conditions": having("IL-4")})
    plan = related_plan(small_view(simulated, measured), "IL-13", B_CELL)
    assert plan is not None
    assert plan.dataset.name == "measured"


def having(*names: str) -> list[ConditionEntry]:
    control = ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True)
    return [control, *(ConditionEntry(label=n, perturbation=n, kind="cytokine", is_control=False) for n in names)]


def test_perturbations_with_the_same_receptors_come_before_those_of_the_same_family() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("TNF-alpha", "IFN-gamma", "IFN-beta")})
    found = related_perturbations("IFN-alpha1", dataset)
    assert [each.name for each in found] == ["IFN-beta", "IFN-gamma"]
    assert found[0].nearness > found[1].nearness > 0
    assert found[0].nearness < 1
    assert "IFNAR1, IFNAR2" in found[0].shared
    assert "interferon" in found[1].shared


def test_a_shared_receptor_chain_counts_by_its_share() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("IL-2", "IL-15", "IL-4")})
    nearness = {each.name: each.nearness for each in related_perturbations("IL-15", dataset)}
    assert nearness["IL-2"] > nearness["IL-4"] > 0
    assert "IL-15" not in nearness


def test_a_family_of_leftovers_relates_nothing() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("EPO", "GDNF")})
    assert related_perturbations("HGF", dataset) == ()


def test_a_perturbation_unknown_to_the_reference_data_has_no_related_ones() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("IL-4", "my own compound")})
    assert related_perturbations("my own compound", dataset) == ()
    assert related_perturbations("Dasatinib", dataset) == ()


def test_a_plan_by_a_related_perturbation_needs_its_cells_of_a_related_type() -> None:
    view = small_view(small_pbmc())
    assert related_plan(view, "IL-13", B_CELL) is not None
    assert related_plan(view, "IL-13", NEURON) is None
    assert related_plan(view, "Dasatinib", B_CELL) is None


def test_a_plan_names_the_nearest_related_perturbation_that_has_enough_cells() -> None:
    """Regression: the validation named the nearest related perturbation even if the atlas has no cells under it."""
    groups = [
        group.model_copy(update={"condition": "IFN-beta"}) if group.condition == "IFN-gamma" else group
        for group in small_pbmc().groups
    ]
    dataset = small_pbmc().model_copy(update={"conditions": having("IFN-alpha1", "IFN-beta"), "groups": groups})
    assert [each.name for each in related_perturbations("IFN-omega", dataset)] == ["IFN-alpha1", "IFN-beta"]
    plan = related_plan(small_view(dataset), "IFN-omega", NK)
    assert plan is not None
    assert plan.related is not None
    assert plan.related.name == "IFN-beta"


def test_a_perturbation_of_the_same_family_with_other_receptors_answers_for_none() -> None:
    assert [each.name for each in related_perturbations("IFN-omega", small_pbmc())] == ["IFN-gamma"]
    assert related_plan(small_view(), "IFN-omega", NK) is None
