"""The choice of the next prompt, and the lesson of the last score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.search.prompts import Lesson, Prompt, choose, lesson, rank
from shared.runs.records import ScorePart

CONFIG = JobConfig()


def prompt(name: str, types: float = 1.0, perturbation: float = 1.0, quality: float = 0.5) -> Prompt:
    return Prompt("direct", f"{name}.", (Group(name, "MDC", "IFN-gamma"),), types, perturbation, quality)


def parts(pathways: int | None, targets: int | None) -> list[ScorePart]:
    return [
        ScorePart(name="pathway_coherence", score=pathways, reason="because"),
        ScorePart(name="target_activation", score=targets, reason="because"),
        ScorePart(name="network_coherence", score=1, reason="because"),
    ]


@pytest.mark.parametrize(
    ("pathways", "targets", "num_de", "learned"),
    [
        (2, 6, 200, Lesson.NEARER_PERTURBATION),
        (6, 2, 200, Lesson.NEARER_TYPE),
        (2, 2, 3, Lesson.MORE_CELLS),
        (None, 4, 200, Lesson.NEARER_TYPE),
        (None, None, 200, Lesson.NOTHING),
        (9, 10, 200, Lesson.NOTHING),
    ],
)
def test_the_weak_part_of_the_score_is_what_is_learned_from_it(
    pathways: int | None, targets: int | None, num_de: int, learned: Lesson
) -> None:
    assert lesson(parts(pathways, targets), num_de, CONFIG) is learned


NEAR_TYPE = prompt("a related perturbation in the target cell type", types=1.0, perturbation=0.5)
NEAR_PERTURBATION = prompt("the perturbation in another type", types=0.5, perturbation=1.0)
MANY_CELLS = prompt("many cells of a far type", types=0.1, perturbation=1.0, quality=0.9)


@pytest.mark.parametrize(
    ("learned", "wanted"),
    [
        (Lesson.NEARER_TYPE, NEAR_TYPE),
        (Lesson.NEARER_PERTURBATION, NEAR_PERTURBATION),
        (Lesson.MORE_CELLS, MANY_CELLS),
    ],
)
def test_the_lesson_changes_the_choice_and_is_part_of_the_rationale(learned: Lesson, wanted: Prompt) -> None:
    found = choose([NEAR_TYPE, NEAR_PERTURBATION, MANY_CELLS], [prompt("tried")], learned)
    assert found is not None
    assert found.groups == wanted.groups
    assert found.rationale.startswith(wanted.rationale)
    assert learned.value in found.rationale


def test_the_rank_is_four_parts_relevance_three_quality_three_diversity() -> None:
    found = prompt("a", types=0.5, perturbation=0.8, quality=0.6)
    assert rank(found, []) == pytest.approx(0.4 * 0.4 + 0.3 * 0.6 + 0.3)
    assert rank(found, [found]) == pytest.approx(0.4 * 0.4 + 0.3 * 0.6)


def test_a_prompt_unlike_those_tried_comes_before_one_that_overlaps_with_them() -> None:
    one, two = Group("A", "MDC", "IFN-gamma"), Group("B", "MDC", "IFN-gamma")
    tried = Prompt("direct", "both.", (one, two), 1.0, 1.0, 0.5)
    overlapping = Prompt("donor", "one.", (one,), 1.0, 1.0, 0.5)
    assert choose([overlapping, prompt("other")], [tried]) == prompt("other")


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose([], []) is None
    assert choose([NEAR_TYPE], [NEAR_TYPE], Lesson.NEARER_TYPE) is None


nearness = st.floats(0, 1)


@given(
    st.lists(st.tuples(nearness, nearness, nearness), max_size=8),
    st.lists(st.sampled_from(list(Lesson)), min_size=9, max_size=9),
)
def test_every_prompt_is_tried_exactly_once_after_any_lessons(
    candidates: list[tuple[float, float, float]], lessons: list[Lesson]
) -> None:
    proposed = [prompt(f"D{i}", *values) for i, values in enumerate(candidates)]
    tried: list[Prompt] = []
    for learned in lessons:
        found = choose(proposed, tried, learned)
        if found is None:
            break
        assert 0 <= rank(found, tried, learned) <= 1
        tried.append(found)
    assert {each.groups for each in tried} == {each.groups for each in proposed}
    assert len(tried) == len(proposed)
