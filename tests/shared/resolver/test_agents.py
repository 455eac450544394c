"""What a question names as acting on the cells: known perturbations, other treatments, and unknown names in their place."""

import pytest

from shared.catalog.interpretation import CaveatCode
from shared.resolver.agents import antibody_target
from shared.resolver.question import Question
from tests.support.readings import interpret, taken_apart, told


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do monocytes respond to IFN-gamma?", ["IFN-gamma"]),
        ("monocytes with LPS and TNF", ["LPS", "TNF"]),
        ("monocytes exposed to foobarin", ["foobarin"]),
        ("monocytes treated with XJ-4471", ["XJ-4471"]),
        ("CD4 T cells with anti-CD3/CD28", ["anti-CD3/CD28"]),
        ("How do monocytes respond to treatment?", []),
        ("Which genes are high in monocytes?", []),
    ],
)
def test_agents_are_found_as_written(question: str, expected: list[str]) -> None:
    parsed = taken_apart(question)
    assert [parsed.piece(agent) for agent in parsed.agents] == expected


@pytest.mark.parametrize(
    ("question", "is_known", "is_name"),
    [
        ("monocytes treated with TNF", True, True),
        ("monocytes treated with LPS", False, True),
        ("monocytes treated with foobarin", False, False),
    ],
)
def test_an_agent_is_known_to_the_catalog_to_the_terms_or_to_neither(
    question: str, *, is_known: bool, is_name: bool
) -> None:
    (agent,) = taken_apart(question).agents
    assert (agent.is_known, agent.is_name) == (is_known, is_name)


@pytest.mark.parametrize(
    "drug",
    [
        "adalimumab",
        "infliximab",
        "tocilizumab",
        "ruxolitinib",
        "etanercept",
        "anakinra",
        "qwertymab",
        "zorfitinib",
        "abcicept",
        "xyzciclib",
    ],
)
def test_drugs_against_something_are_told_by_name_or_ending(drug: str) -> None:
    (agent,) = taken_apart(f"monocytes treated with {drug}").agents
    assert agent.blocks is not None
    assert not interpret(f"How would monocytes respond to {drug}?").answerable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anti-TNF", ["TNF"]),
        ("anti TNF in monocytes", ["TNF"]),
        ("anti-PD-1", ["PD", "1"]),
        ("anti-CD3/CD28", ["CD3", "CD28"]),
        ("anti-inflammatory", None),
        ("anti-viral response", None),
        ("antibody", None),
    ],
)
def test_anti_names_an_antibody_unless_it_is_part_of_a_word(text: str, expected: list[str] | None) -> None:
    question = Question.of(text)
    target = antibody_target(question, 0)
    assert (None if target is None else [question.words[index].text for index in target]) == expected


@pytest.mark.parametrize(
    "question",
    [
        "LPS on monocytes",
        "How do NK cells respond to dexamethasone?",
        "Effect of metformin on CD8 T cells",
        "monocytes exposed to hypoxia",
        "CD4 T cells stimulated with anti-CD3/CD28",
        "SARS-CoV-2 infection of monocytes",
        "vitamin D in dendritic cells",
        "Effects of XJ-4471 on monocytes",
        "heat shock in monocytes",
        "CpG in B cells",
        "radiation of T cells",
        "PMA/ionomycin in CD4 T cells",
        "monocytes with oxLDL",
        "IL-14 in B cells",
        "TLR4 agonist on monocytes",
        "B cells treated with qwertyzumol",
    ],
)
def test_a_treatment_that_no_atlas_has_is_refused(question: str) -> None:
    (text,) = told(question, CaveatCode.UNKNOWN_PERTURBATION)
    assert text in question
    assert not interpret(question).answerable


@pytest.mark.parametrize("group", ["cytokines", "interleukins", "chemokines", "drugs"])
def test_a_group_in_the_place_of_a_perturbation_is_ambiguous(group: str) -> None:
    assert told(f"How do B cells respond to {group}?", CaveatCode.AMBIGUOUS_PERTURBATION) == [group]
