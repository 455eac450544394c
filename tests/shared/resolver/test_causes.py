"""Which of the treatments that a question names it asks about, and how several relate."""

import pytest

from shared.catalog.interpretation import CaveatCode
from shared.resolver.causes import Relation
from tests.support.readings import interpret, pieces, taken_apart, told

COMBINATIONS = [
    "IFN-gamma plus TNF on monocytes",
    "CD8 T cells with IL-2 and IL-6 together",
    "How do monocytes respond to a cocktail of IFN-gamma, TNF and IL-1-beta?",
    "NK cells treated simultaneously with IL-2 & IL-6",
    "TNF/IFN-gamma costimulation of dendritic cells",
    "IL-2, IL-6: CD4 T cells",
    "IL-2 in combination with TGF-beta in CD4 T cells",
    "TNF-alpha as well as IFN-gamma in CD8 T cells",
    "Both IL-2 and TNF in NK cells",
    "IFN-beta alongside TNF in monocytes",
    "monocytes exposed to TNF in the presence of TGF-beta",
    "Does adding TNF on top of IFN-gamma change monocytes?",
    "IFN-gamma and LPS in monocytes",
    "TNF synergizes with IFN-gamma in monocytes?",
    "co-treatment of B cells with IL-6 and IFN-gamma",
    "IFN-gamma on monocytes for 6 hours, with TNF added as well",
    "IL-2 und IL-6 auf NK-Zellen",
    "IL-2 et TNF sur les cellules NK",
]
ALTERNATIVES = [
    "Does IL-2 or IL-6 activate CD4 T cells more?",
    "Compare IFN-beta and IFN-gamma in monocytes",
    "How do IFN-beta and IFN-gamma differ in monocytes?",
    "TNF vs IL-1-beta in dendritic cells",
    "Is the response of NK cells to IFN-beta stronger than to IFN-gamma?",
    "Which is better for Tregs, IL-2 or TGF-beta?",
]
SEQUENCES = [
    ("IL-2-primed NK cells treated with IFN-beta", ["IL-2-primed"], "IFN-beta"),
    ("monocytes pretreated with TNF then IFN-gamma", ["pretreated with TNF"], "IFN-gamma"),
    ("CD4 T cells exposed to IL-6 followed by IL-2", ["IL-6"], "IL-2"),
    ("After priming with TGF-beta, how do NK cells respond to IL-2?", ["priming with TGF-beta"], "IL-2"),
    ("LPS-primed monocytes treated with IL-1-beta", ["LPS-primed"], "IL-1-beta"),
    ("Monocytes trained with beta-glucan, restimulated with TNF", ["trained with beta-glucan"], "TNF-alpha"),
    ("IL-4-polarized macrophages exposed to IFN-gamma", ["IL-4-polarized"], "IFN-gamma"),
    ("T cells expanded in IL-2 and then exposed to TGF-beta", ["expanded in IL-2"], "TGF-beta1"),
    ("Does TNF change monocytes after IL-4 exposure?", ["IL-4"], "TNF-alpha"),
]


@pytest.mark.parametrize("question", COMBINATIONS)
def test_perturbations_that_act_together_are_refused_as_a_combination(question: str) -> None:
    assert taken_apart(question).causes.relation is Relation.COMBINED
    found = interpret(question)
    assert found.has(CaveatCode.COMBINATION)
    assert not found.answerable


@pytest.mark.parametrize("question", ALTERNATIVES)
def test_perturbations_that_are_compared_are_refused_as_a_choice(question: str) -> None:
    assert taken_apart(question).causes.relation is Relation.ALTERNATIVE
    found = interpret(question)
    assert found.has(CaveatCode.AMBIGUOUS_PERTURBATION)
    assert not found.has(CaveatCode.COMBINATION)
    assert not found.answerable


@pytest.mark.parametrize(("question", "earlier", "asked"), SEQUENCES)
def test_of_a_sequence_the_last_is_asked_about_and_the_others_are_ignored(
    question: str, earlier: list[str], asked: str
) -> None:
    parsed = taken_apart(question)
    assert pieces(parsed, parsed.causes.earlier) == earlier
    assert parsed.causes.relation is Relation.SINGLE
    found = interpret(question)
    assert found.answerable
    assert found.perturbation is not None
    assert found.perturbation.used == asked
    assert [caveat.text for caveat in found.caveats if caveat.code is CaveatCode.PRETREATMENT] == earlier


def test_the_only_treatment_of_a_question_is_asked_about_even_if_it_came_earlier() -> None:
    found = interpret("What characterizes IL-2-primed NK cells?")
    assert found.perturbation is not None
    assert found.perturbation.used == "IL-2"


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Does TNF induce IL6 in monocytes?", "TNF-alpha"),
        ("Does IL-6 reduce TNF secretion by monocytes?", "IL-6"),
        ("Is TNF induced by IFN-gamma in monocytes?", "IFN-gamma"),
        ("effect of IFN-gamma on TNF in monocytes", "IFN-gamma"),
        ("Does IFN-gamma raise TNF and IL-6 in monocytes?", "IFN-gamma"),
        ("Does CXCL10 go up with IFN-gamma in monocytes?", "IFN-gamma"),
    ],
)
def test_what_the_cells_make_is_no_treatment(question: str, asked: str) -> None:
    parsed = taken_apart(question)
    assert len(parsed.causes.asked) == 1
    found = interpret(question)
    assert found.answerable
    assert found.perturbation is not None
    assert found.perturbation.name == asked


def test_the_same_perturbation_under_two_names_is_one() -> None:
    parsed = taken_apart("How do monocytes respond to IFN-gamma (interferon gamma, IFNG)?")
    assert [agent.means for agent in parsed.causes.asked] == [("IFN-gamma",)]
    assert parsed.causes.relation is Relation.SINGLE


@pytest.mark.parametrize(
    ("question", "perturbation", "earlier"),
    [
        ("NK cells get IL-2 first and IFN-beta the next day. What changes?", "IFN-beta", "IL-2 first"),
        ("CD4 T cells received TGF-beta first and IL-6 the day after. What changes?", "IL-6", "TGF-beta first"),
        ("B cells get IFN-beta first and IL-4 later. Which genes change?", "IL-4", "IFN-beta first"),
        ("NK cells received IL-2 and IFN-beta the next day. What changes?", "IFN-beta", "IL-2"),
        ("Monocytes first get TNF and later IFN-gamma. What changes?", "IFN-gamma", "TNF"),
    ],
)
def test_regression_what_comes_first_is_the_pretreatment(question: str, perturbation: str, earlier: str) -> None:
    found = interpret(question)
    assert found.perturbation is not None
    assert found.perturbation.name == perturbation
    assert told(question, CaveatCode.PRETREATMENT) == [earlier]


@pytest.mark.parametrize(
    "question", ["Do monocytes respond to TNF first?", "Which genes does TNF first induce in monocytes?"]
)
def test_first_alone_says_nothing_of_an_earlier_treatment(question: str) -> None:
    assert told(question, CaveatCode.PRETREATMENT) == []


def test_what_cells_get_without_an_order_is_combined() -> None:
    assert told("NK cells get IL-2 and IFN-beta. What changes?", CaveatCode.COMBINATION) == ["IL-2 and IFN-beta"]
