"""Which prompts are proposed and in which order they are tried."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.prompts import Asked, Neighbour, Prompt, Supply, candidates, choose

ASKED = Asked("MDC", (Neighbour("DC", 2), Neighbour("CD8_T", None)), ("IFN-gamma",), ("PBS",))


def supply(sizes: dict[Group, int], asked: Asked = ASKED) -> Supply:
    return Supply(sizes, asked, JobConfig())


def groups(*cell_types: str, donors: str = "AB", cells: int = 50) -> dict[Group, int]:
    return {Group(d, c, condition): cells for d in donors for c in cell_types for condition in ("PBS", "IFN-gamma")}


def in_order(found: list[Prompt]) -> list[Prompt]:
    tried: list[Prompt] = []
    while (prompt := choose(found, tried)) is not None:
        tried.append(prompt)
    return tried


def test_the_asked_cell_type_with_all_donors_comes_first() -> None:
    first = in_order(candidates(ASKED, supply(groups("MDC", "DC"))))[0]
    assert first.strategy == "direct"
    assert first.groups == (Group("A", "MDC", "IFN-gamma"), Group("B", "MDC", "IFN-gamma"))


def test_where_the_combination_is_not_in_the_atlas_the_nearest_type_comes_first() -> None:
    held_out = {
        key: n for key, n in groups("MDC", "DC", "CD8_T").items() if key.cell_type != "MDC" or key.condition == "PBS"
    }
    found = in_order(candidates(ASKED, supply(held_out)))
    assert {prompt.strategy for prompt in found} == {"ontology"}
    assert {group.cell_type for group in found[0].groups} == {"DC"}


def test_small_groups_are_no_prompts_and_nothing_is_proposed_from_nothing() -> None:
    assert candidates(ASKED, supply(groups("MDC", cells=4))) == []
    assert candidates(ASKED, supply({})) == []
    assert choose([], []) is None


def test_groups_without_matched_controls_make_a_prompt_worse() -> None:
    sizes = groups("MDC")
    unmatched = {key: n for key, n in sizes.items() if not (key.donor == "A" and key.condition == "PBS")}
    whole, part = candidates(ASKED, supply(sizes))[0], candidates(ASKED, supply(unmatched))[0]
    assert whole.groups == part.groups
    assert whole.quality > part.quality


@given(
    types=st.lists(st.sampled_from(["MDC", "DC", "CD8_T"]), unique=True),
    donors=st.sampled_from(["A", "AB", "ABC"]),
    cells=st.integers(1, 500),
)
def test_every_prompt_is_tried_once_and_never_again(types: list[str], donors: str, cells: int) -> None:
    found = candidates(ASKED, supply(groups(*types, donors=donors, cells=cells)))
    tried = in_order(found)
    assert len({prompt.groups for prompt in tried}) == len(tried) == len(found)
    assert all(prompt.groups and 0 <= prompt.relevance <= 1 and 0 <= prompt.quality <= 1 for prompt in tried)
