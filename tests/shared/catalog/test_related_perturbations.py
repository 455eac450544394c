"""Which perturbations stand in for one that no atlas has."""

from shared.catalog.entries import ConditionEntry
from shared.catalog.plans import relative_plan, relatives
from tests.support.catalogs import small_pbmc, small_view


def having(*names: str) -> list[ConditionEntry]:
    control = ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True)
    return [control, *(ConditionEntry(label=n, perturbation=n, kind="cytokine", is_control=False) for n in names)]


def test_perturbations_of_the_same_receptors_come_before_those_of_the_family() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("TNF-alpha", "IFN-gamma", "IFN-beta")})
    found = relatives("IFN-alpha1", dataset)
    assert [each.name for each in found] == ["IFN-beta", "IFN-gamma"]
    assert found[0].nearness > found[1].nearness > 0
    assert found[0].nearness < 1
    assert "IFNAR1, IFNAR2" in found[0].shared
    assert "interferon" in found[1].shared


def test_a_shared_receptor_chain_counts_by_its_share() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("IL-2", "IL-15", "IL-4")})
    nearness = {each.name: each.nearness for each in relatives("IL-15", dataset)}
    assert nearness["IL-2"] > nearness["IL-4"] > 0
    assert "IL-15" not in nearness


def test_a_family_that_is_only_a_drawer_makes_no_relatives() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("EPO", "GDNF")})
    assert relatives("HGF", dataset) == ()


def test_what_the_facts_do_not_know_has_no_relatives() -> None:
    dataset = small_pbmc().model_copy(update={"conditions": having("IL-4", "my own compound")})
    assert relatives("my own compound", dataset) == ()
    assert relatives("Dasatinib", dataset) == ()


def test_a_plan_by_a_relative_needs_cells_of_a_related_type_under_it() -> None:
    view = small_view(small_pbmc())
    assert relative_plan(view, "IL-13", "CL:0000236") is not None
    assert relative_plan(view, "IL-13", "CL:0000540") is None
    assert relative_plan(view, "Dasatinib", "CL:0000236") is None
