"""The cells that a question asks about, among the cell types, mixtures, markers and states that it names."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import interpret, told


def cell_type(question: str) -> str | None:
    found = interpret(question).cell_type
    return found.name if found else None


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("IL2 CD8", "CD8-positive, alpha-beta T cell"),
        ("CD4 + IL-6", "CD4-positive, alpha-beta T cell"),
        ("NK IFNb", "natural killer cell"),
        ("immune cells with IL-2", "leukocyte"),
        ("WBC + IL-6", "leukocyte"),
        ("white blood cells after TNF", "leukocyte"),
        ("human B cells with IL-6", "B cell"),
        ("IL-6 in decidual NK cells", "decidual natural killer cell, human"),
        ("exhausted CD8 T cells with IL-2", "CD8-positive, alpha-beta T cell"),
        ("What does IFN-gamma do?", None),
        ("Does TNF change CD8A?", None),
    ],
)
def test_cells_are_named_by_type_marker_or_mixture(question: str, name: str | None) -> None:
    assert cell_type(question) == name


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("IFN-gamma in monocytes and B cells", ["B cells"]),
        ("Do NK cells and CD8 T cells respond alike to IL-2?", ["CD8 T cells"]),
        ("IL-2 in Tregs versus CD8 T cells", ["CD8 T cells"]),
        ("IFN-gamma in monocytes, DCs and B cells", ["DCs", "B cells"]),
        ("CD4 T cells in coculture with monocytes, IL-6", ["monocytes"]),
        ("IFN-gamma in monocytes", []),
        ("IFN-gamma in monocytes (CD14 monocytes)", []),
        ("How do T cells, above all Tregs, respond to IL-2?", []),
        ("Does IL-2 make NK cells more like NK cells?", []),
    ],
)
def test_other_cell_types_are_told(question: str, others: list[str]) -> None:
    assert told(question, CaveatCode.SECOND_CELL_TYPE) == others
    assert interpret(question).answerable


@pytest.mark.parametrize(
    "question",
    [
        "How do hepatocytes respond to IL-6?",
        "neurons and TNF",
        "IFN-gamma in fibroblasts",
        "microglia treated with TNF",
        "platelets exposed to IL-6",
        "Neutrophils with TNF",
        "keratinocytes with EGF",
        "ILC3 with IL-2",
        "Germinal center B cells with IL-6",
        "hematopoietic stem cells and IFN-beta",
    ],
)
def test_cells_that_no_atlas_has_are_refused(question: str) -> None:
    (text,) = told(question, CaveatCode.UNAVAILABLE_CELL_TYPE)
    assert text in question
    found = interpret(question)
    assert not found.answerable
    assert found.cell_type is not None
    assert found.cell_type.used is None


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How would monocytes respond to IFN-gamma without NK cells?", "without NK cells"),
        ("Can IFN-gamma act on monocytes in the absence of T cells?", "absence of T cells"),
        ("How would monocytes respond to IFN-gamma after depletion of CD4 T cells?", "depletion of CD4 T cells"),
        ("How do T-cell-depleted monocytes respond to IFN-gamma?", "T-cell-depleted"),
    ],
)
def test_regression_cells_that_are_missing_are_not_asked_about(question: str, text: str) -> None:
    assert cell_type(question) == "monocyte"
    (found,) = [each for each in interpret(question).caveats if each.code is CaveatCode.SECOND_CELL_TYPE]
    assert found.text == text
    assert found.detail.startswith("That other cells are missing")


def test_numbers_of_cells_are_no_gene_expression() -> None:
    (found,) = [
        each
        for each in interpret("How does IFN-gamma change the number of monocytes?").caveats
        if each.code is CaveatCode.UNKNOWN_WORDS
    ]
    assert found.detail == "The answer is about gene expression, not about cell numbers."


@pytest.mark.parametrize(
    ("question", "name", "other"),
    [
        ("Does IL-6 turn CD4 T cells toward Th17?", "CD4-positive, alpha-beta T cell", "Th17"),
        (
            "Does IL-2 turn CD8 T cells into memory CD8 T cells?",
            "CD8-positive, alpha-beta T cell",
            "memory CD8 T cells",
        ),
        ("Does IL-6 push CD4 T cells towards Tfh cells?", "CD4-positive, alpha-beta T cell", "Tfh cells"),
        ("Does IFN-beta make B cells like plasma cells?", "B cell", "plasma cells"),
        ("Does TNF make T cells into Tregs?", "T cell", "Tregs"),
    ],
)
def test_regression_cells_that_become_others_are_asked_about(question: str, name: str, other: str) -> None:
    assert cell_type(question) == name
    assert told(question, CaveatCode.SECOND_CELL_TYPE) == [other]


@pytest.mark.parametrize(
    "question", ["How do Th1 like cells respond to IL-2?", "How do Th1-like cells respond to IL-2?"]
)
def test_cells_that_are_like_others_are_these(question: str) -> None:
    assert cell_type(question) == "T-helper 1 cell"
