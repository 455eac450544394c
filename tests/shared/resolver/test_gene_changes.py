"""Genes that a question says the cells have lost, cannot use, or have less or more of."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("question", "code", "text"),
    [
        (
            "What happens to the IFN-gamma response of monocytes when STAT1 is gone?",
            CaveatCode.KNOCKOUT,
            "STAT1 is gone",
        ),
        (
            "How do monocytes unable to express STAT1 respond to IFN-gamma?",
            CaveatCode.KNOCKOUT,
            "unable to express STAT1",
        ),
        ("IFN-gamma in monocytes if they could not make STAT1", CaveatCode.KNOCKOUT, "could not make STAT1"),
        (
            "IFN-gamma in monocytes if STAT1 cannot be phosphorylated",
            CaveatCode.KNOCKOUT,
            "STAT1 cannot be phosphorylated",
        ),
        ("IFN-gamma in monocytes once JAK2 is off", CaveatCode.KNOCKDOWN, "JAK2 is off"),
        ("IFN-gamma in monocytes when STAT1 levels are low", CaveatCode.KNOCKDOWN, "STAT1 levels are low"),
        ("How do monocytes with reduced STAT1 respond to IFN-gamma?", CaveatCode.KNOCKDOWN, "reduced STAT1"),
        (
            "monocytes with half the normal amount of STAT1 + IFN-gamma",
            CaveatCode.KNOCKDOWN,
            "half the normal amount of STAT1",
        ),
        ("If I remove IRF1 from monocytes, does IFN-gamma induce CXCL10?", CaveatCode.KNOCKDOWN, "remove IRF1"),
        ("Turn JAK2 off in monocytes and add IFN-gamma", CaveatCode.KNOCKDOWN, "Turn JAK2"),
        ("Switching off STAT1 before IFN-gamma in monocytes", CaveatCode.KNOCKDOWN, "Switching off STAT1"),
        ("Removal of STAT1 from monocytes and IFN-gamma", CaveatCode.KNOCKDOWN, "Removal of STAT1"),
        ("Give monocytes extra IRF1 and then IFN-gamma", CaveatCode.OVEREXPRESSION, "extra IRF1"),
        (
            "What if monocytes had twice as much STAT1 and got IFN-gamma?",
            CaveatCode.OVEREXPRESSION,
            "twice as much STAT1",
        ),
        ("After raising IRF1 in monocytes, what does IFN-gamma do?", CaveatCode.OVEREXPRESSION, "raising IRF1"),
        (
            "STAT1 levels are low in my monocytes. How will they respond to IFN-gamma?",
            CaveatCode.KNOCKDOWN,
            "STAT1 levels are low",
        ),
        ("STAT1 is low in these monocytes; what does IFN-gamma do?", CaveatCode.KNOCKDOWN, "STAT1 is low"),
        (
            "What if JAK signalling is switched off in monocytes given IFN-gamma?",
            CaveatCode.KNOCKDOWN,
            "JAK signalling is switched off",
        ),
        (
            "What if the JAK-STAT pathway is shut down in monocytes given IFN-gamma?",
            CaveatCode.KNOCKDOWN,
            "JAK-STAT pathway is shut down",
        ),
        (
            "How do IFN-gamma monocytes respond when mTOR is not working?",
            CaveatCode.KNOCKOUT,
            "mTOR is not working",
        ),
        (
            "Are there mutations that change how monocytes respond to IFN-gamma?",
            CaveatCode.KNOCKOUT,
            "mutations",
        ),
    ],
)
def test_regression_a_gene_that_cells_lack_or_have_more_of_is_refused(
    question: str, code: CaveatCode, text: str
) -> None:
    assert told(question, code) == [text]
    assert not interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "Does IFN-gamma turn off STAT1 in monocytes?",
        "Does IFN-gamma fail to induce CXCL10 in monocytes?",
        "Are monocytes unable to express CXCL10 after IFN-gamma?",
        "Why can't B cells make CXCL10 with IFN-gamma?",
        "Is STAT1 lower in monocytes after IFN-gamma?",
        "Do monocytes respond to IFN-gamma with increased CXCL10?",
        "Do monocytes have higher CXCL10 after IFN-gamma?",
        "STAT1 is induced in monocytes. Is this by IFN-gamma?",
        "STAT1 is a target of IFN-gamma. Does it rise in monocytes?",
        "How does IFN-gamma reduce STAT1 and raise CXCL10 in monocytes?",
        "When is CXCL10 high in monocytes after IFN-gamma?",
        "If IFN-gamma raises CXCL10 in monocytes, is STAT1 elevated?",
        "If CXCL10 does not go up in monocytes after IFN-gamma, what does?",
        "When CXCL10 is not induced by IFN-gamma in monocytes, is IRF1?",
        "Does IFN-gamma act by reducing CCR2 in monocytes?",
        "Why is it that after IFN-gamma STAT1 is low in monocytes?",
        "If you add IFN-gamma, STAT1 is not low in monocytes, is it?",
        "Increase of CXCL10 in monocytes after IFN-gamma",
        "After IFN-gamma, do monocytes increase CXCL10?",
    ],
)
def test_a_gene_whose_change_is_asked_about_is_answered(question: str) -> None:
    assert codes(question) == set()
    assert interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "Does IFN-gamma switch on JAK signaling in monocytes?",
        "Does TNF turn off Notch in monocytes?",
        "Is JAK-STAT signaling activated by IFN-gamma in monocytes?",
    ],
)
def test_what_a_perturbation_does_to_a_pathway_is_no_change_of_the_cells(question: str) -> None:
    assert codes(question) == set()
    assert interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "Does STAT1 loss affect the response of monocytes to IFN-gamma?",
        "What is the effect of STAT1 loss on the response of monocytes to IFN-gamma?",
    ],
)
def test_regression_the_loss_of_a_gene_that_acts_is_not_asked_about(question: str) -> None:
    assert codes(question) == {CaveatCode.KNOCKOUT}
    assert not interpret(question).answerable
