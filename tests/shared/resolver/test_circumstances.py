"""Doses, times, diseases, donors, tissues and species in a question."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told

CIRCUMSTANCES = [
    (CaveatCode.DOSE, "IFN-gamma at 100 ng/ml in monocytes", "100 ng/ml"),
    (CaveatCode.DOSE, "high-dose IL-2 in Tregs", "high-dose"),
    (CaveatCode.DOSE, "1000 U/ml IFN-beta on NK cells", "1000 U/ml"),
    (CaveatCode.DOSE, "IL-6 (50 µM) in B cells", "50 µM"),
    (CaveatCode.DOSE, "CD8 T cells with 20 IU/mL IL-2", "20 IU/mL"),
    (CaveatCode.DOSE, "low concentrations of TGF-beta on CD4 T cells", "low concentrations"),
    (CaveatCode.DOSE, "5nM IL-2 on CD8 T cells", "5nM"),
    (CaveatCode.DOSE, "10-50 ng/ml TNF on monocytes", "10-50 ng/ml"),
    (CaveatCode.DOSE, "TNF on monocytes, dose-response", "dose-response"),
    (CaveatCode.TIME, "CD8 T cells 6 h after IL-2", "6 h"),
    (CaveatCode.TIME, "monocytes treated with TNF for 24 hours", "24 hours"),
    (CaveatCode.TIME, "overnight IFN-gamma on monocytes", "overnight"),
    (CaveatCode.TIME, "IL-2 for three days on NK cells", "three days"),
    (CaveatCode.TIME, "early response of B cells to IFN-beta", "early response"),
    (CaveatCode.TIME, "time course of IL-6 in CD4 T cells", "time course"),
    (CaveatCode.TIME, "IL-2 on CD8 T cells for 72hrs", "72hrs"),
    (CaveatCode.TIME, "two-week IL-2 culture of NK cells", "two-week"),
    (CaveatCode.TIME, "day 3 of IL-2 in CD8 T cells", "day 3"),
    (CaveatCode.TIME, "IFN-gamma auf Monozyten, 6 Stunden", "6 Stunden"),
    (CaveatCode.DISEASE, "monocytes from lupus patients with IFN-gamma", "lupus patients"),
    (CaveatCode.DISEASE, "IL-2 in NK cells of patients with melanoma", "patients with melanoma"),
    (CaveatCode.DISEASE, "Crohn's disease CD4 T cells and TNF", "Crohn's disease"),
    (CaveatCode.DISEASE, "NK cells of COVID-19 patients after IL-2", "COVID-19 patients"),
    (CaveatCode.DISEASE, "leukemic B cells with IFN-beta", "leukemic"),
    (CaveatCode.DISEASE, "septic monocytes and IFN-gamma", "septic"),
    (CaveatCode.DONOR_ATTRIBUTE, "monocytes of elderly donors with IFN-gamma", "elderly"),
    (CaveatCode.DONOR_ATTRIBUTE, "IL-2 in female CD8 T cells", "female"),
    (CaveatCode.DONOR_ATTRIBUTE, "NK cells of smokers with IL-2", "smokers"),
    (CaveatCode.DONOR_ATTRIBUTE, "65-year-old men's monocytes with TNF", "65-year-old men"),
    (CaveatCode.DONOR_ATTRIBUTE, "NK cells of donors aged 70 with IL-2", "aged 70"),
    (CaveatCode.TISSUE, "synovial CD4 T cells with IL-6", "synovial"),
    (CaveatCode.TISSUE, "splenic B cells and IFN-beta", "splenic"),
    (CaveatCode.TISSUE, "NK cells in the liver after IL-2", "liver"),
    (CaveatCode.TISSUE, "bone marrow plasma cells with IL-6", "bone marrow"),
]
SPECIES = [
    ("How do murine CD8 T cells respond to IL-2?", "murine"),
    ("IFN-gamma in mouse macrophages", "mouse"),
    ("Effect of IL-6 on C57BL/6 B cells", "C57BL/6"),
    ("zebrafish macrophages and TNF", "zebrafish"),
    ("Rat NK cells treated with IL-2", "Rat"),
    ("porcine monocytes exposed to IFN-gamma", "porcine"),
    ("rhesus macaque CD4 T cells after IL-2", "rhesus macaque"),
    ("BALB/c dendritic cells + TNF", "BALB/c"),
    ("Canine monocytes with IFN-gamma", "Canine"),
    ("Mus musculus T cells and IL-2", "Mus musculus"),
    ("humanized mice: CD8 T cells and IL-2", "humanized mice"),
]


@pytest.mark.parametrize(("code", "question", "text"), CIRCUMSTANCES)
def test_a_circumstance_is_told_as_written_and_the_question_answered(
    code: CaveatCode, question: str, text: str
) -> None:
    assert told(question, code) == [text]
    assert codes(question) == {code}
    assert interpret(question).answerable


@pytest.mark.parametrize(("question", "text"), SPECIES)
def test_another_species_is_refused(question: str, text: str) -> None:
    assert told(question, CaveatCode.SPECIES) == [text]
    assert not interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "How do human CD8 T cells respond to IL-2?",
        "IL-2 in CD8 T cells, human, not mouse",
        "I know it from mouse papers: how do CD8 T cells respond to IL-2?",
        "Which 20 genes rise most in CD8 T cells after IL-2?",
        "CD8 T cells of healthy donors and IL-2",
        "IL-2 in CD8 T cells: top 100 genes",
        "Does IL-2 change CD25 in CD8 T cells?",
        "IL-2 on CD8 T cells, day and night",
    ],
)
def test_numbers_names_and_contrasts_are_no_circumstances(question: str) -> None:
    assert codes(question) == set()


def test_several_circumstances_are_told_in_order_each_once() -> None:
    question = "IL-6 (10 ng/ml, 24 h, 10 ng/ml) on synovial CD4 T cells of women with lupus"
    found = [(each.code.value, each.text) for each in interpret(question).caveats if each.code.ignored]
    assert found == [
        ("dose", "10 ng/ml"),
        ("time", "24 h"),
        ("tissue", "synovial"),
        ("donor_attribute", "women"),
        ("disease", "lupus"),
    ]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How do monocytes with impaired autophagy respond to TNF?", "with impaired autophagy"),
        ("How do NK cells respond to IL-2 when glycolysis is shut down?", "when glycolysis is shut down"),
    ],
)
def test_regression_what_does_not_work_in_the_cells_is_told(question: str, text: str) -> None:
    assert told(question, CaveatCode.UNKNOWN_WORDS) == [text]


@pytest.mark.parametrize(
    "question", ["Does TNF impair autophagy in monocytes?", "Is glycolysis shut down in NK cells by TGF-beta?"]
)
def test_what_a_perturbation_stops_is_asked(question: str) -> None:
    assert told(question, CaveatCode.UNKNOWN_WORDS) == []
