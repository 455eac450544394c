"""Ways of naming things that work for all names of a kind."""

import pytest

from shared.resolver import resolve
from tests.support.catalogs import small_view

VIEW = small_view()


def cells(question: str) -> list[str]:
    """Return the labels of the cell types that a question names."""
    found = resolve(question, VIEW).cell_type
    return (found.candidates or [found.name]) if found else []


@pytest.mark.parametrize(
    "written", ["effector and central memory CD8 T cells", "effector or central memory CD8 T cells"]
)
def test_two_cell_types_may_share_a_noun(written: str) -> None:
    assert cells(f"How would {written} respond to IL-7?")[-1] == "central memory CD8-positive, alpha-beta T cell"


@pytest.mark.parametrize(
    "written", ["CD4 and CD8 T cells", "CD4/CD8 T cells", "CD4, CD8 T cells", "CD4 vs CD8 T cells"]
)
def test_what_stands_between_two_cell_types_does_not_matter(written: str) -> None:
    found = cells(f"How would {written} respond to IL-7?")
    assert sorted(found) == ["CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell"]


def test_a_more_precise_name_in_parentheses_counts() -> None:
    assert cells("IL-6 on helper T cells (Th9) in culture") == ["T-helper 9 cell"]
    assert cells("IL-6 on Tregs (T cells) in culture") == ["regulatory T cell"]


def test_two_types_that_are_compared_are_both_named() -> None:
    assert set(cells("How do Tregs differ from CD8 T cells?")) == {
        "regulatory T cell",
        "CD8-positive, alpha-beta T cell",
    }
    assert cells("Tregs isolated from PBMC in culture") == ["regulatory T cell"]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("cardiac fibroblasts", "fibroblast of cardiac tissue"),
        ("fibroblasts of the heart", "fibroblast of cardiac tissue"),
        ("beta cells of the pancreas", "type B pancreatic cell"),
        ("hepatic macrophages", "Kupffer cell"),
        ("CD14 human monocytes", "CD14-positive monocyte"),
        ("B Intermediate/Memory", "memory B cell"),
    ],
)
def test_tissues_padding_and_labels_are_understood(written: str, label: str) -> None:
    assert label in cells(f"How would {written} respond to IL-6?")


@pytest.mark.parametrize(
    "question",
    [
        "tofacitinib in T cells",
        "CXCL12 on T cells",
        "foobarin on T cells",
        "T cells with dexamethasone",
        "IL-14 and T cells",
        "IL-6 receptor signalling blockade in T cells",
    ],
)
def test_a_question_with_an_unknown_treatment_is_not_observational(question: str) -> None:
    found = resolve(question, VIEW)
    assert (found.perturbation, found.observational) == (None, False)


@pytest.mark.parametrize(
    "question",
    [
        "Is CXCL10 expression high in T cells?",
        "Which T cells express insulin?",
        "What do T cells look like in blood?",
    ],
)
def test_what_cells_make_is_not_a_treatment(question: str) -> None:
    assert resolve(question, VIEW).observational


def test_protein_after_a_name_changes_nothing_except_before_levels() -> None:
    assert resolve("Recombinant IL-6 protein on T cells", VIEW).perturbation is not None
    assert resolve("IL-6 protein levels in T cells", VIEW).perturbation is None
