"""Questions that ask whether cells need a gene, which no atlas of stimulated cells can answer."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Is JAK1 required for the response of NK cells to IL-2?", "JAK1 required"),
        ("Do monocytes need STAT1 to respond to IFN-gamma?", "need STAT1"),
        ("Does IFN-gamma act through STAT1 in monocytes?", "act through STAT1"),
        ("Does IFN-gamma signal via JAK2 in monocytes?", "signal via JAK2"),
        ("Is the effect of IFN-beta on B cells mediated by IRF9?", "mediated by IRF9"),
        ("Is the IFN-gamma response of monocytes STAT1-dependent?", "STAT1-dependent"),
        ("Is the IFN-gamma response of monocytes independent of STAT1?", "independent of STAT1"),
        ("What is the role of STAT1 in the response of monocytes to IFN-gamma?", "role of STAT1"),
        ("How important is IFNAR1 for the response of B cells to IFN-beta?", "important is IFNAR1"),
        ("Does the response of NK cells to IL-2 depend on JAK1?", "depend on JAK1"),
        ("Is the IFN-gamma response of monocytes STAT1-driven?", "STAT1-driven"),
        ("Is STAT3 responsible for SOCS3 induction by IL-6 in CD4 T cells?", "STAT3 responsible"),
        ("Is STAT3 behind SOCS3 induction by IL-6 in CD4 T cells?", "STAT3 behind"),
        ("How much of the TNF response of monocytes depends on autocrine IFN-beta?", "depends on autocrine IFN-beta"),
        ("How much of the TNF response of monocytes is due to IFN-beta?", "due to IFN-beta"),
        ("Is NF-kB essential for the TNF response of monocytes?", "NF-kB essential"),
    ],
)
def test_regression_whether_a_gene_is_needed_is_not_answered_as_whether_it_changes(question: str, text: str) -> None:
    found = interpret(question)
    assert told(question, CaveatCode.KNOCKOUT) == [text]
    assert not found.answerable
    assert found.genes == []
    assert found.reasons[0] == (
        f"Whether a gene is needed ({text}) shows only in cells without it, which no ingested atlas contains."
    )


@pytest.mark.parametrize(
    "question",
    [
        "I need CXCL10 values for monocytes under IFN-gamma",
        "We need to know whether IFN-gamma raises CXCL10 in monocytes",
        "Does IFN-gamma raise STAT1-mediated genes in monocytes?",
        "Does IFN-gamma raise genes that depend on STAT1 in monocytes?",
        "Which genes driven by NFKB1 change in monocytes given TNF?",
        "Is CXCL10 a key gene of monocytes under IFN-gamma?",
        "How does IFN-gamma affect the key gene STAT1 in monocytes?",
    ],
)
def test_other_questions_about_genes_are_answered(question: str) -> None:
    assert codes(question) == set()
    assert interpret(question).answerable


def test_a_dose_dependent_response_needs_no_gene() -> None:
    question = "Is there a dose-dependent CXCL10 increase in monocytes given IFN-gamma?"
    assert codes(question) == {CaveatCode.DOSE}
    assert [gene.symbol for gene in interpret(question).genes] == ["CXCL10"]


@pytest.mark.parametrize(
    "question",
    [
        "Does IFN-gamma raise STAT1 target genes in monocytes?",
        "Are STAT1 targets induced by IFN-gamma in monocytes?",
        "Do genes regulated by STAT1 go up in monocytes with IFN-gamma?",
        "Which STAT1-dependent genes change in monocytes with IFN-gamma?",
    ],
)
def test_regression_the_targets_of_a_gene_are_not_that_gene(question: str) -> None:
    assert codes(question) == set()
    assert interpret(question).genes == []
