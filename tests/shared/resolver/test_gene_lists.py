"""Perturbations that a question lists among genes, which the cells make."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret


@pytest.mark.parametrize(
    ("question", "perturbation", "genes"),
    [
        ("Does TGF-beta lower the levels of GZMB, PRF1 and IFNG in NK cells?", "TGF-beta1", ["GZMB", "PRF1", "IFNG"]),
        ("Does TGF-beta lower GZMB and IFNG in NK cells?", "TGF-beta1", ["GZMB", "IFNG"]),
        ("Does IFN-beta lower IL1B without changing TNF in monocytes?", "IFN-beta", ["IL1B", "TNF"]),
        ("Do GZMB, PRF1 and IFNG go up in NK cells with IL-2?", "IL-2", ["GZMB", "PRF1", "IFNG"]),
        ("Are GZMB and IFNG higher in NK cells after IL-2?", "IL-2", ["GZMB", "IFNG"]),
        ("Is IFNG higher in NK cells after IL-2?", "IL-2", ["IFNG"]),
        ("Is IFNG less expressed in NK cells after TGF-beta?", "TGF-beta1", ["IFNG"]),
        ("Is IFNG missing in NK cells after TGF-beta?", "TGF-beta1", ["IFNG"]),
        ("Is GZMB missing in NK cells after TGF-beta?", "TGF-beta1", ["GZMB"]),
        ("Does TNF induce IL1B but neither IL10 nor IL6 in monocytes?", "TNF-alpha", ["IL1B", "IL10", "IL6"]),
        ("Does IL1B go up and IL10 down in monocytes with TNF?", "TNF-alpha", ["IL1B", "IL10"]),
        ("After IFN-gamma, CXCL10 and TNF rise in monocytes, right?", "IFN-gamma", ["CXCL10", "TNF"]),
        ("What happens to IFNG, GZMB and PRF1 in NK cells with IL-2?", "IL-2", ["IFNG", "GZMB", "PRF1"]),
        ("Which of IFNG, GZMB and PRF1 does IL-2 raise in NK cells?", "IL-2", ["IFNG", "GZMB", "PRF1"]),
        ("Does TNF trigger IL6, IL1B and CXCL8 in monocytes?", "TNF-alpha", ["IL6", "IL1B", "CXCL8"]),
        ("Does IFN-gamma down-regulate TNF in monocytes?", "IFN-gamma", ["TNF"]),
    ],
)
def test_regression_what_cells_make_is_no_second_treatment(question: str, perturbation: str, genes: list[str]) -> None:
    found = interpret(question)
    assert codes(question) == set()
    assert found.answerable
    assert found.perturbation is not None
    assert found.perturbation.name == perturbation
    assert [gene.symbol for gene in found.genes] == genes


@pytest.mark.parametrize(
    "question",
    [
        "How do monocytes respond to IFNG and TNF?",
        "What does TNF with IFNG do in monocytes?",
        "How do NK cells respond to IL-2 and IFN-beta? I care about GZMB and IFNG",
        "Does IL-2 plus IFN-beta raise GZMB and IFNG in NK cells?",
    ],
)
def test_what_cells_get_together_is_a_combination(question: str) -> None:
    assert codes(question) == {CaveatCode.COMBINATION}


@pytest.mark.parametrize(
    "question",
    [
        "STAT1 is missing in my monocytes. How do they respond to IFN-gamma?",
        "If STAT1 is missing, how do monocytes respond to IFN-gamma?",
        "How do STAT1-less monocytes respond to IFN-gamma?",
    ],
)
def test_a_gene_that_is_missing_before_is_not_asked_about(question: str) -> None:
    assert codes(question) == {CaveatCode.KNOCKOUT}
