"""Words such as "inhibit" that name what a perturbation does are no manipulation; the same words about what was done are one."""

import pytest

from tests.support.readings import codes, interpret

EFFECTS = [
    "Which genes does TGF-beta suppress in NK cells?",
    "Which inhibitory receptors does IFN-gamma raise on monocytes?",
    "Does IL-6 suppress FOXP3 in Tregs?",
    "Are apoptosis genes blocked by IL-2 in CD8 T cells?",
    "Would TGF-beta silence GZMB in NK cells?",
    "Does IFN-beta knock down HLA-DR in monocytes?",
    "What genes are lost when NK cells see TGF-beta?",
    "Does TNF delete anything in CD8 T cells?",
    "Which transcripts are suppressed in NK cells by TGF-beta?",
    "Does TNF cause loss of FOXP3 in Tregs?",
    "Is IFN-beta an inhibitor of proliferation in CD4 T cells?",
    "Which inhibitors does TNF induce in monocytes?",
    "SOCS1 is an inhibitor of JAKs: does IFN-gamma induce it in CD4 T cells?",
    "Is there loss of HLA-DR in monocytes after IL-6?",
    "Which genes silenced after TGF-beta in NK cells encode receptors?",
    "Does IFN-gamma raise genes that block virus replication in dendritic cells?",
    "Welche Gene hemmt IL-2 in CD4-T-Zellen?",
    "Quels gènes l'IL-2 bloque-t-elle dans les cellules NK ?",
    "Are PD-1 and CTLA-4 increased by IL-2 in Tregs?",
    "Will TGF-beta stop NK cells from making IFNG?",
    "Which immune checkpoint genes does IFN-gamma induce in dendritic cells?",
]
# The answer is about gene expression, which a caveat says.
OUTCOMES = ["Does IL-2 prevent apoptosis in Tregs?", "Does IL-6 make B cells secrete antibodies?"]
# The second of each pair says with the same word what was done.
PAIRS = [
    ("Which genes does TNF block in monocytes?", "Which genes change in monocytes if one blocks TNF?"),
    ("Does TGF-beta inhibit GZMB in NK cells?", "Does inhibition of TGF-beta change GZMB in NK cells?"),
    ("Is proliferation inhibited by IFN-beta in CD4 T cells?", "Is IFN-beta inhibited in CD4 T cells?"),
    ("What does IL-6 silence in Tregs?", "What follows from IL-6 silencing in Tregs?"),
    ("Which genes are suppressed by TGF-beta in NK cells?", "NK cells in which TGF-beta was suppressed"),
    ("Does TNF cause loss of FOXP3 in Tregs?", "What does loss of TNFRSF1A cause in Tregs?"),
]


@pytest.mark.parametrize("question", EFFECTS)
def test_what_a_perturbation_does_is_answered(question: str) -> None:
    assert codes(question) == set()
    assert interpret(question).answerable


@pytest.mark.parametrize("question", OUTCOMES)
def test_an_effect_other_than_gene_expression_is_a_caveat_and_no_manipulation(question: str) -> None:
    assert codes(question) == {"unknown_words"}
    assert interpret(question).answerable


@pytest.mark.parametrize(("effect", "manipulation"), PAIRS)
def test_the_same_word_is_an_effect_or_a_manipulation(effect: str, manipulation: str) -> None:
    assert interpret(effect).answerable
    assert not interpret(manipulation).answerable


@pytest.mark.parametrize(
    "question",
    [
        "In STAT1-/- monocytes, does IFN-gamma increase CXCL10?",
        "Without IL-2, does TGF-beta increase FOXP3 in CD4 T cells?",
        "If TNF is blocked, what does IFN-gamma do to monocytes?",
        "Does IFN-gamma induce CXCL10 in monocytes treated with a JAK inhibitor?",
        "Does IFN-gamma induce CXCL10 in monocytes after STAT1 knockdown?",
        "Does IFN-gamma induce CXCL10 in monocytes after JAK inhibition?",
    ],
)
def test_a_manipulation_beside_a_question_about_an_effect_is_refused(question: str) -> None:
    assert not interpret(question).answerable
