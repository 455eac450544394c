"""Perturbations that the cells of a question do not get."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    "question",
    [
        "How do CD8 T cells look without IL-2?",
        "IL-2 withdrawal in Tregs",
        "NK cells starved of IL-2",
        "Monocytes that never saw IFN-gamma",
        "CD4 T cells in IL-2-free medium",
        "CD8 T cells after cessation of IL-2",
        "Tregs deprived of IL-2",
        "Monocytes which have not been exposed to TNF",
        "IL-6-depleted B cell cultures",
        "Monocytes in the absence of IFN-gamma",
        "How do Tregs fare if no IL-2 is added?",
        "CD4 T cells that don't get IL-2",
        "CD4 T cells that don’t get IL-2",
        "B cells kept away from IL-6",
        "NK cells, IL-2 omitted",
        "removal of IL-2 from CD8 T cells",
        "monocytes unexposed to IFN-gamma",
        "NK cells naive to IL-2",
        "NK-Zellen ohne IL-2",
        "cellules NK sans IL-2",
        "células NK sin IL-2",
        "Which genes are up in unstimulated monocytes kept far from IFN-gamma?",
        "monocytes not treated",
    ],
)
def test_a_perturbation_that_is_absent_is_refused(question: str) -> None:
    assert CaveatCode.ABSENCE in codes(question)
    assert not interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "Effect of IFN-gamma treatment versus no treatment in monocytes",
        "IFN-gamma-treated compared with untreated monocytes",
        "What changes in monocytes with and without IFN-gamma?",
        "monocytes in the presence or absence of IFN-gamma",
        "Which genes does IFN-gamma activate in monocytes but not induce strongly?",
        "Do NK cells lose cytotoxicity under TGF-beta?",
        "Are naive B cells activated by IL-6?",
        "I do not know much. What does IL-2 do to T cells?",
        "monocytes treated or not with IFN-gamma",
        "compared with monocytes without TNF, what changes with TNF?",
    ],
)
def test_a_comparison_with_cells_that_lack_it_is_answered(question: str) -> None:
    assert CaveatCode.ABSENCE not in codes(question)
    assert interpret(question).answerable


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How do CD8 T cells look without any added IL-2?", "without any added IL-2"),
        ("IL-2 withdrawal in Tregs", "IL-2 withdrawal"),
        ("monocytes never exposed to TNF", "never exposed to TNF"),
    ],
)
def test_an_absence_spans_the_denial_and_the_perturbation(question: str, text: str) -> None:
    assert told(question, CaveatCode.ABSENCE) == [text]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("IL-6 in NK cells from which STAT3 was removed", "STAT3 was removed"),
        ("IFN-gamma on monocytes; STAT1 is missing", "STAT1 is missing"),
    ],
)
def test_a_gene_that_is_gone_is_a_knockout(question: str, text: str) -> None:
    assert told(question, CaveatCode.KNOCKOUT) == [text]
