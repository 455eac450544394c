"""The proposals of the strategies, in particular if the atlas lacks the target combination."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.question.analysis import Neighbor, Target
from orchestrator.search.prompts import Prompt, choose
from orchestrator.search.strategies import AvailableGroups, candidates
from shared.catalog.plans import RelatedPerturbation

CLOSE = RelatedPerturbation("IFN-beta", ("IFN-beta",), 0.25, "the receptors IFNAR1, IFNAR2", may_stand_in=True)
FAR = RelatedPerturbation("IFN-gamma", ("IFN-gamma",), 0.1, "the interferon family", may_stand_in=False)
NEIGHBORS = (Neighbor("DC", 1), Neighbor("CD14", 3), Neighbor("CD8_T", None))
TARGET = Target("MDC", NEIGHBORS, "IFN-alpha1", ("IFN-alpha1",), ("PBS",), (CLOSE, FAR))
TYPES = ("MDC", "DC", "CD14", "CD8_T")
CONDITIONS = ("PBS", "IFN-alpha1", "IFN-beta", "IFN-gamma")


def atlas(
    types: tuple[str, ...] = TYPES, conditions: tuple[str, ...] = CONDITIONS, donors: str = "AB", cells: int = 50
) -> dict[Group, int]:
    return {Group(donor, cell_type, each): cells for donor in donors for cell_type in types for each in conditions}


def without(sizes: dict[Group, int], cell_type: str, condition: str) -> dict[Group, int]:
    return {group: n for group, n in sizes.items() if (group.cell_type, group.condition) != (cell_type, condition)}


def in_order(sizes: dict[Group, int], target: Target = TARGET) -> list[Prompt]:
    proposed = candidates(target, AvailableGroups(sizes, target, JobConfig()))
    tried: list[Prompt] = []
    while (prompt := choose(proposed, tried, target.query_type)) is not None:
        tried.append(prompt)
    assert len(tried) == len(proposed)
    return tried


def test_the_target_cell_type_with_all_donors_comes_first() -> None:
    first = in_order(atlas())[0]
    assert first.strategy == "direct"
    assert first.groups == (Group("A", "MDC", "IFN-alpha1"), Group("B", "MDC", "IFN-alpha1"))
    assert (first.relevance, first.related_only) == (1.0, False)


def test_rationales_name_the_perturbation_of_the_question_and_the_one_of_the_cells() -> None:
    found = in_order(atlas())
    related = [prompt.rationale for prompt in found if prompt.related_only]
    assert all("IFN-alpha1" in prompt.rationale for prompt in found)
    assert related
    assert all("IFN-beta, which shares" in each or "IFN-gamma, which shares" in each for each in related)
    assert not any("requested" in prompt.rationale for prompt in found)


def test_few_direct_cells_give_way_to_more_cells_of_other_types() -> None:
    sizes = atlas(cells=300) | {Group(donor, "MDC", "IFN-alpha1"): 6 for donor in "AB"}
    first = in_order(sizes)[0]
    assert first.strategy == "ontology"
    assert Group("A", "MDC", "IFN-alpha1") in first.groups


def test_where_the_combination_is_held_out_other_types_come_before_other_perturbations() -> None:
    found = in_order(without(atlas(), "MDC", "IFN-alpha1"))
    assert "direct" not in {prompt.strategy for prompt in found}
    assert found[0].strategy == "ontology"
    assert {group.condition for group in found[0].groups} == {"IFN-alpha1"}
    assert not any(group.cell_type == "MDC" and group.condition == "IFN-alpha1" for p in found for group in p.groups)
    alone = [prompt for prompt in found if {group.cell_type for group in prompt.groups} == {"DC"}]
    assert alone[0].relevance > found[0].relevance > 0.75 * alone[0].relevance


def test_where_the_perturbation_is_there_only_for_one_far_type_that_type_answers() -> None:
    sizes = {g: n for g, n in atlas().items() if g.condition != "IFN-alpha1" or g.cell_type == "CD8_T"}
    found = in_order(sizes)
    direct_evidence = [prompt for prompt in found if not prompt.related_only]
    assert {group.cell_type for prompt in direct_evidence for group in prompt.groups} == {"CD8_T"}
    assert "no common lineage" in direct_evidence[0].rationale


def test_with_only_related_perturbations_the_nearest_one_in_the_target_type_comes_first() -> None:
    target = Target("MDC", NEIGHBORS, "IFN-alpha1", (), ("PBS",), (CLOSE, FAR))
    found = in_order(atlas(conditions=("PBS", "IFN-beta", "IFN-gamma")), target)
    assert {prompt.strategy for prompt in found} == {"mechanistic"}
    assert all(prompt.related_only for prompt in found)
    assert {group.condition for group in found[0].groups} == {"IFN-beta"}
    assert Group("A", "MDC", "IFN-beta") in found[0].groups
    assert "IFNAR1" in found[0].rationale


def test_a_related_perturbation_without_the_target_type_uses_the_nearest_type() -> None:
    target = Target("MDC", NEIGHBORS, "IFN-alpha1", (), ("PBS",), (CLOSE,))
    found = in_order(without(atlas(conditions=("PBS", "IFN-beta")), "MDC", "IFN-beta"), target)
    assert all(group.cell_type != "MDC" for prompt in found for group in prompt.groups)
    assert any({group.cell_type for group in prompt.groups} == {"DC"} for prompt in found)


def test_donors_without_matched_controls_and_donors_who_give_no_query_cells_can_be_left_out() -> None:
    sizes = atlas(types=("MDC",), donors="ABC")
    del sizes[Group("C", "MDC", "PBS")]
    found = {
        "".join(group.donor for group in prompt.groups): prompt for prompt in in_order(sizes) if not prompt.related_only
    }
    assert found["AB"].strategy == "donor"
    assert "matched control" in found["AB"].rationale
    assert found["AB"].quality > found["ABC"].quality


def test_each_donor_is_left_out_in_turn() -> None:
    found = [prompt for prompt in in_order(atlas(types=("MDC",), donors="ABC")) if prompt.strategy == "donor"]
    assert sorted("".join(group.donor for group in prompt.groups) for prompt in found) == ["AB", "AC", "BC"]


def test_small_groups_are_no_prompts_and_nothing_is_proposed_from_nothing() -> None:
    assert in_order(atlas(cells=4)) == []
    assert in_order({}) == []


@given(
    types=st.lists(st.sampled_from(TYPES), unique=True),
    conditions=st.lists(st.sampled_from(CONDITIONS), unique=True),
    donors=st.sampled_from(["A", "AB", "ABC"]),
    cells=st.integers(1, 500),
)
def test_for_any_atlas_prompts_differ_and_their_numbers_are_in_range(
    types: list[str], conditions: list[str], donors: str, cells: int
) -> None:
    found = in_order(atlas(tuple(types), tuple(conditions), donors, cells))
    assert len({prompt.groups for prompt in found}) == len(found)
    for prompt in found:
        assert prompt.groups
        assert prompt.rationale.endswith(".")
        assert 0 < prompt.relevance <= 1
        assert 0 <= prompt.quality <= 1
        assert not {group.condition for group in prompt.groups} & {"PBS"}
