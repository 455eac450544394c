"""Questions about the mechanism of a response, which shows only in cells without it."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Does IFN-gamma induce CXCL10 in monocytes through STAT1?", "through STAT1"),
        ("Does IFN-gamma induce CXCL10 in monocytes via JAK2?", "via JAK2"),
        ("Does TNF induce IL1B in monocytes via TNFR2?", "via TNFR2"),
        ("Does TNF raise NFKBIA in monocytes by way of NF-kB?", "by way of NF-kB"),
        ("Does IFN-beta signal through IFNAR1 in B cells?", "signal through IFNAR1"),
        ("Does STAT1 drive the response of monocytes to IFN-gamma?", "STAT1 drive"),
        ("Does STAT1 control the response of monocytes to IFN-gamma?", "STAT1 control"),
        ("Does STAT3 induce SOCS3 in CD4 T cells with IL-6?", "STAT3 induce"),
        ("Which receptors mediate the response of monocytes to TNF?", "Which receptors mediate"),
        ("Which kinase is required for the IL-2 response of NK cells?", "Which kinase is required"),
        ("Through which receptor does TNF act on monocytes?", "Through which receptor"),
        ("Do monocytes respond to TNF because they make IFN-beta?", "because they make IFN-beta"),
    ],
)
def test_regression_a_mechanism_is_not_answered_as_a_change(question: str, text: str) -> None:
    found = interpret(question)
    assert told(question, CaveatCode.KNOCKOUT) == [text]
    assert found.genes == []
    assert not found.answerable


@pytest.mark.parametrize(
    "question",
    [
        "Walk me through STAT1 in monocytes after IFN-gamma",
        "Look through STAT1 and IRF1 in monocytes after IFN-gamma",
        "Which genes drive the response of monocytes to IFN-gamma?",
        "Which receptors go up in monocytes with TNF?",
        "Which transcription factors does TNF induce in monocytes?",
        "Which pathways are driven by IFN-gamma in monocytes?",
        "Does IFN-gamma drive STAT1 in monocytes?",
        "Does STAT1 increase in the response of monocytes to IFN-gamma?",
        "Does IRF1 rise in monocytes since IFN-gamma was added?",
    ],
)
def test_what_a_perturbation_changes_is_no_mechanism(question: str) -> None:
    assert codes(question) == set()


def test_what_cells_get_is_no_mechanism() -> None:
    assert codes("What happens to B cells stimulated through CD40 with IL-4?") == {CaveatCode.COMBINATION}
