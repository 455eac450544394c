"""Subsets of a cell type, named by a marker, a product or what the cells recognize."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How do CD57-bright NK cells respond to IL-2?", "CD57-bright"),
        ("How do CXCR5-positive B cells respond to IFN-beta?", "CXCR5-positive"),
        ("How do HLA-DR low monocytes respond to IFN-gamma?", "HLA-DR low"),
        ("How do CD163-expressing monocytes respond to IFN-gamma?", "CD163-expressing"),
        ("How do monocytes expressing CD163 respond to IFN-gamma?", "expressing CD163"),
        ("How do CXCR5+ B cells respond to IFN-beta?", "CXCR5+"),
        ("How do PD-1+ CD8 T cells respond to IL-2?", "PD-1+"),
        ("How do PD1hi CD8 T cells respond to IL-2?", "PD1hi"),
        ("How do HLA-DR+CD163- monocytes respond to TNF?", "HLA-DR+CD163-"),
        ("How do granzyme B+ CD8 T cells respond to IL-2?", "granzyme B+"),
        ("How do CD28null T cells respond to IL-2?", "CD28null"),
        ("How do CD8 T cells with little CD28 respond to IL-2?", "with little CD28"),
        ("How do CD8 T cells that express PD-1 respond to IL-2?", "that express PD-1"),
        ("How do CD8 T cells positive for PD-1 respond to IL-2?", "positive for PD-1"),
        ("How do CD8 T cells negative for CD28 respond to IL-2?", "negative for CD28"),
        ("How do NK cells which have high CD57 respond to IL-2?", "which have high CD57"),
        ("How do monocytes whose HLA-DR is low respond to IFN-gamma?", "whose HLA-DR is low"),
        ("How do monocytes with high CD163 respond to IFN-gamma?", "with high CD163"),
        ("How do monocytes with low levels of HLA-DRA respond to IFN-gamma?", "with low levels of HLA-DRA"),
        ("My monocytes have high STAT1. How will they respond to IFN-gamma?", "have high STAT1"),
    ],
)
def test_regression_cells_named_by_a_marker_are_not_taken_for_all_of_their_type(question: str, text: str) -> None:
    found = interpret(question)
    (caveat,) = [each for each in found.caveats if each.code is CaveatCode.UNKNOWN_WORDS]
    assert caveat.text == text
    assert caveat.detail.startswith(f"“{text}” names some of the cells, which is not taken into account")
    assert found.genes == []  # nobody asks whether the marker changes


@pytest.mark.parametrize(
    "question",
    [
        "Do NK cells have high GZMB after IL-2?",
        "Do NK cells have more GZMB after IL-2?",
        "Do monocytes treated with IFN-gamma have high levels of STAT1?",
    ],
)
def test_a_level_that_is_asked_about_names_no_subset(question: str) -> None:
    assert told(question, CaveatCode.UNKNOWN_WORDS) == []
    assert len(interpret(question).genes) == 1


@pytest.mark.parametrize(
    ("question", "text", "perturbation"),
    [
        ("How do IL-10-producing B cells respond to IFN-beta?", "IL-10-producing", "IFN-beta"),
        ("How do IFN-gamma-secreting NK cells respond to IL-2?", "IFN-gamma-secreting", "IL-2"),
        ("How do TNF-producing monocytes respond to IFN-gamma?", "TNF-producing", "IFN-gamma"),
        ("How do IL-17-producing CD4 T cells respond to IL-6?", "IL-17-producing", "IL-6"),
        ("How do IL-10 producing B cells respond to IFN-beta?", "IL-10 producing", "IFN-beta"),
        ("How do NK cells making IFN-gamma respond to IL-2?", "making IFN-gamma", "IL-2"),
        ("How do NK cells that make IFN-gamma respond to IL-2?", "that make IFN-gamma", "IL-2"),
        ("How do IL-10+ B cells respond to IFN-beta?", "IL-10+", "IFN-beta"),
        ("How do IFNG+ NK cells respond to IL-2?", "IFNG+", "IL-2"),
        ("How do TNF+IFNG+ CD4 T cells respond to IL-2?", "TNF+IFNG+", "IL-2"),
        ("How do EBV-specific CD8 T cells respond to IL-2?", "EBV-specific", "IL-2"),
        ("How do virus-specific CD8 T cells respond to IL-2?", "virus-specific", "IL-2"),
        ("How do SARS-CoV-2-specific CD4 T cells respond to IL-2?", "SARS-CoV-2-specific", "IL-2"),
        ("How do antigen-specific CD8 T cells respond to IL-2?", "antigen-specific", "IL-2"),
    ],
)
def test_regression_what_cells_make_or_recognize_names_a_subset(question: str, text: str, perturbation: str) -> None:
    found = interpret(question)
    assert codes(question) == {CaveatCode.UNKNOWN_WORDS}
    assert told(question, CaveatCode.UNKNOWN_WORDS) == [text]
    assert found.answerable
    assert found.perturbation is not None
    assert found.perturbation.name == perturbation
    assert found.genes == []


@pytest.mark.parametrize(
    "question",
    [
        "IL2+NK cells",
        "NK cells + IL-2",
        "How do CD14+ monocytes respond to IFN-gamma?",
        "What are the IL-2-specific genes in NK cells?",
        "Which cell-type-specific genes does IFN-gamma change in monocytes?",
    ],
)
def test_what_acts_on_the_cells_names_no_subset(question: str) -> None:
    assert codes(question) == set()


@pytest.mark.parametrize(
    "question",
    [
        "Are monocytes making CXCL10 after IFN-gamma?",
        "Are there monocytes that express CXCL10 after IFN-gamma?",
        "Which NK cells express GZMB after IL-2?",
        "Does IL-2 make NK cells producing IFN-gamma?",
    ],
)
def test_what_cells_are_asked_to_make_names_no_subset(question: str) -> None:
    assert codes(question) == set()
    assert len(interpret(question).genes) == 1


def test_a_gene_called_null_is_missing_unless_it_is_a_marker() -> None:
    assert codes("How do STAT1null monocytes respond to IFN-gamma?") == {CaveatCode.KNOCKOUT}
