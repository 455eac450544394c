"""The choice of the next prompt, by expected accuracy and then by rank."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas.atlas import Group
from orchestrator.search.prompts import Prompt, choose, rank


def prompt(name: str, types: float = 1.0, perturbation: float = 1.0, quality: float = 0.5) -> Prompt:
    return Prompt("direct", f"{name}.", (Group(name, "MDC", "IFN-gamma"),), types, perturbation, quality)


def of_types(*types: str, nearness: float = 1.0, quality: float = 0.5) -> Prompt:
    groups = tuple(Group("A", each, "IFN-gamma") for each in types)
    return Prompt("ontology", f"{types}.", groups, nearness, 1.0, quality)


def chosen(candidates: Sequence[Prompt], estimates: Sequence[float | None]) -> Prompt:
    known = {prompt.groups: estimate for prompt, estimate in zip(candidates, estimates, strict=True)}
    found = choose(candidates, [], "MDC", lambda each: known[each.groups])
    assert found is not None
    return found


def test_the_prompt_that_is_expected_to_be_most_accurate_is_chosen() -> None:
    near, mix = of_types("cDC", nearness=1.0), of_types("cDC", "CD14", nearness=0.5)
    assert chosen([near, mix], [0.7, 0.8]) == mix
    assert chosen([near, mix], [0.8, 0.7]) == near


def test_of_prompts_that_are_expected_to_be_equally_accurate_the_rank_decides() -> None:
    near, mix = of_types("cDC", nearness=1.0), of_types("cDC", "CD14", nearness=0.5)
    assert chosen([near, mix], [0.800, 0.805]) == near


def test_measured_cells_are_used_unless_a_mix_is_expected_to_be_much_better_which_it_says() -> None:
    own, mix = of_types("MDC"), of_types("MDC", "CD14")
    assert chosen([own, mix], [0.8, 0.85]) == own
    better = chosen([own, mix], [0.5, 0.85])
    assert better.groups == mix.groups
    assert (
        "more accurate than the measured MDC cells alone: r with the true response 0.85 against 0.50"
        in better.rationale
    )


def test_the_asked_perturbation_comes_before_a_related_one_however_accurate() -> None:
    asked, related = of_types("CD14"), prompt("related", perturbation=0.5)
    assert chosen([related, asked], [0.99, 0.2]) == asked


def test_a_prompt_of_unknown_accuracy_comes_after_those_that_were_tested() -> None:
    unknown, tested = of_types("cDC", nearness=1.0), of_types("CD14", nearness=0.1)
    assert chosen([unknown, tested], [None, 0.1]) == tested


def test_a_prompt_without_one_donor_is_never_the_first_however_accurate() -> None:
    """Regression: without the donor who contradicted the others, the others agreed, and the answer became "high" without a note."""
    everyone, without = of_types("MDC"), replace(prompt("D1"), strategy="donor", drops_donor=True)
    assert chosen([everyone, without], [0.5, 0.95]) == everyone
    assert choose([everyone, without], [everyone], "MDC", lambda _: 0.5) == without


def test_the_rank_is_four_parts_relevance_three_quality_three_diversity() -> None:
    found = prompt("a", types=0.5, perturbation=0.8, quality=0.6)
    assert rank(found, []) == pytest.approx(0.4 * 0.4 + 0.3 * 0.6 + 0.3)
    assert rank(found, [found]) == pytest.approx(0.4 * 0.4 + 0.3 * 0.6)


def test_a_prompt_unlike_those_tried_comes_before_one_that_overlaps_with_them() -> None:
    one, two = Group("A", "MDC", "IFN-gamma"), Group("B", "MDC", "IFN-gamma")
    tried = Prompt("direct", "both.", (one, two), 1.0, 1.0, 0.5)
    overlapping = Prompt("donor", "one.", (one,), 1.0, 1.0, 0.5)
    assert choose([overlapping, prompt("other")], [tried], "MDC") == prompt("other")


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose([], [], "MDC") is None
    assert choose([prompt("tried")], [prompt("tried")], "MDC") is None


nearness = st.floats(0, 1)


@given(st.lists(st.tuples(nearness, nearness, nearness, st.none() | st.floats(-1, 1)), max_size=8))
def test_every_prompt_is_tried_exactly_once(candidates: list[tuple[float, float, float, float | None]]) -> None:
    proposed = [prompt(f"D{i}", *values) for i, (*values, _) in enumerate(candidates)]
    estimates = {each.groups: estimate for each, (*_, estimate) in zip(proposed, candidates, strict=True)}
    tried: list[Prompt] = []
    while (found := choose(proposed, tried, "MDC", lambda each: estimates[each.groups])) is not None:
        assert 0 <= rank(found, tried) <= 1
        tried.append(found)
    assert {each.groups for each in tried} == {each.groups for each in proposed}
    assert len(tried) == len(proposed)
